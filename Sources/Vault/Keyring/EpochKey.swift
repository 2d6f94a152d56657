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

  func unwrap(_ wrapped: WrappedKey, for owner: KeyOwner) throws(VaultError) -> DataKey {
    // The ciphertext opens into the guarded memory of the new key, nowhere else.
    let dataKey = try unsafe DataKey { (root: UnsafeMutableRawBufferPointer) throws(VaultError) in
      try unsafe wrapped.blob.span.withUnsafeBytes { (blob: UnsafeRawBufferPointer) throws(VaultError) in
        try unsafe key.open(
          blob, associatedData: { owner.associatedData(description.number, $0) }, into: root)
      }
    }
    // Both arrays have as many bytes as are compared.
    guard wrapped.commitment.count == dataKey.commitment.count,
      unsafe sodium_memcmp(wrapped.commitment, dataKey.commitment, dataKey.commitment.count) == 0
    else { throw VaultError(.commitmentMismatch) }
    return dataKey
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
