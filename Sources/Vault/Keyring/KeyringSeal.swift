import CSodium
import Foundation

/// What seals a keyring's file: a passphrase, its salt and cost, and the key that Argon2id makes of them
/// (docs/keyring.md, "Sealed by a passphrase"). The key is kept, so that only another salt or cost is paid for again.
final class KeyringSeal: Sendable {
  let passphrase: KeyringPassphrase
  let salt: [UInt8]
  let cost: Argon2Cost
  private let key: GuardedBytes

  /// How many bytes a sealed file is longer than the plain one inside.
  static let overhead = Place.body + Suite.tagBytes
  /// The length of a salt in bytes.
  static let saltBytes = 16

  static let magic: StaticString = "lethe/keyring/v2"

  /// Offsets, in bytes.
  private enum Place {
    static let salt = 16
    static let operations = 32
    static let memory = 36
    static let nonce = 40
    static let body = 64
  }

  /// Makes the key, which takes as long as `cost` says. Throws ``VaultError/Code/memory`` when the system has less than
  /// that.
  init(_ passphrase: KeyringPassphrase, salt: [UInt8], cost: Argon2Cost) throws(VaultError) {
    try Sodium.start()
    guard salt.count == Self.saltBytes else { throw VaultError(.keyLength) }
    var key = try GuardedBytes(count: Suite.keyBytes)
    // The passphrase, the salt of 16 bytes and the output of 32 live for the time of the call.
    let done = unsafe passphrase.withUnsafeBytes { secret in
      unsafe key.withUnsafeMutableBytes { output in
        guard let output = unsafe output.baseAddress?.assumingMemoryBound(to: UInt8.self),
          let secretStart = unsafe secret.baseAddress?.assumingMemoryBound(to: CChar.self)
        else { return false }
        return unsafe crypto_pwhash_argon2id(
          output, UInt64(Suite.keyBytes), secretStart, UInt64(secret.count), salt, UInt64(cost.operations),
          Int(cost.memoryKiB) * 1024,
          crypto_pwhash_argon2id_alg_argon2id13()) == 0
      }
    }
    guard done else { throw VaultError(.memory) }
    self.passphrase = passphrase
    self.salt = salt
    self.cost = cost
    self.key = key
  }

  /// The same with a salt from the system's random generator.
  convenience init(_ passphrase: KeyringPassphrase, cost: Argon2Cost) throws(VaultError) {
    try Sodium.start()
    let salt = unsafe [UInt8](unsafeUninitializedCapacity: Self.saltBytes) { salt, count in
      // As many bytes as there is room for.
      if let start = salt.baseAddress { unsafe randombytes_buf(start, Self.saltBytes) }
      count = Self.saltBytes
    }
    try self.init(passphrase, salt: salt, cost: cost)
  }

  /// The salt and the cost that a sealed file names; its length was checked.
  static func parameters(
    of file: borrowing GuardedBytes, path: String
  ) throws(VaultError) -> (salt: [UInt8], cost: Argon2Cost) {
    // A sealed file is longer than its header.
    let (salt, operations, memory) = unsafe file.withUnsafeBytes { file in
      unsafe (
        Array(file[Place.salt..<Place.operations]),
        UInt32(bigEndian: file.loadUnaligned(fromByteOffset: Place.operations, as: UInt32.self)),
        UInt32(bigEndian: file.loadUnaligned(fromByteOffset: Place.memory, as: UInt32.self))
      )
    }
    guard let cost = Argon2Cost(operations: operations, memoryKiB: memory) else {
      throw VaultError(.keyringMalformed, path: path, fault: .cost)
    }
    return (salt, cost)
  }

  /// A sealed file around a plain one's bytes. The nonce is random unless a test gives 24 bytes.
  func seal(_ body: borrowing GuardedBytes, nonce: [UInt8]? = nil) throws(VaultError) -> GuardedBytes {
    var file = try GuardedBytes(count: body.count + Self.overhead)
    // The file has room for the header, as many bytes as the body, and the tag.
    let sealed = unsafe file.withUnsafeMutableBytes { file in
      guard let start = file.baseAddress else { return false }
      unsafe start.copyMemory(from: Self.magic.utf8Start, byteCount: Place.salt)
      unsafe (start + Place.salt).copyMemory(from: salt, byteCount: Self.saltBytes)
      unsafe file.storeBytes(of: cost.operations.bigEndian, toByteOffset: Place.operations, as: UInt32.self)
      unsafe file.storeBytes(of: cost.memoryKiB.bigEndian, toByteOffset: Place.memory, as: UInt32.self)
      if let nonce, nonce.count == Suite.xchacha20poly1305.nonceBytes {
        unsafe (start + Place.nonce).copyMemory(from: nonce, byteCount: nonce.count)
      } else {
        unsafe randombytes_buf(start + Place.nonce, Suite.xchacha20poly1305.nonceBytes)
      }
      return unsafe body.withUnsafeBytes { body in
        unsafe key.withUnsafeBytes { key in
          guard let key = key.baseAddress else { return false }
          return unsafe Suite.xchacha20poly1305.encrypt(
            body, associatedData: UnsafeRawBufferPointer(start: start, count: Place.body),
            nonce: start + Place.nonce, expandedKey: key, into: start + Place.body)
        }
      }
    }
    guard sealed else { throw VaultError(.memory) }
    return file
  }

  /// The plain file's bytes inside a sealed one. Throws ``VaultError/Code/passphraseWrong``.
  func open(_ file: borrowing GuardedBytes, path: String) throws(VaultError) -> GuardedBytes {
    guard file.count > Self.overhead else {
      throw VaultError(.keyringMalformed, path: path, fault: .length)
    }
    var body = try GuardedBytes(count: file.count - Self.overhead)
    // The body has as many bytes as the ciphertext without its tag.
    let opened = unsafe body.withUnsafeMutableBytes { output in
      unsafe file.withUnsafeBytes { file in
        unsafe key.withUnsafeBytes { key in
          guard let start = file.baseAddress, let key = key.baseAddress else { return false }
          return unsafe Suite.xchacha20poly1305.decrypt(
            UnsafeRawBufferPointer(start: start + Place.body, count: file.count - Place.body),
            associatedData: UnsafeRawBufferPointer(start: start, count: Place.body), nonce: start + Place.nonce,
            expandedKey: key, into: output.baseAddress)
        }
      }
    }
    guard opened else { throw VaultError(.passphraseWrong, path: path) }
    return body
  }
}
