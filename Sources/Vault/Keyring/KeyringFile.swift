import CSodium
import Foundation

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The file system's side of a keyring: made and changed whole or not at all, read only when nobody else could have.
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
    let temporary = temporaryName(for: name)
    try writeTemporary(temporary, bytes, in: folder, as: nil)
    guard unsafe linkat(folder.number, temporary, folder.number, name, 0) == 0 else {
      // A change of a keyring that another made meanwhile removes what it finds left over.
      let number = errno
      let error = number == EEXIST || number == ENOENT ? VaultError(.keyringExists, path: path) : system(number)
      discard(temporary, in: folder)
      throw error
    }
    guard unsafe unlinkat(folder.number, temporary, 0) == 0, fsync(folder.number) == 0 else { throw system(errno) }
  }

  /// Reads the file into guarded memory. A file longer than `limit` bytes comes back one byte longer than that.
  ///
  /// A change puts another file in this one's place and may then overwrite this one, so what was read counts only if
  /// it is still in its place afterwards.
  func read(atMost limit: Int) throws(VaultError) -> GuardedBytes {
    var isInPlace = true
    for _ in 0..<16 {
      let bytes = try readOnce(atMost: limit, isInPlace: &isInPlace)
      if isInPlace { return bytes }
    }
    return try readOnce(atMost: limit, isInPlace: &isInPlace)
  }

  /// Whether a file of that mode and owner may be trusted by a process of that effective user.
  func check(mode: mode_t, owner: uid_t, user: uid_t) throws(VaultError) {
    guard mode & S_IFMT == S_IFREG else { throw VaultError(.keyringNotRegular, path: path) }
    guard owner == user || user == 0 else { throw VaultError(.keyringOwner, path: path) }
    guard mode & 0o077 == 0 else { throw VaultError(.keyringPermissions, path: path) }
  }

  private func readOnce(atMost limit: Int, isInPlace: inout Bool) throws(VaultError) -> GuardedBytes {
    let file = try openForReading()
    guard let status = file.status else { throw system(errno) }
    try check(mode: status.st_mode, owner: status.st_uid, user: geteuid())
    var bytes = try GuardedBytes(count: min(Int(status.st_size), limit + 1))
    // The buffer is lent for the time of the call.
    let failure = unsafe bytes.withUnsafeMutableBytes { unsafe file.read(into: $0) }
    guard failure == 0 else { throw system(failure) }
    isInPlace = self.isInPlace(file)
    return bytes
  }

  fileprivate func openForReading() throws(VaultError) -> OpenFile {
    // Without O_NONBLOCK, opening a pipe would wait for a writer.
    let file = OpenFile(number: unsafe open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC))
    if file.number < 0 {
      switch errno {
      case ENOENT, ENOTDIR: throw VaultError(.keyringMissing, path: path)
      case ELOOP, ENXIO: throw VaultError(.keyringNotRegular, path: path)
      default: throw system(errno)
      }
    }
    return file
  }

  /// Whether the path still leads to the open file.
  fileprivate func isInPlace(_ file: borrowing OpenFile) -> Bool {
    var named = stat()
    // The structure outlives the call.
    guard unsafe lstat(path, &named) == 0, let opened = file.status else { return false }
    return named.st_ino == opened.st_ino && named.st_dev == opened.st_dev
  }

  /// Writes a file of mode 0600 and flushes it; on failure nothing of it stays. `owner` is whom it shall belong to, if
  /// that is somebody else.
  fileprivate func writeTemporary(
    _ name: String, _ bytes: borrowing GuardedBytes, in folder: borrowing OpenFile, as owner: stat?
  ) throws(VaultError) {
    let file = OpenFile(
      number: unsafe openat(folder.number, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode_t(0o600)))
    guard file.number >= 0 else { throw system(errno) }
    do throws(VaultError) {
      // The process's mask may have taken rights away.
      guard fchmod(file.number, 0o600) == 0 else { throw system(errno) }
      if let owner, owner.st_uid != geteuid() || owner.st_gid != getegid() {
        guard fchown(file.number, owner.st_uid, owner.st_gid) == 0 else { throw system(errno) }
      }
      // The buffer is lent for the time of the call.
      let failure = unsafe bytes.withUnsafeBytes { unsafe file.write($0) }
      guard failure == 0 else { throw system(failure) }
      guard fsync(file.number) == 0 else { throw system(errno) }
    } catch {
      file.overwrite()
      // Nothing more can be done when this fails too; the name says what the file is.
      _ = unsafe unlinkat(folder.number, name, 0)
      throw error
    }
  }

  /// Overwrites and removes a temporary file, unless it is also known by another name: then it is a keyring in use, and
  /// only this name goes.
  fileprivate func discard(_ name: String, in folder: borrowing OpenFile) {
    let file = OpenFile(
      number: unsafe openat(folder.number, name, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC))
    if let status = file.status, status.st_mode & S_IFMT == S_IFREG, status.st_nlink == 1 { file.overwrite() }
    _ = unsafe unlinkat(folder.number, name, 0)
  }

  fileprivate func temporaryName(for name: String) -> String { ".\(name).\(UUID().uuidString).new" }

  fileprivate func splitPath() -> (folder: String, name: String) {
    guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return (".", path) }
    let folder = String(path[..<slash])
    return (folder.isEmpty ? "/" : folder, String(path[path.utf8.index(after: slash)...]))
  }

  fileprivate func system(_ number: Int32) -> VaultError {
    VaultError(.keyringIO, path: path, systemError: number)
  }
}

