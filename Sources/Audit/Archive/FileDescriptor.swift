internal import CFileFlags

#if canImport(Glibc)
  internal import Glibc
#else
  internal import Darwin
#endif

/// One open file or folder, closed when it goes.
struct FileDescriptor: ~Copyable {
  let number: Int32

  init(owning number: Int32) { self.number = number }

  deinit { _ = close(number) }

  /// What kind of thing is open, and how long it is.
  borrowing func status(_ path: String) throws(AuditError) -> (kind: FileKind, length: Int) {
    var status = stat()
    // The structure outlives the call.
    guard unsafe fstat(number, &status) == 0 else { throw AuditError.system(path) }
    return (FileKind(mode: status.st_mode), Int(status.st_size))
  }

  /// Which file is open.
  borrowing func identity(_ path: String) throws(AuditError) -> FileIdentity {
    var status = stat()
    // The structure outlives the call.
    guard unsafe fstat(number, &status) == 0 else { throw AuditError.system(path) }
    return FileIdentity(device: UInt64(status.st_dev), inode: UInt64(status.st_ino))
  }

  /// Cuts the file to that length.
  borrowing func truncate(to length: Int, _ path: String) throws(AuditError) {
    guard ftruncate(number, off_t(length)) == 0 else { throw AuditError.system(path) }
  }

  /// Reads `count` bytes from `offset`; fewer when the file ends.
  borrowing func read(_ count: Int, at offset: Int = 0, _ path: String) throws(AuditError) -> [UInt8] {
    var failure: AuditError?
    // The buffer has `count` bytes, and `initialized` never exceeds what was read into them.
    let bytes = unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
      while initialized < count, let start = buffer.baseAddress {
        let step = unsafe pread(number, start + initialized, count - initialized, off_t(offset + initialized))
        if step < 0 && errno == EINTR { continue }
        if step < 0 { failure = AuditError.system(path) }
        if step <= 0 { break }
        initialized += step
      }
    }
    if let failure { throw failure }
    return bytes
  }

  /// Writes all of `bytes` at the end of what was written before.
  borrowing func write(_ bytes: [UInt8], _ path: String) throws(AuditError) {
    var done = 0
    while done < bytes.count {
      // The pointer stays inside the array, which outlives the call.
      let step = unsafe bytes.withUnsafeBytes { buffer in
        unsafe Glibc.write(number, buffer.baseAddress.map { unsafe $0 + done }, buffer.count - done)
      }
      if step < 0 && errno == EINTR { continue }
      guard step > 0 else { throw AuditError.system(path) }
      done += step
    }
  }

  /// Waits until the contents, or a folder's names, are on the disk.
  borrowing func synchronise(_ path: String) throws(AuditError) {
    guard fsync(number) == 0 else { throw AuditError.system(path) }
  }

  /// Sets or clears the immutable attribute.
  borrowing func setImmutable(_ immutable: Bool, _ path: String) throws(AuditError) {
    let failure = lethe_set_immutable(number, immutable ? 1 : 0)
    guard failure == 0 else { throw AuditError(.inputOutput, file: path, systemError: failure) }
  }

  /// Whether the immutable attribute is set; not where the file system has none.
  borrowing func isImmutable() -> Bool { lethe_is_immutable(number) == 1 }
}

/// Which file is open, whatever its name is now.
struct FileIdentity: Equatable {
  let device: UInt64
  let inode: UInt64
}

/// What a name in a folder stands for.
public enum FileKind: Sendable {
  /// A file with contents.
  case regular
  /// A folder.
  case folder
  /// A link, wherever it leads.
  case link
  /// A device, a pipe, a socket.
  case other

  init(mode: mode_t) {
    switch mode & S_IFMT {
    case S_IFREG: self = .regular
    case S_IFDIR: self = .folder
    case S_IFLNK: self = .link
    default: self = .other
    }
  }
}

extension AuditError {
  /// The last system call's failure.
  static func system(_ path: String?) -> AuditError {
    AuditError(.inputOutput, file: path, systemError: errno)
  }
}
