import CSodium
import Synchronization

/// Subject keys in memory, so that not every unit of work has to ask the vault database.
///
/// A key has 32 bytes in one guarded slab, and leaves it as a working key. It is wiped when its owner is evicted, when
/// its time is over and it is met, or when room is needed; then the one that was not asked for since the hand last went
/// round goes (CLOCK). A cache is never the truth: after an erasure a copy may still be here until the eviction arrives,
/// and those who release data check the tombstones.
///
/// Bringing a key in takes four steps: ``key(for:)`` has none; ``ticket()``; fetch and unwrap; ``insert(_:for:since:)``.
public final class KeyCache: Sendable {
  /// What a cache did since it was made.
  public struct Statistics: Sendable, Hashable {
    /// How often a key was here.
    public internal(set) var hits: Int
    /// How often it was not.
    public internal(set) var misses: Int
    /// How many keys were taken out, for whatever reason.
    public internal(set) var evictions: Int
    /// How many keys are here now.
    public internal(set) var count: Int
  }

  /// The most keys that are held; 0 for a cache that is off.
  public let capacity: Int
  /// Whether the system locked the memory; false beyond `RLIMIT_MEMLOCK`, and the keys can then be swapped. True for a
  /// cache that is off.
  public let isLocked: Bool

  /// The keys, 32 bytes each. Nil when the cache is off.
  private let slab: GuardedSlab?
  /// Memory for the working keys that leave.
  private let working: GuardedSlab?
  private let lifetime: Duration
  private let now: @Sendable () -> ContinuousClock.Instant
  private let state = Mutex(State())

  /// Takes the memory for `capacity` keys at once, 32 bytes each; below 1 the cache is off. No key is given out once
  /// `lifetime` has passed since it was brought in, however often it is asked for. `now` is for tests.
  ///
  /// Throws ``VaultError/Code/memory`` when the system has none left.
  public convenience init(
    capacity: Int = 100_000, lifetime: Duration = .seconds(60),
    now: @escaping @Sendable () -> ContinuousClock.Instant = { ContinuousClock.now }
  ) throws(VaultError) {
    try unsafe self.init(capacity: capacity, lifetime: lifetime, now: now, onRelease: nil)
  }

  /// The same with a witness of the wiping.
  init(
    capacity: Int, lifetime: Duration = .seconds(60), now: @escaping @Sendable () -> ContinuousClock.Instant,
    onRelease: (@Sendable (UnsafeRawBufferPointer) -> Void)?
  ) throws(VaultError) {
    self.capacity = max(0, capacity)
    self.lifetime = lifetime
    self.now = now
    guard capacity > 0 else {
      slab = nil
      working = nil
      isLocked = true
      return
    }
    let slab = try unsafe GuardedSlab(slots: capacity, of: SealingKey.rootBytes, onRelease: onRelease)
    let working = try GuardedSlab(slots: FileKeyring.workingKeys, of: SealingKey.memoryBytes)
    self.slab = slab
    self.working = working
    isLocked = slab.isLocked && working.isLocked
  }

  /// A working key, if the owner's key is here. It stays usable after an eviction, as long as somebody holds it.
  public func key(for owner: KeyOwner) -> DataKey? {
    guard let slab else { return nil }
    let now = now()
    var commitment: [UInt8] = []
    do {
      // The key is copied from slot to working memory under the lock, so that it can't be evicted meanwhile.
      let key = try unsafe SealingKey(.field, in: working) { (root: UnsafeMutableRawBufferPointer) throws(VaultError) in
        commitment = try state.withLock { (state: inout State) throws(VaultError) in
          guard let slot = state.find(owner, now, slab), let entry = state.entries[slot] else {
            throw VaultError(.notOpened)
          }
          unsafe root.copyMemory(from: UnsafeRawBufferPointer(start: slab.place(of: slot), count: root.count))
          return entry.commitment
        }
      }
      return DataKey(key, commitment: commitment, slab: working)
    } catch {
      // Not here; or no memory for it, which whoever fetches it will be told.
      return nil
    }
  }

  /// To be taken before a key is fetched.
  public func ticket() -> KeyCacheTicket { KeyCacheTicket(evictions: state.withLock { $0.generation }) }

