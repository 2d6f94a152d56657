import CProcess
import Glibc

/// An unnamed file in memory, for what a child reads or writes. It goes with this object.
public final class MemoryFile: Sendable {
  /// The open file, for ``ChildProcess/start(_:environment:input:output:errors:workingFolder:)``.
  public let descriptor: CInt

  /// A file that holds `text`, to be read from its start.
  ///
  /// - Throws: `.failed` with the error number.
  public init(_ text: String = "") throws(ProgramError) {
    let file = lethe_memory_file()
    guard file >= 0 else { throw ProgramError(.failed, "can't make a file in memory (errno \(errno))") }
    let bytes = Array(text.utf8)
    var start = 0
    while start < bytes.count {
      // Reads within the slice lent for the call.
      let count = unsafe bytes[start...].withUnsafeBytes { unsafe write(file, $0.baseAddress, $0.count) }
      guard count > 0 else {
        let reason = errno
        close(file)
        throw ProgramError(.failed, "can't fill a file in memory (errno \(reason))")
      }
      start += count
    }
    lseek(file, 0, SEEK_SET)
    descriptor = file
  }

  deinit { close(descriptor) }

  /// All that the file holds, as text.
  public func text() -> String {
    lseek(descriptor, 0, SEEK_SET)
    var bytes: [UInt8] = []
    var part = [UInt8](repeating: 0, count: 65_536)
    while true {
      // Reads at most the array's length into memory lent for the call.
      let count = unsafe read(descriptor, &part, part.count)
      guard count > 0 else { break }
      bytes += part.prefix(count)
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}
