import Glibc

/// Wakes a connection's thread out of `poll` from another thread: a pipe of which one byte is enough.
final class WakeSignal: Sendable {
  let readEnd: CInt
  private let writeEnd: CInt

  init() throws(PostgresError) {
    var ends: [CInt] = [-1, -1]
    // `pipe` writes exactly two descriptors into the array lent for the call.
    guard unsafe pipe(&ends) == 0 else {
      throw PostgresError(.connection, message: "no file descriptor left for a pipe")
    }
    for end in ends {
      _ = fcntl(end, F_SETFL, O_NONBLOCK)
      _ = fcntl(end, F_SETFD, FD_CLOEXEC)
    }
    (readEnd, writeEnd) = (ends[0], ends[1])
  }

  deinit {
    close(readEnd)
    close(writeEnd)
  }

  /// Makes the pipe readable. A full pipe is readable already.
  func raise() {
    var byte: UInt8 = 1
    // One byte of a local, read within the call.
    _ = unsafe write(writeEnd, &byte, 1)
  }

  /// Empties the pipe, so that the next `raise` is noticed.
  func clear() {
    var bytes: [UInt8] = .init(repeating: 0, count: 64)
    // Writes at most the array's length into memory lent for the call.
    while unsafe read(readEnd, &bytes, bytes.count) > 0 {}
  }
}
