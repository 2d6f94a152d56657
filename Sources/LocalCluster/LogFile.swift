import Foundation
import Glibc

/// The server's log, opened by us and inherited by the server, so that its account needs no way to the file.
final class LogFile: Sendable {
  let descriptor: CInt
  private let path: String
  private let start: off_t

  init(_ path: String) throws(LocalClusterError) {
    // libc reads the path during the call.
    descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard descriptor >= 0 else {
      throw LocalClusterError(.unusableFolder, "can't open the server's log \(path) (errno \(errno))")
    }
    self.path = path
    start = lseek(descriptor, 0, SEEK_END)
  }

  deinit { close(descriptor) }

  /// The last complaint written since the file was opened, for a one-line error.
  func lastComplaint() -> String {
    guard let data = FileManager.default.contents(atPath: path) else { return "see \(path)" }
    let lines = String(decoding: data.dropFirst(Int(start)), as: UTF8.self).split(separator: "\n")
    let complaint = lines.last { $0.contains("FATAL") || $0.contains("PANIC") || $0.contains("error") }
    return "\((complaint ?? lines.last).map(String.init) ?? "no message") (see \(path))"
  }
}
