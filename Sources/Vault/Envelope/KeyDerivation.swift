import CSodium

/// The three ways in which 32 bytes are made from a key (docs/envelope.md, "Derivations").
///
/// Callers pass buffers of 32 bytes that live for the time of the call.
enum KeyDerivation {
  /// What a subkey is for: the eight bytes of `crypto_kdf`'s context.
  enum Purpose: String {
    /// Sealing fields; numbered by suite.
    case field = "LetheFld"
    /// Wrapping keys; numbered by suite.
    case wrapping = "LetheWrp"
    /// 1 for index keys, 2 for the tags of a data key.
    case index = "LetheIdx"
  }

  /// Subkey `number` of `root`: `crypto_kdf_derive_from_key`, which is BLAKE2b.
  @unsafe static func subkey(
    _ number: UInt64, for purpose: Purpose, of root: UnsafeRawPointer, into subkey: UnsafeMutableRawPointer
  ) {
    // Both pointers lead to 32 bytes, and the context has eight; it can't fail with these lengths.
    _ = unsafe crypto_kdf_derive_from_key(
      subkey.assumingMemoryBound(to: UInt8.self), Suite.keyBytes, number, purpose.rawValue,
      root.assumingMemoryBound(to: UInt8.self))
  }

  /// The commitment to `root`: its BLAKE2b hash, personalised "lethe/commit/v1".
  @unsafe static func commitment(to root: UnsafeRawBufferPointer) -> [UInt8] {
    unsafe [UInt8](unsafeUninitializedCapacity: 32) { output, initialized in
      if let output = output.baseAddress {
        unsafe hash(root, key: nil, personal: "lethe/commit/v1", into: output)
      }
      initialized = 32
    }
  }

  /// BLAKE2b with 32 bytes of output and, if there is one, 32 bytes of key. `personal` is at most 16 bytes, filled up
  /// with zeros.
  @unsafe static func hash(
    _ input: UnsafeRawBufferPointer, key: UnsafeRawPointer?, personal: StaticString,
    into output: UnsafeMutableRawPointer
  ) {
    var padded = InlineArray<16, UInt8>(repeating: 0)
    personal.withUTF8Buffer { name in
      for index in 0..<min(name.count, padded.count) { unsafe padded[index] = name[index] }
    }
    // The lengths are those that the callers promise; with them the call can't fail.
    unsafe padded.span.withUnsafeBufferPointer { personal in
      _ = unsafe crypto_generichash_blake2b_salt_personal(
        output.assumingMemoryBound(to: UInt8.self), 32, input.baseAddress?.assumingMemoryBound(to: UInt8.self),
        UInt64(input.count), key?.assumingMemoryBound(to: UInt8.self), key == nil ? 0 : 32, nil, personal.baseAddress)
    }
  }
}
