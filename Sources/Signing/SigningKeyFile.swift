import COpenSSL
import Glibc

/// The signing key in a file of its own: PKCS#8 in PEM, readable by its owner only.
///
/// What is loaded is decided on the open file, not on its name, so that nobody can swap it in between.
public enum SigningKeyFile {
  /// Larger files are refused unread, in bytes.
  public static let maximumBytes = 16_384

  /// Makes a fresh Ed25519 key and its file, with mode 0600. When it returns, file and folder entry are durable.
  ///
  /// - Throws: `.fileExists` when anything is at the path, also a dangling link; `.fileUnwritable` otherwise, and
  ///   then no file is left behind.
  public static func create(at path: String) throws(SigningError) -> SigningKey {
    let key = try SigningKey.generate(.ed25519)
    var pem = try key.privatePEM()
    // The array's own storage is wiped, whatever happens to the file.
    defer { unsafe OPENSSL_cleanse(&pem, pem.count) }
    // The path is passed as a C string for each call.
    let file = unsafe open(path, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0o600)
    guard file >= 0 else { throw SigningError(errno == EEXIST ? .fileExists : .fileUnwritable, path: path) }
    let written = fchmod(file, 0o600) == 0 && writeAll(pem, to: file) && fsync(file) == 0
    guard close(file) == 0, written, syncFolder(of: path) else {
      _ = unsafe unlink(path)
      throw SigningError(.fileUnwritable, path: path)
    }
    return key
  }

  /// Loads the key, Ed25519 or P-256.
  ///
  /// - Throws: an error that names the path and one of: `.fileMissing`, `.fileIsLink`, `.fileNotRegular`,
  ///   `.fileExposed` (group or others have any access), `.fileOfAnotherUser` (root may load anyone's),
  ///   `.fileTooLarge` (over 16 KiB), `.fileUnreadable`, `.fileMalformed`.
  public static func load(from path: String) throws(SigningError) -> SigningKey {
    // Without O_NONBLOCK, opening a pipe would wait for a writer. The path is passed as a C string for the call.
    let file = unsafe open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK)
    guard file >= 0 else { throw SigningError(refusal(ofOpening: path, errno), path: path) }
    defer { close(file) }
    var status = stat()
    guard unsafe fstat(file, &status) == 0 else { throw SigningError(.fileUnreadable, path: path) }
    guard status.st_mode & S_IFMT == S_IFREG else { throw SigningError(.fileNotRegular, path: path) }
    guard geteuid() == 0 || status.st_uid == geteuid() else { throw SigningError(.fileOfAnotherUser, path: path) }
    guard status.st_mode & 0o077 == 0 else { throw SigningError(.fileExposed, path: path) }
    guard status.st_size <= maximumBytes else { throw SigningError(.fileTooLarge, path: path) }
    guard var pem = readAll(file) else { throw SigningError(.fileUnreadable, path: path) }
    // The array's own storage is wiped once OpenSSL has parsed it.
    defer { unsafe OPENSSL_cleanse(&pem, pem.count) }
    guard pem.count <= maximumBytes else { throw SigningError(.fileTooLarge, path: path) }
    do {
      return try SigningKey(pem: pem)
    } catch {
      throw SigningError(error.code == .operationFailed ? .operationFailed : .fileMalformed, path: path)
    }
  }

  /// Puts the key at `next` in the place of the one at `path`, which is kept at `retired`; each in one step, so that
  /// there is a whole key at `path` at any moment. Both are durable when it returns. `next` and `path` are in one folder.
  ///
  /// It may be repeated after a crash, as long as `next` is there.
  /// - Throws: `.fileUnwritable` with the path that it was about.
  public static func replace(_ path: String, by next: String, keepingAs retired: String) throws(SigningError) {
    // Paths are passed as C strings for each call.
    guard unsafe link(path, retired) == 0 || errno == EEXIST else { throw SigningError(.fileUnwritable, path: retired) }
    guard syncFolder(of: retired) else { throw SigningError(.fileUnwritable, path: retired) }
    guard unsafe rename(next, path) == 0, syncFolder(of: path) else { throw SigningError(.fileUnwritable, path: path) }
  }

  private static func refusal(ofOpening path: String, _ error: Int32) -> SigningError.Code {
    switch error {
    case ENOENT, ENOTDIR: return .fileMissing
    case ELOOP: return .fileIsLink
    case ENXIO: return .fileNotRegular  // a socket, or a device without a driver
    default: return .fileUnreadable
    }
  }

  private static func writeAll(_ bytes: [UInt8], to file: Int32) -> Bool {
    var offset = 0
    while offset < bytes.count {
      // The pointer is valid for the closure; the length never passes the end of the array.
      let count = unsafe bytes.withUnsafeBytes { buffer in
        unsafe write(file, buffer.baseAddress?.advanced(by: offset), buffer.count - offset)
      }
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { return false }
      offset += count
    }
    return true
  }

  /// At most one byte more than a key may have, so that a file that grew meanwhile is noticed.
  private static func readAll(_ file: Int32) -> [UInt8]? {
    var bytes = [UInt8](repeating: 0, count: maximumBytes + 1)
    var length = 0
    while length < bytes.count {
      // The pointer is valid for the closure; the length never passes the end of the array.
      let count = unsafe bytes.withUnsafeMutableBytes { buffer in
        unsafe read(file, buffer.baseAddress?.advanced(by: length), buffer.count - length)
      }
      if count < 0 && errno == EINTR { continue }
      guard count >= 0 else { return nil }
      if count == 0 { break }
      length += count
    }
    bytes.removeLast(bytes.count - length)
    return bytes
  }

  /// Makes the new name durable: on Linux a file's fsync doesn't cover its folder.
  private static func syncFolder(of path: String) -> Bool {
    let slash = path.utf8.lastIndex(of: UInt8(ascii: "/"))
    let folder = slash.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
    let descriptor = unsafe open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    return fsync(descriptor) == 0
  }
}
