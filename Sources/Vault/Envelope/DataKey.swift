import CSodium

/// One key of 32 bytes, and the only things it may do: seal, open, be wrapped by a keyring, and commit to itself.
///
/// Its bytes are in guarded memory, never leave it, and are wiped when the last reference goes.
public final class DataKey: Sendable, CustomStringConvertible, CustomReflectable {
  /// The key's 32-byte name: its domain-separated BLAKE2b hash. It tells nothing of the key, and no other key has it;
  /// AES-GCM alone would let one envelope open under two keys.
  public let commitment: [UInt8]

  let key: SealingKey

  /// Where memory for a moment comes from.
  private let slab: GuardedSlab?

  /// Has `fill` write the 32 bytes. The memory is a slot of `slab`, if there is one. `onRelease` is for tests.
  init(
    in slab: GuardedSlab? = nil, onRelease: (@Sendable (UnsafeRawBufferPointer) -> Void)? = nil,
    fill: (UnsafeMutableRawBufferPointer) throws(VaultError) -> Void
  ) throws(VaultError) {
    key = try unsafe SealingKey(.field, in: slab, onRelease: onRelease, fill: fill)
    self.slab = slab
    // The root is lent for the time of the call.
    commitment = unsafe key.withRoot { root in unsafe KeyDerivation.commitment(to: root) }
  }

  /// Takes a key whose commitment is known.
  init(_ key: consuming SealingKey, commitment: [UInt8], slab: GuardedSlab?) {
    self.key = key
    self.commitment = commitment
    self.slab = slab
  }

  /// A key from the system's random generator.
  static func random(in slab: GuardedSlab? = nil) throws(VaultError) -> DataKey {
    // The buffer is the key's place in guarded memory, for the time of the call.
    try unsafe DataKey(in: slab) { (root: UnsafeMutableRawBufferPointer) throws(VaultError) in
      if let start = root.baseAddress { unsafe randombytes_buf(start, root.count) }
    }
  }

  /// Copies fixed bytes, for published vectors and benchmarks. The array they come from is not wiped, so never for a
  /// real key. Throws ``VaultError/Code/keyLength`` unless there are 32.
  package convenience init(copying bytes: [UInt8]) throws(VaultError) {
    guard bytes.count == SealingKey.rootBytes else { throw VaultError(.keyLength) }
    // Both sides have 32 bytes.
    try unsafe self.init { (root: UnsafeMutableRawBufferPointer) throws(VaultError) in
      unsafe root.copyBytes(from: bytes)
    }
  }

  /// Seals a value to its address: version, suite, nonce, ciphertext and tag, which is the plaintext's length and 30
  /// bytes more (AES) or 42 (XChaCha). Each call draws a fresh nonce; one key may seal 2³² values with AES.
  ///
  /// Throws ``VaultError/Code/suiteUnavailable`` when the CPU cannot run the suite.
  public func seal(
    _ plaintext: [UInt8], at address: FieldAddress, suite: Suite = .preferred
  ) throws(VaultError) -> [UInt8] {
    try seal(plaintext, at: address, suite: suite, nonce: nil)
  }

  /// Opens what ``seal(_:at:suite:)`` sealed at the same address.
  ///
  /// Throws ``VaultError/Code/notOpened``, whatever the cause, and ``VaultError/Code/suiteUnavailable`` when the CPU
  /// cannot run the suite that the envelope names.
  public func open(_ envelope: [UInt8], at address: FieldAddress) throws(VaultError) -> [UInt8] {
    // The span covers the array for the time of the call.
    try unsafe envelope.span.withUnsafeBytes { (envelope: UnsafeRawBufferPointer) throws(VaultError) in
      try unsafe key.open(envelope, associatedData: address.associatedData)
    }
  }

  /// The 32-byte tag of a value under this key alone: made like ``IndexKey/tag(_:_:)``, but with a subkey of this key,
  /// so that no epoch's end changes it. For what this key's own life bounds, such as fingerprints of requests.
  ///
  /// Throws ``VaultError/Code/memory`` when no guarded memory is left for the subkey.
  public func tag(_ kind: TagKind, _ value: String) throws(VaultError) -> [UInt8] {
    let subkey = try WorkingMemory(count: Suite.keyBytes, in: slab)
    // The subkey's memory has 32 bytes and lives until the end of this call; the root is lent for its time.
    return unsafe key.withRoot { root in
      guard let root = root.baseAddress else { return [] }
      unsafe KeyDerivation.subkey(2, for: .index, of: root, into: subkey.start)
      return unsafe TagDerivation.tag(kind, value, key: subkey.start)
    }
  }

  /// The same as ``seal(_:at:suite:)`` with a chosen nonce, for vectors. Reusing a nonce betrays the key's secrets.
  func seal(
    _ plaintext: [UInt8], at address: FieldAddress, suite: Suite, nonce: [UInt8]?
  ) throws(VaultError) -> [UInt8] {
    // The span covers the array for the time of the call.
    try unsafe plaintext.span.withUnsafeBytes { (plaintext: UnsafeRawBufferPointer) throws(VaultError) in
      try unsafe key.seal(plaintext, suite: suite, associatedData: address.associatedData(suite), nonce: nonce)
    }
  }

  /// The name of the type, nothing else.
  public var description: String { "DataKey" }

  /// Nothing to look at.
  public var customMirror: Mirror { Mirror(self, children: []) }
}
