import CSodium

/// One key of 32 bytes, and the only things it may do: seal, open, be wrapped by a keyring, and commit to itself.
///
/// Its bytes are in guarded memory, never leave it, and are wiped when the last reference goes.
public final class DataKey: Sendable, CustomStringConvertible, CustomReflectable {
  /// The key's 32-byte name: its domain-separated BLAKE2b hash. It tells nothing of the key, and no other key has it;
  /// AES-GCM alone would let one envelope open under two keys.
  public let commitment: [UInt8]

  let key: SealingKey

  /// Has `fill` write the 32 bytes. `onRelease` is for tests.
  init(
    onRelease: (@Sendable (UnsafeRawBufferPointer) -> Void)? = nil,
    fill: (UnsafeMutableRawBufferPointer) throws(VaultError) -> Void
  ) throws(VaultError) {
    key = try unsafe SealingKey(.field, onRelease: onRelease, fill: fill)
    // The root is lent for the time of the call.
    commitment = unsafe key.withRoot { root in unsafe KeyDerivation.commitment(to: root) }
  }

  /// A key from the system's random generator.
  static func random() throws(VaultError) -> DataKey {
    // The buffer is the key's place in guarded memory, for the time of the call.
    try unsafe DataKey { (root: UnsafeMutableRawBufferPointer) throws(VaultError) in
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