/// A keyring's file while one process changes it: the file is locked (`flock`), and so is every file that takes its
/// place while others wait. The lock goes with this value.
struct LockedKeyringFile: ~Copyable {
  private let file: KeyringFile
  private let name: String
  private let folder: OpenFile
  private let current: OpenFile

  /// Waits until no other process changes the keyring.
  init(_ file: KeyringFile) throws(VaultError) {
    let (folderPath, name) = file.splitPath()
    let folder = OpenFile(number: unsafe open(folderPath, O_RDONLY | O_DIRECTORY | O_CLOEXEC))
    guard folder.number >= 0 else {
      throw errno == ENOENT || errno == ENOTDIR ? VaultError(.keyringMissing, path: file.path) : file.system(errno)
    }
    while true {
      let current = try file.openForReading()
      while flock(current.number, LOCK_EX) != 0 {
        guard errno == EINTR else { throw file.system(errno) }
      }
      // Whoever held the lock before may have put another file in this one's place.
      if file.isInPlace(current) {
        self.file = file
        self.name = name
        self.folder = folder
        self.current = current
        return
      }
    }
  }

  /// Puts a file with these bytes in the keyring's place: once this returns it is on the disk; after a crash or an error
  /// the path leads to the one or the other, whole. What crashes left over is removed first, since it may hold keys.
  ///
  /// With `overwriting`, the old file's bytes are then overwritten with zeros, as far as the file system lets it.
  func replace(with bytes: borrowing GuardedBytes, overwriting: Bool) throws(VaultError) {
    removeLeftovers()
    let old = OpenFile(
      number: overwriting ? unsafe openat(folder.number, name, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC) : -1)
    let temporary = file.temporaryName(for: name)
    try file.writeTemporary(temporary, bytes, in: folder, as: current.status)
    guard unsafe renameat(folder.number, temporary, folder.number, name) == 0 else {
      let error = file.system(errno)
      file.discard(temporary, in: folder)
      throw error
    }
    guard fsync(folder.number) == 0 else { throw file.system(errno) }
    if old.number >= 0 { old.overwrite() }
  }

  /// Flushes the file as it is, and its name: what another process, or this one, may have been stopped before doing.
  func settle() throws(VaultError) {
    removeLeftovers()
    guard fsync(current.number) == 0, fsync(folder.number) == 0 else { throw file.system(errno) }
  }

  private func removeLeftovers() {
    let prefix = ".\(name)."
    let names: [String]
    do {
      names = try FileManager.default.contentsOfDirectory(atPath: file.splitPath().folder)
    } catch {
      // A folder that can't be listed can still be written to.
      return
    }
    for name in names where name.hasPrefix(prefix) && name.hasSuffix(".new") {
      guard UUID(uuidString: String(name.dropFirst(prefix.count).dropLast(4))) != nil else { continue }
      file.discard(name, in: folder)
    }
  }
}
