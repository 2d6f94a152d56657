import Foundation
import Synchronization
import Testing

@testable import Vault

@Suite("Cache of keys")
struct KeyCacheTests {
  /// A clock that moves only when it is told to.
  private final class Clock: Sendable {
    private let start = ContinuousClock.now
    private let passed = Mutex(Duration.zero)
    var now: ContinuousClock.Instant { start.advanced(by: passed.withLock { $0 }) }
    func pass(_ time: Duration) { passed.withLock { $0 += time } }
  }

  /// Whose key was erased: what a vault database would say.
  private final class Erased: Sendable {
    private let numbers = Mutex(Set<Int>())
    var all: Set<Int> { numbers.withLock { $0 } }
    func insert(_ number: Int) { numbers.withLock { _ = $0.insert(number) } }
  }

  private let clock = Clock()
  private let tenant = UUID()

  private func owner() -> KeyOwner { KeyOwner(kind: .subject, tenant: tenant, id: UUID()) }

  private func cache(_ capacity: Int, witness: Witness = Witness()) throws -> KeyCache {
    let clock = clock
    return try KeyCache(
      capacity: capacity, lifetime: .seconds(60), now: { clock.now }, onRelease: { witness.see($0) })
  }

  @Test("a key that was brought in comes out as the same key")
  func hit() throws {
    let cache = try cache(10)
    let (mine, other) = (owner(), owner())
    let key = try DataKey.random()
    #expect(cache.key(for: mine) == nil)
    cache.insert(key, for: mine, since: cache.ticket())
    let found = try #require(cache.key(for: mine))
    #expect(found.commitment == key.commitment)
    #expect(try found.open(key.seal([1, 2], at: .vector), at: .vector) == [1, 2])
    #expect(try found.tag(.email, "a") == key.tag(.email, "a"))
    #expect(cache.key(for: other) == nil)
    #expect(cache.key(for: KeyOwner(kind: .hold, tenant: tenant, id: mine.id)) == nil)
    #expect(cache.key(for: KeyOwner(kind: .subject, tenant: UUID(), id: mine.id)) == nil)
    #expect(cache.statistics == .init(hits: 1, misses: 4, evictions: 0, count: 1))
  }

