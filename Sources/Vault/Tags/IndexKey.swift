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
    // The key's 32 bytes are lent for the time of the call.
    unsafe key.withUnsafeBytes { key in
      guard let start = key.baseAddress else { return [] }
      return unsafe TagDerivation.tag(kind, normalised, key: start)
    }
  }

  /// The name of the type, nothing else.
  public var description: String { "IndexKey" }

  /// Nothing to look at.
  public var customMirror: Mirror { Mirror(self, children: []) }
}
