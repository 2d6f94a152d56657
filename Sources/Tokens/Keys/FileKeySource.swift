import Glibc

/// A key set in a local file, read again at each refresh.
public struct FileKeySource: KeySource {
  private let path: String

  /// Names the file; nothing is opened yet. A symbolic link is followed, since mounted configuration uses them.
  public init(_ path: String) {
    self.path = path
  }

  /// Reads the file.
  ///
  /// Throws a ``TokenError``: `fileNotReadable`; `fileNotAllowed` for anything but a regular file, and for one that
  /// anyone may write to, since whoever writes it can sign tokens; `tooLong` past 64 KiB.
  public func jwks() async throws -> [UInt8] {
    try read()
  }

  private func read() throws(TokenError) -> [UInt8] {
    // Non-blocking, so that a named pipe in the file's place cannot hold a thread; regular files ignore the flag.
    // Unsafe: C reads the path as a NUL-terminated string for the duration of the call only.
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw TokenError(.fileNotReadable) }
    defer { close(descriptor) }
    var status = stat()
    // Unsafe: fstat fills the structure, which outlives the call.
    guard unsafe fstat(descriptor, &status) == 0 else { throw TokenError(.fileNotReadable) }
    guard status.st_mode & S_IFMT == S_IFREG, status.st_mode & S_IWOTH == 0 else {
      throw TokenError(.fileNotAllowed)
    }
    return try Self.contents(of: descriptor)
  }

  private static func contents(of descriptor: Int32) throws(TokenError) -> [UInt8] {
    var contents: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 16 * 1024)
    while true {
      // Unsafe: read writes at most the buffer's own count into it.
      let count = unsafe buffer.withUnsafeMutableBytes { unsafe Glibc.read(descriptor, $0.baseAddress, $0.count) }
      if count < 0 && errno == EINTR { continue }
      guard count >= 0 else { throw TokenError(.fileNotReadable) }
      if count == 0 { return contents }
      contents.append(contentsOf: buffer.prefix(count))
      guard contents.count <= JWKSet.maxBytes else { throw TokenError(.tooLong) }
    }
  }
}
