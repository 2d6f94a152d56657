import Dispatch
import Foundation
import LocalCluster
import PostgresTesting
import Testing

@testable import Postgres

@Suite("Identity of the database")
struct IdentityTests {
  private func oid(_ database: TestDatabase) async throws -> UInt32? {
    let text = try await database.sql("SELECT oid FROM pg_database WHERE datname = current_database()")
    return UInt32(text.trimmingCharacters(in: .whitespacesAndNewlines))
  }

  /// Drops the database under its connections and makes an empty one of the same name.
  private func replace(_ database: TestDatabase) async throws {
    try await database.drop()
    try await database.cluster.sql("CREATE DATABASE \"\(database.name)\" TEMPLATE template0")
  }

  @Test("a role without privileges sees the same identity as the superuser: cluster, timeline and database")
  func plainRole() async throws {
    try await withTestDatabase { database in
      try await database.role("identity_reader")
      let seen = try await withPool(database.url(user: "identity_reader"), size: 1, watchesIdentity: true) {
        $0.identity
      }
      let cluster = try await database.sql("SELECT system_identifier FROM pg_control_system()")
        .trimmingCharacters(in: .whitespacesAndNewlines)
      #expect(seen?.systemIdentifier == UInt64(cluster))
      #expect(seen?.systemIdentifier != nil)
      #expect(seen?.timeline == 1)
      #expect(seen?.isStandby == false)
      #expect(seen?.databaseID == (try await oid(database)))
      #expect(
        seen?.description == "cluster \(cluster), timeline 1, database \(seen?.databaseID ?? 0)")
      let superuser = try await withPool(database.url(), size: 1, watchesIdentity: true) { $0.identity }
      #expect(superuser == seen)
    }
  }

  @Test("where the cluster may not be asked for, timeline and database are watched alone")
  func revoked() async throws {
    try await withTestDatabase { database in
      try await database.role("identity_reader")
      try await database.sql("REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC")
      try await withPool(database.url(user: "identity_reader"), size: 1, watchesIdentity: true) { pool in
        #expect(pool.identity?.systemIdentifier == nil)
        #expect(pool.identity?.timeline == 1)
        let number = try await oid(database)
        #expect(pool.identity?.databaseID == number)
        let shown = try await pool.recheckIdentity()
        #expect(shown == pool.identity)
      }
    }
  }

  @Test("a pool that doesn't watch has no identity, and can't be asked to look")
  func unwatched() async throws {
    try await withDatabasePool(size: 1) { database, pool in
      #expect(pool.identity == nil)
      #expect(await failure { try await pool.recheckIdentity() }?.code == .misuse)
      let other = DatabaseIdentity(systemIdentifier: 1, timeline: 1, databaseID: 1)
      pool.accept(other)
      #expect(pool.identity == nil)
      try await replace(database)
      #expect(try await pool.read("SELECT 1").count == 1)
      #expect(pool.identityChange == nil)
    }
  }

  @Test("a lost connection to the same database halts nothing")
  func sameAgain() async throws {
    try await withTestDatabase { database in
      try await withPool(database.url(), size: 1, watchesIdentity: true) { pool in
        let before = pool.identity
        try await database.sql(
          "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'postgres tests'"
            + " AND datname = '\(database.name)'")
        #expect(try await pool.read("SELECT 1").count == 1)
        #expect(try await pool.recheckIdentity() == before)
        #expect(pool.identity == before)
        #expect(pool.identityChange == nil)
      }
    }
  }

  @Test(
    "a database dropped and made again under the pool halts both lanes until it is accepted",
    arguments: [1, 3])
  func madeAgain(size: Int) async throws {
    try await withTestDatabase { database in
      try await withPool(database.url(), size: size, watchesIdentity: true) { pool in
        let before = try #require(pool.identity)
        try await replace(database)
        #expect(await failure { try await pool.transaction { _ in } }?.code == .identityChanged)
        #expect(await failure { _ = try await pool.read("SELECT 1") }?.code == .identityChanged)
        #expect(await pool.isAnswering() == false)
        #expect(await failure { try await pool.recheckIdentity() }?.code == .identityChanged)
        let shown = try #require(pool.identityChange)
        #expect(pool.identity == before)
        #expect(shown.databaseID != before.databaseID)
        #expect(shown.databaseID == (try await oid(database)))
        #expect(shown.systemIdentifier == before.systemIdentifier)
        #expect(shown.timeline == before.timeline)

        pool.accept(shown)
        #expect(pool.identityChange == nil)
        #expect(pool.identity == shown)
        #expect(try await pool.read("SELECT 1").count == 1)
        #expect(try await pool.transaction { try $0.query("SELECT 1").count } == 1)
        #expect(try await pool.recheckIdentity() == shown)
      }
    }
  }

  @Test("what waits when another database is noticed fails at once, and what ran is not committed")
  func waiting() async throws {
    try await withTestDatabase { database in
      try await withPool(database.url(), size: 1, watchesIdentity: true) { pool in
        let (held, holds) = AsyncStream<Void>.makeStream()
        let release = DispatchSemaphore(value: 0)
        async let running = failure {
          try await pool.transaction { _ in
            holds.yield()
            release.wait()
          }
        }
        for await _ in held { break }
        async let waiting = failure { _ = try await pool.read("SELECT 1") }
        async let alsoWaiting = failure { try await pool.transaction { _ in Issue.record("the body ran") } }
        try await replace(database)
        let noticed = await failure { try await pool.recheckIdentity() }
        // The only connection is still held: these two can't have reached one.
        #expect(await waiting?.code == .identityChanged)
        #expect(await alsoWaiting?.code == .identityChanged)
        release.signal()
        #expect(noticed?.code == .identityChanged)
        #expect(await running?.code == .identityChanged)
      }
    }
  }

  @Test("an identity that was not the one to come is noticed by the next connection")
  func wronglyAccepted() async throws {
    try await withTestDatabase { database in
      try await withPool(database.url(), size: 1, watchesIdentity: true) { pool in
        let real = try #require(pool.identity)
        pool.accept(DatabaseIdentity(systemIdentifier: 1, timeline: 1, databaseID: 1))
        #expect(await failure { _ = try await pool.read("SELECT 1") }?.code == .identityChanged)
        #expect(pool.identityChange == real)
        pool.accept(real)
        #expect(try await pool.read("SELECT 1").count == 1)
      }
    }
  }

  @Test("a pool told beforehand which database to expect doesn't start on another")
  func toldBeforehand() async throws {
    try await withTestDatabase { database in
      let real = try #require(
        try await withPool(database.url(), size: 1, watchesIdentity: true) { $0.identity })
      let configuration = PoolConfiguration(url: database.url(), role: "test", size: 1, watchesIdentity: true)
      let stranger = PostgresPool(configuration, logger: .silent)
      #expect(await failure { try await stranger.recheckIdentity() }?.code == .poolClosed)
      stranger.accept(DatabaseIdentity(systemIdentifier: 1, timeline: 1, databaseID: 1))
      #expect(await failure { try await stranger.start() }?.code == .identityChanged)
      let known = PostgresPool(configuration, logger: .silent)
      known.accept(real)
      try await known.start()
      #expect(known.identity == real)
      await known.shutdown()
      #expect(await failure { try await known.recheckIdentity() }?.code == .poolClosed)
    }
  }

  @Test("a listener of a halted pool is silent, and connects again when the database is accepted")
  func listener() async throws {
    try await withTestDatabase { database in
      try await withPool(database.url(), size: 1, watchesIdentity: true) { pool in
        var heard = pool.notifications(channels: ["erasures"]).makeAsyncIterator()
        #expect(await heard.next() == .reconnected)
        try await replace(database)
        // The listener notices by itself, without any work.
        #expect(await eventually { pool.identityChange != nil })
        let shown = try #require(pool.identityChange)
        // Nobody listens: this would be heard before the word of the new connection.
        try await database.sql("NOTIFY erasures, 'early'")
        pool.accept(shown)
        #expect(await heard.next() == .reconnected)
        try await database.sql("NOTIFY erasures, 'late'")
        #expect(await heard.next() == .message(channel: "erasures", payload: "late"))
      }
    }
  }

  @Test("a standby that is promoted shows another timeline; nothing is committed on the server it replaced")
  func promoted() async throws {
    try await withServerPair { pair in
      try await pair.primary.sql("CREATE TABLE t (a int)")
      try await withPool(pair.url, size: 3, watchesIdentity: true) { pool in
        let before = try #require(pool.identity)
        #expect(before.timeline == 1)
        try await pair.startStandby()
        #expect(await eventually { await pair.standbyHas("t") })
        let standby = try await withPool(pair.standbyURL, size: 1, watchesIdentity: true) { $0.identity }
        #expect(
          standby
            == DatabaseIdentity(
              systemIdentifier: before.systemIdentifier, timeline: nil, databaseID: before.databaseID))

        // A transaction is open on the old primary while the address moves to the promoted standby.
        let (held, holds) = AsyncStream<Void>.makeStream()
        let release = DispatchSemaphore(value: 0)
        async let running = failure {
          try await pool.transaction { transaction in
            try transaction.execute("INSERT INTO t VALUES (1)")
            holds.yield()
            release.wait()
          }
        }
        for await _ in held { break }
        try await pair.promote()
        try pair.moveAddress()
        // Connections to the old primary, which still runs, are not looked at: only a new one shows it.
        #expect(await failure { try await pool.recheckIdentity() }?.code == .identityChanged)
        release.signal()
        #expect(await running?.code == .identityChanged)
        #expect(try await pair.primary.sql("SELECT count(*) FROM t").trimmingCharacters(in: .newlines) == "0")

        let shown = try #require(pool.identityChange)
        #expect(shown.timeline == 2)
        #expect(shown.systemIdentifier == before.systemIdentifier)
        #expect(shown.databaseID == before.databaseID)
        pool.accept(shown)
        // All connections lead to the new primary now.
        try await withThrowingTaskGroup(of: Void.self) { group in
          for number in 10..<16 {
            group.addTask {
              _ = try await pool.transaction { try $0.execute("INSERT INTO t VALUES (\(number))") }
            }
          }
          try await group.waitForAll()
        }
        #expect(try await pair.primary.sql("SELECT count(*) FROM t").trimmingCharacters(in: .newlines) == "0")
        #expect(try await pool.read("SELECT a FROM t").count == 6)
      }
    }
  }
}
