import CSodium
import Foundation

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The file system's side of a keyring: made whole or not at all, read only when nobody else could have.
///
/// Calls that take a path are marked unsafe only because a Swift string becomes a C string for the call.
struct KeyringFile {
  let path: String

  /// Writes a new file with mode 0600, first under a random name in the same folder, then under its own. Nothing that
  /// is there already is replaced.
  func create(_ bytes: borrowing GuardedBytes) throws(VaultError) {
    let (folderPath, name) = splitPath()
    guard !name.isEmpty else { throw VaultError(.keyringNotRegular, path: path) }
    let folder = OpenFile(number: unsafe open(folderPath, O_RDONLY | O_DIRECTORY | O_CLOEXEC))
    guard folder.number >= 0 else { throw system(errno) }
    let temporary = ".\(name).\(UUID().uuidString).new"
    let file = OpenFile(
      number: unsafe openat(
        folder.number, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode_t(0o600)))
    guard file.number >= 0 else { throw system(errno) }
    do throws(VaultError) {
      // The process's mask may have taken rights away.
      guard fchmod(file.number, 0o600) == 0 else { throw system(errno) }
      try write(bytes, to: file)
      guard fsync(file.number) == 0 else { throw system(errno) }
      guard unsafe linkat(folder.number, temporary, folder.number, name, 0) == 0 else {
        throw errno == EEXIST ? VaultError(.keyringExists, path: path) : system(errno)
      }
    } catch {
      // Nothing more can be done when this fails too; the name says what the file is.
      _ = unsafe unlinkat(folder.number, temporary, 0)
      throw error
    }
    guard unsafe unlinkat(folder.number, temporary, 0) == 0, fsync(folder.number) == 0 else { throw system(errno) }
  }

  /// Reads the file into guarded memory. A file longer than `limit` bytes comes back one byte longer than that.
  func read(atMost limit: Int) throws(VaultError) -> GuardedBytes {
    // Without O_NONBLOCK, opening a pipe would wait for a writer.
    let file = OpenFile(number: unsafe open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC))
    if file.number < 0 {
      switch errno {
      case ENOENT, ENOTDIR: throw VaultError(.keyringMissing, path: path)
      case ELOOP, ENXIO: throw VaultError(.keyringNotRegular, path: path)
      default: throw system(errno)
      }
    }
    var status = stat()
    // The structure outlives the call.
    guard unsafe fstat(file.number, &status) == 0 else { throw system(errno) }
    try check(mode: status.st_mode, owner: status.st_uid, user: geteuid())
    var bytes = try GuardedBytes(count: min(Int(status.st_size), limit + 1))
    // `done` never exceeds the buffer's length.
    try unsafe bytes.withUnsafeMutableBytes { (buffer: UnsafeMutableRawBufferPointer) throws(VaultError) in
      var done = 0
      while done < buffer.count, let start = buffer.baseAddress {
        let step = unsafe pread(file.number, start + done, buffer.count - done, off_t(done))
        if step < 0 && errno == EINTR { continue }
        guard step > 0 else { throw system(step < 0 ? errno : EIO) }
        done += step
      }
    }
    return bytes
  }

  /// Whether a file of that mode and owner may be trusted by a process of that effective user.
  func check(mode: mode_t, owner: uid_t, user: uid_t) throws(VaultError) {
    guard mode & S_IFMT == S_IFREG else { throw VaultError(.keyringNotRegular, path: path) }
    guard owner == user || user == 0 else { throw VaultError(.keyringOwner, path: path) }
    guard mode & 0o077 == 0 else { throw VaultError(.keyringPermissions, path: path) }
  }

  private func write(_ bytes: borrowing GuardedBytes, to file: borrowing OpenFile) throws(VaultError) {
    let number = file.number
    // `done` never exceeds the buffer's length.
    try unsafe bytes.withUnsafeBytes { (buffer: UnsafeRawBufferPointer) throws(VaultError) in
      var done = 0
      while done < buffer.count, let start = buffer.baseAddress {
        let step = unsafe pwrite(number, start + done, buffer.count - done, off_t(done))
        if step < 0 && errno == EINTR { continue }
        guard step > 0 else { throw system(step < 0 ? errno : EIO) }
        done += step
      }
    }
  }

  private func splitPath() -> (folder: String, name: String) {
    guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return (".", path) }
    let folder = String(path[..<slash])
    return (folder.isEmpty ? "/" : folder, String(path[path.utf8.index(after: slash)...]))
  }

  private func system(_ number: Int32) -> VaultError { VaultError(.keyringIO, path: path, systemError: number) }
}

/// One open file, or none when the number is negative; closed when it goes.
private struct OpenFile: ~Copyable {
  let number: Int32

  deinit { if number >= 0 { _ = close(number) } }
}
