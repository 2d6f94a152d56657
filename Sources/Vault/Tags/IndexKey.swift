import CSodium

/// The key of one tenant's lookup tags in one epoch. In guarded memory, wiped when the last reference goes.
public final class IndexKey: Sendable, CustomStringConvertible, CustomReflectable {
  /// The epoch whose end makes the key unobtainable, and its tags meaningless.
  public let epoch: EpochNumber

  private let key: GuardedBytes

  /// Takes 32 bytes.
  init(epoch: EpochNumber, key: consuming GuardedBytes) {
    self.epoch = epoch
    self.key = key
  }

  /// The 32-byte tag of a value: HMAC-SHA-256 (RFC 2104) of "lethe/tag/v1", the kind's length in two bytes, the kind,
  /// and the value's UTF-8. Equal arguments have equal tags, so normalise first; nothing is normalised here.
  public func tag(_ kind: TagKind, _ normalised: String) -> [UInt8] {
    var state = crypto_auth_hmacsha256_state()
    // The state is this function's own and is wiped before it ends, since it holds what the key became.
    unsafe key.withUnsafeBytes { key in
      guard let start = unsafe key.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return }
      _ = unsafe crypto_auth_hmacsha256_init(&state, start, key.count)
    }
    Self.update(&state, "lethe/tag/v1")
    let length = kind.rawValue.utf8.count
    unsafe Self.update(&state, [UInt8(truncatingIfNeeded: length >> 8), UInt8(truncatingIfNeeded: length)].span.bytes)
    Self.update(&state, kind.rawValue)
    Self.update(&state, normalised)
    // The output has exactly the length of the hash.
    return unsafe [UInt8](unsafeUninitializedCapacity: 32) { output, initialized in
      if let output = output.baseAddress { _ = unsafe crypto_auth_hmacsha256_final(&state, output) }
      unsafe sodium_memzero(&state, MemoryLayout<crypto_auth_hmacsha256_state>.size)
      initialized = 32
    }
  }

  /// The name of the type, nothing else.
  public var description: String { "IndexKey" }

  /// Nothing to look at.
  public var customMirror: Mirror { Mirror(self, children: []) }

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
