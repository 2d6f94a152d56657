import CSodium

/// HMAC-SHA-256 (RFC 2104) as every tag is made: of "lethe/tag/v1", the kind's length in two bytes, the kind, and the
/// value's UTF-8 (docs/envelope.md, "Lookup tags").
enum TagDerivation {
  /// The 32-byte tag of a value under a key of 32 bytes.
  @unsafe static func tag(_ kind: TagKind, _ value: String, key: UnsafeRawPointer) -> [UInt8] {
    var state = crypto_auth_hmacsha256_state()
    // The key has 32 bytes for the time of the call. The state is this function's own and is wiped before it ends,
    // since it holds what the key became.
    _ = unsafe crypto_auth_hmacsha256_init(&state, key.assumingMemoryBound(to: UInt8.self), 32)
    update(&state, "lethe/tag/v1")
    let length = kind.rawValue.utf8.count
    unsafe update(&state, [UInt8(truncatingIfNeeded: length >> 8), UInt8(truncatingIfNeeded: length)].span.bytes)
    update(&state, kind.rawValue)
    update(&state, value)
    // The output has exactly the length of the hash.
    return unsafe [UInt8](unsafeUninitializedCapacity: 32) { output, initialized in
      if let output = output.baseAddress { _ = unsafe crypto_auth_hmacsha256_final(&state, output) }
      unsafe sodium_memzero(&state, MemoryLayout<crypto_auth_hmacsha256_state>.size)
      initialized = 32
    }
  }

  private static func update(_ state: inout crypto_auth_hmacsha256_state, _ text: String) {
    // The span covers the text for the time of the call.
    unsafe update(&state, text.utf8.span.bytes)
  }

  private static func update(_ state: inout crypto_auth_hmacsha256_state, _ bytes: RawSpan) {
    // The span covers the bytes for the time of the call.
    unsafe bytes.withUnsafeBytes { bytes in
      guard let start = unsafe bytes.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return }
      _ = unsafe crypto_auth_hmacsha256_update(&state, start, UInt64(bytes.count))
    }
  }
}
