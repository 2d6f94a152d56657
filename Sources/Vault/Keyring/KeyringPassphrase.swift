import Foundation

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The passphrase that seals a keyring's file: 1 to 1,024 bytes, in guarded memory, wiped when the last reference goes.
public final class KeyringPassphrase: Sendable, CustomStringConvertible, CustomReflectable {
  private let bytes: GuardedBytes

  /// The most bytes a passphrase may have.
  private static let longest = 1024

  /// Reads a file, without one line feed at its end if there is one. Its bytes are taken as they are: they need not be
  /// text. Links are followed, as mounted secrets are often given; the file at their end must be a regular one of this
  /// user or root, on which group and others have no right.
  ///
  /// Throws ``VaultError/Code/passphraseFile`` with the path.
  public init(readingFile path: String) throws(VaultError) {
    // Without O_NONBLOCK, opening a pipe would wait for a writer.
    let file = OpenFile(number: unsafe open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC))
    guard file.number >= 0, let status = file.status else {
      throw VaultError(.passphraseFile, path: path, systemError: errno)
    }
    guard status.st_mode & S_IFMT == S_IFREG, status.st_mode & 0o077 == 0,
      status.st_uid == geteuid() || status.st_uid == 0 || geteuid() == 0,
      (1...Self.longest + 1).contains(Int(status.st_size))
    else { throw VaultError(.passphraseFile, path: path) }
    var read = try GuardedBytes(count: Int(status.st_size))
    // The buffer is lent for the time of the call.
    let failure = unsafe read.withUnsafeMutableBytes { unsafe file.read(into: $0) }
    guard failure == 0 else { throw VaultError(.passphraseFile, path: path, systemError: failure) }
    let length = unsafe read.withUnsafeBytes { bytes in
      unsafe bytes.last == UInt8(ascii: "\n") ? bytes.count - 1 : bytes.count
    }
    guard (1...Self.longest).contains(length) else { throw VaultError(.passphraseFile, path: path) }
    bytes = try Self.copy(read, length)
  }

  /// Copies the UTF-8 of a text, for tests and benchmarks: the text it comes from is not wiped. Throws
  /// ``VaultError/Code/passphraseFile`` when it is empty or too long.
  package init(copying text: String) throws(VaultError) {
    let utf8 = Array(text.utf8)
    guard (1...Self.longest).contains(utf8.count) else { throw VaultError(.passphraseFile) }
    var copy = try GuardedBytes(count: utf8.count)
    // Both sides have the same length.
    unsafe copy.withUnsafeMutableBytes { unsafe $0.copyBytes(from: utf8) }
    bytes = copy
  }

  /// Lends the bytes.
  func withUnsafeBytes<R, E: Error>(_ body: (UnsafeRawBufferPointer) throws(E) -> R) throws(E) -> R {
    // Lent for the time of the call.
    try unsafe bytes.withUnsafeBytes(body)
  }

  /// The name of the type, nothing else.
  public var description: String { "KeyringPassphrase" }

  /// Nothing to look at.
  public var customMirror: Mirror { Mirror(self, children: []) }

  private static func copy(_ bytes: borrowing GuardedBytes, _ length: Int) throws(VaultError) -> GuardedBytes {
    var copy = try GuardedBytes(count: length)
    // `length` is at most that of `bytes`.
    unsafe bytes.withUnsafeBytes { from in
      unsafe copy.withUnsafeMutableBytes { to in
        unsafe to.copyMemory(from: UnsafeRawBufferPointer(rebasing: from[..<length]))
      }
    }
    return copy
  }
}
