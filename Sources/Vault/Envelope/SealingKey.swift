import CSodium

/// A root key of 32 bytes with the expanded subkey of each suite, in one piece of guarded memory, and the envelope
/// format that they seal (docs/envelope.md, "Envelope").
struct SealingKey: ~Copyable, Sendable {
  /// A root key's length in bytes.
  static let rootBytes = 32
  /// The only version of the format.
  static let version: UInt8 = 1
  /// How much memory a key takes. A slab for keys has slots of this length, a multiple of 64: a slot then begins at the
  /// beginning of a cache line.
  static let memoryBytes = (Place.end + 63) & ~63

  /// Where things are in the memory. Every place is a multiple of 16, and so is the whole length, because guarded
  /// memory ends with its page.
  private enum Place {
    static let root = 0
    static let xchacha = 32
    static let aes = 64
    static let scratch = aes + MemoryLayout<crypto_aead_aes256gcm_state>.size
    static let end = scratch + Suite.keyBytes
  }

  private let memory: WorkingMemory

  /// Has `fill` write the root key in its place, then derives the subkeys. The memory is a slot of `slab`, if there is
  /// one. `onRelease` is for tests.
  init(
    _ purpose: KeyDerivation.Purpose, in slab: GuardedSlab? = nil,
    onRelease: (@Sendable (UnsafeRawBufferPointer) -> Void)? = nil,
    fill: (UnsafeMutableRawBufferPointer) throws(VaultError) -> Void
  ) throws(VaultError) {
    let memory = try unsafe WorkingMemory(count: Self.memoryBytes, in: slab, onRelease: onRelease)
    // Places stay inside the `memoryBytes` bytes that were taken, and nobody else knows of them yet.
    let start = unsafe memory.start
    try unsafe fill(UnsafeMutableRawBufferPointer(start: start, count: Self.rootBytes))
    let scratch = unsafe start + Place.scratch
    for suite in [Suite.aes256gcm, .xchacha20poly1305] where suite.isAvailable {
      unsafe KeyDerivation.subkey(UInt64(suite.rawValue), for: purpose, of: start, into: scratch)
      unsafe suite.expand(scratch, into: start + Self.place(of: suite))
    }
    unsafe sodium_memzero(scratch, Suite.keyBytes)
    self.memory = memory
  }

  /// Lends the root key.
  @inline(__always)
  borrowing func withRoot<R: ~Copyable, E: Error>(
    _ body: (UnsafeRawBufferPointer) throws(E) -> R
  ) throws(E) -> R {
    // The root is the beginning of the memory, which lives as long as the borrowed key.
    try unsafe body(UnsafeRawBufferPointer(start: memory.start, count: Self.rootBytes))
  }

  /// Version, suite, nonce, ciphertext and tag. The nonce is random unless a test gives one of the right length.
  borrowing func seal(
    _ plaintext: UnsafeRawBufferPointer, suite: Suite, associatedData: AssociatedData, nonce: [UInt8]? = nil
  ) throws(VaultError) -> [UInt8] {
    guard suite.isAvailable else { throw VaultError(.suiteUnavailable) }
    let header = 2 + suite.nonceBytes
    let length = header + plaintext.count + Suite.tagBytes
    let key = unsafe UnsafeRawPointer(memory.start) + Self.place(of: suite)
    // The array's storage has `length` bytes, all written when `encrypt` succeeds; the lent buffers outlive the calls,
    // and so does the key's memory.
    let envelope = unsafe [UInt8](unsafeUninitializedCapacity: length) { output, initialized in
      guard let start = UnsafeMutableRawPointer(output.baseAddress) else { return }
      unsafe output[0] = Self.version
      unsafe output[1] = suite.rawValue
      if let nonce, nonce.count == suite.nonceBytes {
        for index in nonce.indices { unsafe output[2 + index] = nonce[index] }
      } else {
        unsafe randombytes_buf(start + 2, suite.nonceBytes)
      }
      let sealed = unsafe associatedData.withUnsafeBytes { data in
        unsafe suite.encrypt(
          plaintext, associatedData: data, nonce: start + 2, expandedKey: key, into: start + header)
      }
      initialized = sealed ? length : 0
    }
    // No envelope is empty.
    guard !envelope.isEmpty else { throw VaultError(.memory) }
    return envelope
  }

  /// Opens an envelope into an array.
  borrowing func open(
    _ envelope: UnsafeRawBufferPointer, associatedData: (Suite) -> AssociatedData
  ) throws(VaultError) -> [UInt8] {
    let parts = try unsafe Self.parts(of: envelope)
    let length = parts.plaintextBytes
    let data = associatedData(parts.suite)
    var opened = false
    // The array's storage has as many bytes as the ciphertext without its tag; on failure none of them counts.
    let plaintext = unsafe [UInt8](unsafeUninitializedCapacity: length) { output, initialized in
      opened = unsafe decrypt(envelope, parts, data, into: UnsafeMutableRawPointer(output.baseAddress))
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

  @inline(__always)
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

  @inline(__always)
  private borrowing func decrypt(
    _ envelope: UnsafeRawBufferPointer, _ parts: Parts, _ associatedData: borrowing AssociatedData,
    into output: UnsafeMutableRawPointer?
  ) -> Bool {
    // `parts` was made from this envelope, so the header and the tag are inside of it.
    guard let start = envelope.baseAddress else { return false }
    let key = unsafe UnsafeRawPointer(memory.start) + Self.place(of: parts.suite)
    let sealed = unsafe UnsafeRawBufferPointer(start: start + parts.header, count: envelope.count - parts.header)
    return unsafe associatedData.withUnsafeBytes { data in
      unsafe parts.suite.decrypt(
        sealed, associatedData: data, nonce: start + 2, expandedKey: key, into: output)
    }
  }

  @inline(__always)
  private static func place(of suite: Suite) -> Int {
    switch suite {
    case .aes256gcm: Place.aes
    case .xchacha20poly1305: Place.xchacha
    }
  }
}