  @Test("a key that comes out can be wrapped, and is the key that was wrapped before")
  func wrapping() throws {
    let cache = try cache(1)
    let epoch = try EpochKey(7, root: Vectors.all.inputs.epochRoot.bytes)
    let mine = owner()
    let key = try DataKey.random()
    cache.insert(key, for: mine, since: cache.ticket())
    let wrapped = try epoch.wrap(#require(cache.key(for: mine)), for: mine)
    let again = try epoch.unwrap(wrapped, for: mine)
    #expect(try again.open(key.seal([3], at: .vector), at: .vector) == [3])
  }

  @Test("an eviction wipes the key at once, and no other")
  func evict() throws {
    let witness = Witness()
    let cache = try cache(10, witness: witness)
    let (mine, other) = (owner(), owner())
    cache.insert(try DataKey.random(), for: mine, since: cache.ticket())
    cache.insert(try DataKey.random(), for: other, since: cache.ticket())
    let inUse = try #require(cache.key(for: mine))
    #expect(witness.releases.isEmpty)
    cache.evict(mine)
    #expect(witness.releases == [[UInt8](repeating: 0, count: 32)])
    #expect(cache.key(for: mine) == nil)
    #expect(cache.key(for: other) != nil)
    #expect(try inUse.open(inUse.seal([1], at: .vector), at: .vector) == [1])
    #expect(cache.statistics == .init(hits: 2, misses: 1, evictions: 1, count: 1))
  }

  @Test("evicting all wipes every key")
  func evictAll() throws {
    let witness = Witness()
    let cache = try cache(10, witness: witness)
    let owners = (0..<10).map { _ in owner() }
    for owner in owners { cache.insert(try DataKey.random(), for: owner, since: cache.ticket()) }
    cache.evictAll()
    #expect(witness.releases == [[UInt8]](repeating: [UInt8](repeating: 0, count: 32), count: 10))
    #expect(owners.allSatisfy { cache.key(for: $0) == nil })
    #expect(cache.statistics.count == 0)
    for owner in owners { cache.insert(try DataKey.random(), for: owner, since: cache.ticket()) }
    #expect(owners.allSatisfy { cache.key(for: $0) != nil })
  }

  @Test("a key that was fetched before an eviction is not taken in after it", arguments: ["its own", "another", "all"])
  func lateInsert(_ evicted: String) throws {
    let cache = try cache(10)
    let mine = owner()
    let key = try DataKey.random()
    let ticket = cache.ticket()
    switch evicted {
    case "its own": cache.evict(mine)
    case "another": cache.evict(owner())
    default: cache.evictAll()
    }
    cache.insert(key, for: mine, since: ticket)
    #expect(cache.key(for: mine) == nil)
    cache.insert(key, for: mine, since: cache.ticket())
    #expect(cache.key(for: mine) != nil)
  }

  @Test("making room and the end of a key's time do not keep out what is being fetched")
  func ticketsOutliveTheClock() throws {
    let cache = try cache(1)
    let ticket = cache.ticket()
    let owners = (0..<3).map { _ in owner() }
    for owner in owners { cache.insert(try DataKey.random(), for: owner, since: ticket) }
    #expect(owners.map { cache.key(for: $0) != nil } == [false, false, true])
    clock.pass(.seconds(60))
    cache.evictExpired()
    cache.insert(try DataKey.random(), for: owners[0], since: ticket)
    #expect(cache.key(for: owners[0]) != nil)
  }

  @Test("a key is not given out once its time is over, however often it was asked for, and is wiped when it is met")
  func lifetime() throws {
    let witness = Witness()
    let cache = try cache(10, witness: witness)
    let mine = owner()
    cache.insert(try DataKey.random(), for: mine, since: cache.ticket())
    for _ in 0..<5 {
      clock.pass(.milliseconds(11_999))
      #expect(cache.key(for: mine) != nil)
    }
    clock.pass(.milliseconds(5))
    #expect(cache.key(for: mine) == nil)
    #expect(witness.releases.count == 1)
    #expect(cache.statistics == .init(hits: 5, misses: 1, evictions: 1, count: 0))
  }

  @Test("keys that nobody asks for any more are wiped by the housekeeper, and by newcomers")
  func expiredAreWiped() throws {
    let witness = Witness()
    let cache = try cache(20, witness: witness)
    for _ in 0..<5 { cache.insert(try DataKey.random(), for: owner(), since: cache.ticket()) }
    clock.pass(.seconds(30))
    for _ in 0..<5 { cache.insert(try DataKey.random(), for: owner(), since: cache.ticket()) }
    cache.evictExpired()
    #expect(cache.statistics.count == 10)
    clock.pass(.seconds(30))
    cache.evictExpired()
    #expect(cache.statistics.count == 5)
    #expect(witness.releases.count == 5)
    clock.pass(.seconds(30))
    for _ in 0..<5 { cache.insert(try DataKey.random(), for: owner(), since: cache.ticket()) }
    #expect(cache.statistics.count == 5)
    #expect(witness.releases.count == 10)
  }

  @Test("a full cache stays within its capacity, and keeps what is asked for")
  func clockHand() throws {
    let cache = try cache(100)
    let wanted = (0..<10).map { _ in owner() }
    for owner in wanted { cache.insert(try DataKey.random(), for: owner, since: cache.ticket()) }
    let key = try DataKey.random()
    for _ in 0..<1000 {
      cache.insert(key, for: owner(), since: cache.ticket())
      for owner in wanted { #expect(cache.key(for: owner) != nil) }
    }
    #expect(cache.statistics.count == 100)
    #expect(cache.statistics.evictions == 910)
  }

  @Test("when every key was asked for, room is still found")
  func allReferenced() throws {
    let cache = try cache(8)
    let owners = (0..<8).map { _ in owner() }
    for owner in owners { cache.insert(try DataKey.random(), for: owner, since: cache.ticket()) }
    for owner in owners { #expect(cache.key(for: owner) != nil) }
    let late = owner()
    cache.insert(try DataKey.random(), for: late, since: cache.ticket())
    #expect(cache.key(for: late) != nil)
    #expect(owners.filter { cache.key(for: $0) != nil }.count == 7)
  }

  @Test("a key that is brought in twice has one place, and a new lifetime")
  func twice() throws {
    let cache = try cache(4)
    let mine = owner()
    let (one, two) = try (DataKey.random(), DataKey.random())
    cache.insert(one, for: mine, since: cache.ticket())
    clock.pass(.seconds(40))
    cache.insert(two, for: mine, since: cache.ticket())
    clock.pass(.seconds(40))
    #expect(cache.key(for: mine)?.commitment == two.commitment)
    #expect(cache.statistics.count == 1)
  }

  @Test("a cache without capacity is off", arguments: [0, -5])
  func off(_ capacity: Int) throws {
    let cache = try KeyCache(capacity: capacity)
    let mine = owner()
    cache.insert(try DataKey.random(), for: mine, since: cache.ticket())
    #expect(cache.key(for: mine) == nil)
    cache.evict(mine)
    cache.evictAll()
    cache.evictExpired()
    #expect(cache.capacity == 0)
    #expect(cache.isLocked)
    #expect(cache.statistics == .init(hits: 0, misses: 0, evictions: 0, count: 0))
  }

  @Test("a cache that is too large for the machine is refused")
  func tooLarge() {
    #expect(throws: VaultError(.memory)) { try KeyCache(capacity: .max) }
  }

  @Test("100,000 keys have room, and every one comes out")
  func many() throws {
    let cache = try KeyCache()
    let owners = (0..<100_000).map { _ in owner() }
    let keys = try (0..<16).map { _ in try DataKey.random() }
    let ticket = cache.ticket()
    for (index, owner) in owners.enumerated() { cache.insert(keys[index % 16], for: owner, since: ticket) }
    let wrong = stride(from: 0, to: owners.count, by: 97).filter { index in
      cache.key(for: owners[index])?.commitment != keys[index % 16].commitment
    }
    #expect(wrong == [])
    #expect(cache.statistics.count == 100_000)
  }

  @Test("while tasks fetch and evict at once, no evicted key is seen again")
  func races() async throws {
    let cache = try cache(50)
    let owners = (0..<200).map { _ in owner() }
    let keys = try owners.map { _ in try DataKey.random() }
    let erased = Erased()
    await withTaskGroup(of: Void.self) { group in
      for task in 0..<4 {
        group.addTask {
          var random = SystemRandomNumberGenerator()
          for _ in 0..<4000 {
            let index = Int.random(in: 0..<owners.count, using: &random)
            if let key = cache.key(for: owners[index]) {
              #expect(key.commitment == keys[index].commitment)
            } else {
              let ticket = cache.ticket()
              if !erased.all.contains(index) { cache.insert(keys[index], for: owners[index], since: ticket) }
            }
            if task == 0, index % 10 == 0 {
              erased.insert(index)
              cache.evict(owners[index])
              #expect(cache.key(for: owners[index]) == nil)
            }
          }
        }
      }
    }
    let gone = erased.all
    #expect(gone.count > 10)
    #expect(gone.filter { cache.key(for: owners[$0]) != nil }.isEmpty)
    #expect(cache.statistics.count <= 50)
  }
}
