import Synchronization
import Vault

/// The cache of subject keys, used only while this process hears of erasures.
///
/// It begins unused. ``follow()`` is called when the listener is connected, and drops what was cached before;
/// ``pause()`` when it isn't any more. The keys' own lifetime in the cache bounds what is missed when a connection
/// dies without a word.
final class CachedKeys: Sendable {
  private let cache: KeyCache
  private let isFollowing = Mutex(false)

  init(_ cache: KeyCache) { self.cache = cache }

  /// What became of look-ups so far.
  var statistics: KeyCache.Statistics { cache.statistics }

  /// The key, if it is cached.
  func key(for owner: KeyOwner) -> DataKey? { isInUse ? cache.key(for: owner) : nil }

  /// Taken before a key is fetched.
  func ticket() -> KeyCacheTicket { cache.ticket() }

  /// Keeps a fetched key, unless something was evicted since the ticket.
  func insert(_ key: DataKey, for owner: KeyOwner, since ticket: KeyCacheTicket) {
    if isInUse { cache.insert(key, for: owner, since: ticket) }
  }

  /// Drops a key, wiping it.
  func evict(_ owner: KeyOwner) { cache.evict(owner) }

  /// Wipes what has had its time.
  func evictExpired() { cache.evictExpired() }

  /// Uses the cache from here on, empty.
  func follow() {
    cache.evictAll()
    isFollowing.withLock { $0 = true }
  }

  /// Uses the cache no more, and wipes it.
  func pause() {
    isFollowing.withLock { $0 = false }
    cache.evictAll()
  }

  private var isInUse: Bool { isFollowing.withLock { $0 } }
}
