import CSodium

/// A root key of 32 bytes with the expanded subkey of each suite, in one guarded allocation, and the envelope format
/// that they seal (docs/envelope.md, "Envelope").
struct SealingKey: ~Copyable, Sendable {
  /// A root key's length in bytes.
  static let rootBytes = 32
  /// The only version of the format.
  static let version: UInt8 = 1

  /// Where things are in the allocation. Every place is a multiple of 16, and so is the whole length, because guarded
  /// memory ends with its page.
  private enum Place {
    static let root = 0
    static let xchacha = 32
    static let aes = 64
    static let scratch = aes + Suite.aes256gcm.expandedBytes
    static let end = scratch + Suite.keyBytes
  }

  private let memory: GuardedBytes

  /// Has `fill` write the root key in its place, then derives the subkeys. `onRelease` is for tests.
  init(
    _ purpose: KeyDerivation.Purpose, onRelease: (@Sendable (UnsafeRawBufferPointer) -> Void)? = nil,
    fill: (UnsafeMutableRawBufferPointer) throws(VaultError) -> Void
  ) throws(VaultError) {
    var memory = try unsafe GuardedBytes(count: Place.end, onRelease: onRelease)
    // Offsets stay inside the `Place.end` bytes of the allocation.
    try unsafe memory.withUnsafeMutableBytes { (bytes: UnsafeMutableRawBufferPointer) throws(VaultError) in
      guard let start = bytes.baseAddress else { throw VaultError(.memory) }
      try unsafe fill(UnsafeMutableRawBufferPointer(start: start, count: Self.rootBytes))
      let scratch = unsafe start + Place.scratch
      for suite in Suite.allCases where suite.isAvailable {
        unsafe KeyDerivation.subkey(UInt64(suite.rawValue), for: purpose, of: start, into: scratch)
        unsafe suite.expand(scratch, into: start + Self.place(of: suite))
      }
      unsafe sodium_memzero(scratch, Suite.keyBytes)
    }
    self.memory = memory
  }

  /// Lends the root key.
  borrowing func withRoot<R: ~Copyable, E: Error>(
    _ body: (UnsafeRawBufferPointer) throws(E) -> R
  ) throws(E) -> R {
    // The root is the beginning of the allocation.
    try unsafe memory.withUnsafeBytes { (bytes: UnsafeRawBufferPointer) throws(E) -> R in
      try unsafe body(UnsafeRawBufferPointer(rebasing: bytes[..<Self.rootBytes]))
    }
  }

  /// Version, suite, nonce, ciphertext and tag. The nonce is random unless a test gives one of the right length.
  borrowing func seal(
    _ plaintext: UnsafeRawBufferPointer, suite: Suite, associatedData: AssociatedData, nonce: [UInt8]? = nil
  ) throws(VaultError) -> [UInt8] {
    guard suite.isAvailable else { throw VaultError(.suiteUnavailable) }
    let header = 2 + suite.nonceBytes
    let length = header + plaintext.count + Suite.tagBytes
    var sealed = false
    // The array's storage has `length` bytes, all written when `encrypt` succeeds; the lent buffers outlive the calls.
    let envelope = unsafe memory.withUnsafeBytes { key in
      unsafe associatedData.withUnsafeBytes { data in
        unsafe [UInt8](unsafeUninitializedCapacity: length) { output, initialized in
          guard let start = UnsafeMutableRawPointer(output.baseAddress), let key = key.baseAddress else { return }
          unsafe output[0] = Self.version
          unsafe output[1] = suite.rawValue
          if let nonce, nonce.count == suite.nonceBytes {
            for index in nonce.indices { unsafe output[2 + index] = nonce[index] }
          } else {
            unsafe randombytes_buf(start + 2, suite.nonceBytes)
          }
          sealed = unsafe suite.encrypt(
            plaintext, associatedData: data, nonce: start + 2, expandedKey: key + Self.place(of: suite),
            into: start + header)
          initialized = sealed ? length : 0
        }
      }
    }
    guard sealed else { throw VaultError(.memory) }
    return envelope
  }

  /// Opens an envelope into an array.
  borrowing func open(
    _ envelope: UnsafeRawBufferPointer, associatedData: (Suite) -> AssociatedData
  ) throws(VaultError) -> [UInt8] {
    let parts = try unsafe Self.parts(of: envelope)
    let length = parts.plaintextBytes
    var opened = false
    // The array's storage has as many bytes as the ciphertext without its tag; on failure none of them counts.
    let plaintext = unsafe [UInt8](unsafeUninitializedCapacity: length) { output, initialized in
      opened = unsafe decrypt(
        envelope, parts, associatedData(parts.suite), into: UnsafeMutableRawPointer(output.baseAddress))
      initialized = opened ? length : 0
    }
    guard opened else { throw VaultError(.notOpened) }
    return plaintext
  }

  /// Opens an envelope of as many bytes as `output` has, into it.
  borrowing func open(
    _ envelope: UnsafeRawBufferPointer, associatedData: (Suite) -> AssociatedData,
    into output: UnsafeMutableRawBufferPointer
  ) throws(VaultError) {
    let parts = try unsafe Self.parts(of: envelope)
    // The lengths were compared first.
    guard parts.plaintextBytes == output.count,
      unsafe decrypt(envelope, parts, associatedData(parts.suite), into: output.baseAddress)
    else { throw VaultError(.notOpened) }
  }

  /// What the first two bytes say of the rest.
  private struct Parts {
    let suite: Suite
    let header: Int
    let plaintextBytes: Int
  }

  private static func parts(of envelope: UnsafeRawBufferPointer) throws(VaultError) -> Parts {
    // Two bytes are read after their presence was checked.
    guard envelope.count >= 2, unsafe envelope[0] == version, let suite = unsafe Suite(rawValue: envelope[1]) else {
      throw VaultError(.notOpened)
    }
    let header = 2 + suite.nonceBytes
    guard envelope.count >= header + Suite.tagBytes else { throw VaultError(.notOpened) }
    guard suite.isAvailable else { throw VaultError(.suiteUnavailable) }
    return Parts(suite: suite, header: header, plaintextBytes: envelope.count - header - Suite.tagBytes)
  }

  private borrowing func decrypt(
    _ envelope: UnsafeRawBufferPointer, _ parts: Parts, _ associatedData: AssociatedData,
    into output: UnsafeMutableRawPointer?
  ) -> Bool {
    // `parts` was made from this envelope, so the header and the tag are inside of it.
    unsafe memory.withUnsafeBytes { key in
      unsafe associatedData.withUnsafeBytes { data in
        guard let start = envelope.baseAddress, let key = key.baseAddress else { return false }
        return unsafe parts.suite.decrypt(
          UnsafeRawBufferPointer(rebasing: envelope[parts.header...]), associatedData: data, nonce: start + 2,
          expandedKey: key + Self.place(of: parts.suite), into: output)
      }
    }
  }

  private static func place(of suite: Suite) -> Int {
    switch suite {
    case .aes256gcm: Place.aes
    case .xchacha20poly1305: Place.xchacha
    }
  }
}
