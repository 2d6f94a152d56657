import Glibc
import Signing

/// An open dump. What was verified is what is restored, because both read this descriptor, whatever happens to the name.
final class DumpFile: Sendable {
  let path: String
  let descriptor: CInt

  /// Makes the file, which must not be there, for its owner only.
  init(creating path: String) throws(BackupError) {
    // libc reads the path during the call.
    descriptor = unsafe open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
    self.path = path
    guard descriptor >= 0 else { throw BackupError(.folder, "can't make \(path) (errno \(errno))") }
  }

  /// Opens a file that is there and is no link, folder or pipe.
  init(opening path: String) throws(BackupError) {
    // libc reads the path during the call. A pipe opens at once instead of waiting for a writer, and is refused below.
    descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
    self.path = path
    guard descriptor >= 0 else {
      let reason = errno
      throw BackupError(
        reason == ENOENT ? .damaged : .folder,
        reason == ENOENT ? "\(path) is missing" : "can't open \(path) (errno \(reason))")
    }
    guard try status().st_mode & S_IFMT == S_IFREG else { throw BackupError(.damaged, "\(path) is not a file") }
  }

  /// What is written here goes nowhere.
  init(nowhere: Void) throws(BackupError) {
    path = "/dev/null"
    // libc reads the path during the call.
    descriptor = unsafe open("/dev/null", O_WRONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw BackupError(.folder, "can't open \(path) (errno \(errno))") }
  }

  deinit { if descriptor >= 0 { close(descriptor) } }

  /// The file's length in bytes.
  func length() throws(BackupError) -> Int64 { Int64(try status().st_size) }

  /// Goes back to the file's beginning.
  func rewind() { lseek(descriptor, 0, SEEK_SET) }

  /// SHA-256 of the whole file, read in pieces of one MiB; blocks. Leaves the file at its beginning.
  func digest() throws(BackupError) -> SHA256Digest {
    rewind()
    var stream = SHA256Stream()
    var piece = [UInt8](repeating: 0, count: 1 << 20)
    while true {
      // Reads at most the array's length into memory lent for the call.
      let count = unsafe read(descriptor, &piece, piece.count)
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw BackupError(.folder, "can't read \(path) (errno \(errno))") }
      if count == 0 { break }
      if count == piece.count { stream.update(piece) } else { stream.update(Array(piece.prefix(count))) }
    }
    rewind()
    return stream.finish()
  }

  /// Returns when everything written is on the disk.
  func synchronise() throws(BackupError) {
    guard fsync(descriptor) == 0 else { throw BackupError(.folder, "can't make \(path) durable (errno \(errno))") }
  }

  private func status() throws(BackupError) -> stat {
    var status = stat()
    // `fstat` fills the structure lent for the call.
    guard unsafe fstat(descriptor, &status) == 0 else {
      throw BackupError(.folder, "can't ask for \(path) (errno \(errno))")
    }
    return status
  }
}
