/// What a fetch shows when it brings a key into a ``KeyCache``: when it began.
public struct KeyCacheTicket: Sendable, Hashable {
  /// How many evictions had been asked for by then.
  let evictions: UInt64
}