  /// Takes a copy of a fetched key, unless an eviction was asked for since the ticket: it might have been this owner's,
  /// and the key would be back after its erasure.
  public func insert(_ key: DataKey, for owner: KeyOwner, since ticket: KeyCacheTicket) {
    guard let slab else { return }
    let now = now()
    let until = now.advanced(by: lifetime)
    // The root is lent for the time of the call, and a slot has room for its 32 bytes.
    unsafe key.key.withRoot { root in
      state.withLock { state in
        guard state.generation == ticket.evictions else { return }
        state.removeExpired(now, slab, looking: 4)
        guard let slot = state.slot(for: owner, now, slab) else { return }
        unsafe UnsafeMutableRawBufferPointer(start: slab.place(of: slot), count: root.count).copyMemory(from: root)
        state.entries[slot] = Entry(owner: owner, commitment: key.commitment, until: until, isReferenced: false)
      }
    }
  }

  /// Wipes an owner's key at once, and keeps out what is being fetched just now. To be called after an erasure, also when
  /// the key is not here.
  public func evict(_ owner: KeyOwner) {
    guard let slab else { return }
    state.withLock { state in
      state.generation &+= 1
      if let slot = state.places[owner] { state.remove(slot, slab) }
    }
  }

  /// Wipes all keys at once, and keeps out what is being fetched just now: for whoever may have missed an eviction.
  public func evictAll() {
    guard let slab else { return }
    state.withLock { state in
      state.generation &+= 1
      for slot in state.places.values { state.clear(slot, slab) }
      state.places.removeAll(keepingCapacity: true)
    }
  }

  /// Wipes every key whose time is over. They are never given out; this is for a housekeeper who would not leave them in
  /// memory either.
  public func evictExpired() {
    guard let slab else { return }
    let now = now()
    state.withLock { state in state.removeExpired(now, slab, looking: state.entries.count) }
  }

  /// What the cache did since it was made.
  public var statistics: Statistics {
    state.withLock {
      Statistics(hits: $0.hits, misses: $0.misses, evictions: $0.evictions, count: $0.places.count)
    }
  }

  // MARK: The clock

  private struct Entry {
    let owner: KeyOwner
    let commitment: [UInt8]
    let until: ContinuousClock.Instant
    /// Whether it was asked for since the hand last passed.
    var isReferenced: Bool
  }

  private struct State {
    var places: [KeyOwner: Int] = [:]
    /// By slot; as long as the highest slot that was ever used.
    var entries: [Entry?] = []
    var hand = 0
    /// The hand that looks for what has expired.
    var sweeper = 0
    var generation: UInt64 = 0
    var hits = 0
    var misses = 0
    var evictions = 0

    /// The slot of an owner's key that may be given out.
    mutating func find(_ owner: KeyOwner, _ now: ContinuousClock.Instant, _ slab: GuardedSlab) -> Int? {
      guard let slot = places[owner], let entry = entries[slot] else {
        misses += 1
        return nil
      }
      guard now < entry.until else {
        remove(slot, slab)
        misses += 1
        return nil
      }
      if !entry.isReferenced { entries[slot]?.isReferenced = true }
      hits += 1
      return slot
    }

    /// A slot for an owner's key: its own, a free one, or the one that the hand finds.
    mutating func slot(for owner: KeyOwner, _ now: ContinuousClock.Instant, _ slab: GuardedSlab) -> Int? {
      if let slot = places[owner] { return slot }
      if let slot = slab.take() { return settle(owner, slot) }
      // Two rounds at most: the first takes every reference away.
      for _ in 0..<2 * entries.count {
        let slot = hand
        hand = hand + 1 == entries.count ? 0 : hand + 1
        guard let entry = entries[slot] else { continue }
        if entry.isReferenced && now < entry.until {
          entries[slot]?.isReferenced = false
        } else {
          remove(slot, slab)
          return slab.take().map { settle(owner, $0) }
        }
      }
      return nil
    }

    private mutating func settle(_ owner: KeyOwner, _ slot: Int) -> Int {
      places[owner] = slot
      while entries.count <= slot { entries.append(nil) }
      return slot
    }

    mutating func removeExpired(_ now: ContinuousClock.Instant, _ slab: GuardedSlab, looking steps: Int) {
      for _ in 0..<min(steps, entries.count) {
        sweeper = sweeper + 1 >= entries.count ? 0 : sweeper + 1
        if let entry = entries[sweeper], entry.until <= now { remove(sweeper, slab) }
      }
    }

    mutating func remove(_ slot: Int, _ slab: GuardedSlab) {
      if let owner = entries[slot]?.owner { places[owner] = nil }
      clear(slot, slab)
    }

    /// Wipes a slot whose owner is being forgotten.
    mutating func clear(_ slot: Int, _ slab: GuardedSlab) {
      entries[slot] = nil
      evictions += 1
      slab.giveBack(slot)
    }
  }
}
