import Foundation
import Postgres
import Profiles
import ServiceTesting
import Testing
import Vault

@testable import Custody

@Suite("The cache of subject keys")
struct CachedKeysTests {
  /// A replica with a cache that listens, and a pool of its own for it.
  private func withReplica(_ house: House, _ body: (Custody, PostgresPool) async throws -> Void) async throws {
    let vault = PostgresPool(
      PoolConfiguration(url: house.installation.settings.vaultDatabaseURL, role: "replica", size: 1),
      logger: house.installation.log.logger)
    try await vault.start()
    let replica = try Custody(
      data: house.custody.data, worker: house.custody.worker, vault: vault,
      keyring: try FileKeyring.open(at: house.installation.settings.keyringPath), cachedKeys: 100,
      originHost: house.custody.originHost, logger: house.installation.log.logger)
    let listening = Task { await replica.followNotices() }
    do {
      try await body(replica, vault)
      await vault.shutdown()
      await listening.value
    } catch {
      await vault.shutdown()
      await listening.value
      throw error
    }
  }

  /// Reads until the cache is in use: it begins unused, and is emptied when the listener connects.
  private func cached(_ replica: Custody, _ person: Profile, _ house: House) async throws {
    let profiles = Profiles(custody: replica)
    for _ in 0..<200 {
      _ = try await profiles.profile(person.id, house.somebody())
      if replica.keyCacheStatistics.hits > 0 { return }
      try await Task.sleep(for: .milliseconds(20))
    }
    Issue.record("nothing was found in the cache")
  }

  @Test("is not used while nobody listens for erasures")
  func unused() async throws {
    try await withHouse { house in
      let person = try await house.profile()
      for _ in 0..<3 { _ = try await house.profiles.profile(person.id, house.somebody()) }
      let statistics = house.custody.keyCacheStatistics
      #expect(statistics.hits == 0)
      #expect(statistics.count == 0)
    }
  }

  @Test("answers the second reading, and an erasure by another replica empties it at once")
  func evicted() async throws {
    try await withHouse { house in
      let person = try await house.profile()
      try await withReplica(house) { replica, _ in
        try await cached(replica, person, house)
        #expect(replica.keyCacheStatistics.count == 1)
        let commitment = try await house.custody.keyCommitment(of: person.subject, house.somebody()).commitment
        _ = try await house.custody.destroyKey(of: person.subject, commitment: commitment, house.somebody())
        var left = replica.keyCacheStatistics.count
        for _ in 0..<200 where left > 0 {
          try await Task.sleep(for: .milliseconds(10))
          left = replica.keyCacheStatistics.count
        }
        #expect(left == 0)
        let error = await #expect(throws: CustodyError.self) {
          try await Profiles(custody: replica).profile(person.id, house.somebody())
        }
        #expect(error?.code == .erased)
      }
    }
  }

  @Test("a key that is still cached releases nothing of a person who is tombstoned")
  func stale() async throws {
    try await withHouse { house in
      let person = try await house.profile()
      try await withReplica(house) { replica, _ in
        try await cached(replica, person, house)
        // The data database alone knows; no notification has been sent.
        try await house.tombstone(person.subject)
        #expect(replica.keyCacheStatistics.count == 1)
        let lent = try await replica.keys.keys(of: [person.subject], tenant: house.tenant)
        #expect(lent.count == 1)
        let error = await #expect(throws: CustodyError.self) {
          try await replica.read(house.somebody(), of: [person.subject]) { _ in "released" }
        }
        #expect(error?.code == .erased)
      }
    }
  }

  @Test("is empty again when its listener has ended")
  func ended() async throws {
    try await withHouse { house in
      let person = try await house.profile()
      let (caches, cache) = AsyncStream<Custody>.makeStream()
      try await withReplica(house) { replica, _ in
        try await cached(replica, person, house)
        cache.yield(replica)
      }
      cache.finish()
      for await replica in caches { #expect(replica.keyCacheStatistics.count == 0) }
    }
  }

  @Test("what was sealed by either suite is read by a process that seals with the other", arguments: Suite.allCases)
  func suites(suite: Suite) async throws {
    guard suite.isAvailable else { return }
    try await withHouse { house in
      func custody(_ suite: Suite) throws -> Custody {
        try Custody(
          data: house.custody.data, worker: house.custody.worker, vault: house.custody.keyStore.pool,
          keyring: house.custody.keyring, suite: suite, originHost: house.custody.originHost,
          logger: house.installation.log.logger)
      }
      let other: Suite = suite == .aes256gcm ? .xchacha20poly1305 : .aes256gcm
      let made = try await Profiles(custody: try custody(suite)).create(
        try ProfileDraft(email: "suite@example.com"), house.somebody())
      let bytes = try await house.admin.read("SELECT email_sealed FROM user_profiles.profiles WHERE id = \(made.id)")
      let envelope = try #require(bytes.first).decode("email_sealed", as: [UInt8].self)
      #expect(envelope[1] == suite.rawValue)
      let read = try await Profiles(custody: try custody(other)).profile(made.id, house.somebody())
      #expect(read.email == made.email)
    }
  }
}

@Suite("When epochs rotate")
struct RotationScheduleTests {
  private func epoch(_ createdAt: Int64) -> EpochDescription {
    EpochDescription(number: EpochNumber(rawValue: 3), state: .active, createdAt: createdAt)
  }
  private let day: Int64 = 86_400

  @Test("an epoch is due at the age that is scheduled, not a second before, and never without a schedule")
  func due() {
    let schedule = RotationSchedule(days: 30)
    #expect(!schedule.isDue(epoch(1_000), now: 1_000 + 30 * day - 1))
    #expect(schedule.isDue(epoch(1_000), now: 1_000 + 30 * day))
    #expect(!RotationSchedule(days: nil).isDue(epoch(0), now: 4_000_000_000))
  }

  @Test("the promise is the scheduled day and seven more; an overdue epoch is counted from now")
  func promise() {
    // 2025-01-01T00:00:00Z
    let created: Int64 = 1_735_689_600
    let schedule = RotationSchedule(days: 30)
    #expect(schedule.deadBy(epoch(created), now: created + day) == "2025-02-07")
    #expect(schedule.deadBy(epoch(created), now: created + 60 * day) == "2025-03-09")
    #expect(RotationSchedule(days: nil).deadBy(epoch(created), now: created) == nil)
  }
}
