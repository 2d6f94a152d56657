import CSodium
import Foundation

/// One epoch's key: wraps, unwraps, and derives index keys.
final class EpochKey: Sendable {
  let description: EpochDescription
  private let key: SealingKey

  init(
    _ description: EpochDescription, fill: (UnsafeMutableRawBufferPointer) throws(VaultError) -> Void
  ) throws(VaultError) {
    self.description = description
    key = try unsafe SealingKey(.wrapping, fill: fill)
  }

  /// A new epoch's key, from the system's random generator.
  convenience init(random description: EpochDescription) throws(VaultError) {
    // The buffer is the key's place in guarded memory, for the time of the call.
    try unsafe self.init(description) { (root: UnsafeMutableRawBufferPointer) throws(VaultError) in
      if let start = root.baseAddress { unsafe randombytes_buf(start, root.count) }
    }
  }

  /// The same key, retiring.
  convenience init(retiring other: EpochKey) throws(VaultError) {
    let description = EpochDescription(
      number: other.description.number, state: .retiring, createdAt: other.description.createdAt)
    // Both sides have 32 bytes, in guarded memory.
    try unsafe self.init(description) { (root: UnsafeMutableRawBufferPointer) throws(VaultError) in
      unsafe other.withRoot { unsafe root.copyMemory(from: $0) }
    }
  }

  /// Whether both have the same 32 bytes, in constant time.
  func hasSameRoot(as other: EpochKey) -> Bool {
    // Both roots have the length that is compared, and are lent for the time of the call.
    unsafe key.withRoot { mine in
      unsafe other.withRoot { theirs in
        guard let mine = mine.baseAddress, let theirs = theirs.baseAddress else { return false }
        return unsafe sodium_memcmp(mine, theirs, SealingKey.rootBytes) == 0
      }
    }
  }

  /// Lends the key's 32 bytes to what writes the keyring file.
  func withRoot<R, E: Error>(_ body: (UnsafeRawBufferPointer) throws(E) -> R) throws(E) -> R {
    // The root is lent for the time of the call.
    try unsafe key.withRoot(body)
  }

  /// Wraps with XChaCha on every machine: one epoch key wraps millions of keys, for which its long random nonces leave
  /// room, and what one replica wraps any other can open. The nonce is random unless a test gives one.
  func wrap(_ dataKey: DataKey, for owner: KeyOwner, nonce: [UInt8]? = nil) throws(VaultError) -> WrappedKey {
    let suite = Suite.xchacha20poly1305
    // The root is lent for the time of the call and only read by the cipher.
    let blob = try unsafe dataKey.key.withRoot { (root: UnsafeRawBufferPointer) throws(VaultError) in
      try unsafe key.seal(
        root, suite: suite, associatedData: owner.associatedData(description.number, suite), nonce: nonce)
    }
    return WrappedKey(epoch: description.number, blob: blob, commitment: dataKey.commitment)
  }

  func unwrap(
    _ wrapped: WrappedKey, for owner: KeyOwner, in slab: GuardedSlab? = nil
  ) throws(VaultError) -> DataKey {
    // The ciphertext opens into the guarded memory of the new key, nowhere else.
    let dataKey = try unsafe DataKey(in: slab) { (root: UnsafeMutableRawBufferPointer) throws(VaultError) in
      try unsafe open(wrapped.blob, for: owner, into: root)
    }
    guard Self.isCommitment(wrapped.commitment, dataKey.commitment) else { throw VaultError(.commitmentMismatch) }
    return dataKey
  }

  /// Unwraps into a slot for a moment, checks the commitment, and wraps under another epoch's key.
  func rewrap(
    _ wrapped: WrappedKey, for owner: KeyOwner, under other: EpochKey, in slab: GuardedSlab
  ) throws(VaultError) -> WrappedKey {
    let memory = try WorkingMemory(count: SealingKey.rootBytes, in: slab)
    // The memory has 32 bytes at least and lives until the end of this call.
    let root = unsafe UnsafeMutableRawBufferPointer(start: memory.start, count: SealingKey.rootBytes)
    try unsafe open(wrapped.blob, for: owner, into: root)
    let commitment = unsafe KeyDerivation.commitment(to: UnsafeRawBufferPointer(root))
    guard Self.isCommitment(wrapped.commitment, commitment) else { throw VaultError(.commitmentMismatch) }
    let suite = Suite.xchacha20poly1305
    let number = other.description.number
    let blob = try unsafe other.key.seal(
      UnsafeRawBufferPointer(root), suite: suite, associatedData: owner.associatedData(number, suite))
    return WrappedKey(epoch: number, blob: blob, commitment: wrapped.commitment)
  }

  @unsafe private func open(
    _ blob: [UInt8], for owner: KeyOwner, into root: UnsafeMutableRawBufferPointer
  ) throws(VaultError) {
    // The span covers the array for the time of the call.
    try unsafe blob.span.withUnsafeBytes { (blob: UnsafeRawBufferPointer) throws(VaultError) in
      try unsafe key.open(blob, associatedData: { owner.associatedData(description.number, $0) }, into: root)
    }
  }

  /// Compares in constant time.
  private static func isCommitment(_ stored: [UInt8], _ computed: [UInt8]) -> Bool {
    // Both arrays have as many bytes as are compared.
    unsafe stored.count == computed.count && sodium_memcmp(stored, computed, computed.count) == 0
  }

  /// BLAKE2b, keyed by a subkey of the epoch's key, of tenant, epoch number and a subkey of the tenant's secret
  /// (docs/envelope.md, "Index key").
  func indexKey(tenant: UUID, tenantSecret: DataKey) throws(VaultError) -> IndexKey {
    let keyPlace = 52
    var work = try GuardedBytes(count: keyPlace + 32)
    var output = try GuardedBytes(count: 32)
    let number = UInt32(bitPattern: description.number.rawValue).bigEndian
    // 16 bytes of tenant, 4 of epoch, 32 of tenant subkey; behind them the 32 of the epoch's subkey.
    unsafe work.withUnsafeMutableBytes { bytes in
      guard let start = bytes.baseAddress else { return }
      unsafe bytes.storeBytes(of: tenant.uuid, as: uuid_t.self)
      unsafe bytes.storeBytes(of: number, toByteOffset: 16, as: UInt32.self)
      unsafe tenantSecret.key.withRoot { secret in
        if let secret = secret.baseAddress { unsafe KeyDerivation.subkey(1, for: .index, of: secret, into: start + 20) }
      }
      unsafe key.withRoot { root in
        if let root = root.baseAddress { unsafe KeyDerivation.subkey(1, for: .index, of: root, into: start + keyPlace) }
      }
      unsafe output.withUnsafeMutableBytes { output in
        guard let output = output.baseAddress else { return }
        unsafe KeyDerivation.hash(
          UnsafeRawBufferPointer(rebasing: bytes[..<keyPlace]), key: start + keyPlace, personal: "lethe/index/v1",
          into: output)
      }
    }
    return IndexKey(epoch: description.number, key: output)
  }
}
