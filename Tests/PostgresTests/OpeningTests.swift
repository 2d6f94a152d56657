import Dispatch
import Foundation
import PostgresTesting
import Testing

@testable import Postgres

/// `enter` takes the lock of a key until the transaction ends, and then counts.
private let schema = """
  CREATE TABLE items (id bigint PRIMARY KEY, name text);
  CREATE FUNCTION enter(key bigint) RETURNS bigint LANGUAGE plpgsql VOLATILE AS
    $$ BEGIN PERFORM pg_advisory_xact_lock(key); RETURN (SELECT count(*) FROM items); END $$;
  """

private struct Stop: Error {}

@Suite("A transaction's opening")
struct OpeningTests {
  private func pid(_ pool: PostgresPool) async throws -> Int {
    try await pool.transaction {
      try $0.query("SELECT pg_backend_pid() AS pid").first?.decode("pid", as: Int.self) ?? 0
    }
  }

  private func count(_ pool: PostgresPool) async throws -> Int {
    try #require(try await pool.read("SELECT count(*) AS n FROM items").first).decode("n", as: Int.self)
  }

  @Test("its rows are the transaction's, with the settings in force, at first use and again")
  func rows() async throws {
    try await withDatabasePool(size: 1) { _, pool in
      for number in [7, 8] {
        let seen = try await pool.transaction(
          settings: [SessionSetting(name: "app.tenant_id", value: "t\(number)")],
          opening: "SELECT current_setting('app.tenant_id') AS tenant, \(number) AS n FROM generate_series(1, 2)"
        ) { transaction in
          try transaction.opening.map { (try $0.decode("tenant", as: String.self), try $0.decode("n", as: Int.self)) }
        }
        #expect(seen.map(\.0) == ["t\(number)", "t\(number)"])
        #expect(seen.map(\.1) == [number, number])
      }
    }
  }

  @Test("without one there are no rows, whatever the settings return")
  func none() async throws {
    try await withDatabasePool(size: 1) { _, pool in
      let count = try await pool.transaction(settings: [SessionSetting(name: "app.tenant_id", value: "a")]) {
        $0.opening.count
      }
      #expect(count == 0)
    }
  }

  @Test("what it writes is seen by the body, and committed or rolled back with it")
  func writes() async throws {
    try await withDatabasePool(size: 1, schema: schema) { _, pool in
      let seen = try await pool.transaction(opening: "INSERT INTO items VALUES (1, 'a') RETURNING id") { transaction in
        (
          try transaction.opening.first?.decode("id", as: Int.self),
          try transaction.query("SELECT name FROM items").first?.decode("name", as: String.self)
        )
      }
      #expect(seen.0 == 1)
      #expect(seen.1 == "a")
      await #expect(throws: Stop.self) {
        try await pool.transaction(opening: "INSERT INTO items VALUES (2, 'b')") { _ in throw Stop() }
      }
      #expect(try await count(pool) == 1)
    }
  }

  @Test("one that the server refuses fails the transaction before its body, and the connection stays")
  func refused() async throws {
    try await withDatabasePool(size: 1, schema: schema) { _, pool in
      try await pool.transaction { try $0.execute("INSERT INTO items VALUES (1, 'a')") }
      let before = try await pid(pool)
      let unique = await failure {
        try await pool.transaction(opening: "INSERT INTO items VALUES (1, 'secret')") { _ in
          Issue.record("the body ran")
        }
      }
      #expect(unique?.isUniqueViolation == true)
      #expect(unique?.constraint == "items_pkey")
      #expect(unique.map { "\($0)".contains("secret") } == false)
      let readOnly = await failure {
        try await pool.transaction(opening: "DELETE FROM items", readOnly: true) { _ in Issue.record("the body ran") }
      }
      #expect(readOnly?.sqlState == "25006")
      #expect(try await pid(pool) == before)
      #expect(try await count(pool) == 1)
    }
  }

  @Test("one that could not be prepared works once it can")
  func unprepared() async throws {
    try await withDatabasePool(size: 1, schema: schema) { database, pool in
      let opening: SQL = "INSERT INTO later VALUES (\(5)) RETURNING id"
      let early = await failure { try await pool.transaction(opening: opening) { _ in Issue.record("the body ran") } }
      #expect(early?.sqlState == "42P01")
      try await database.sql("CREATE TABLE later (id bigint)")
      let id = try await pool.transaction(opening: opening) { try $0.opening.first?.decode("id", as: Int.self) }
      #expect(id == 5)
    }
  }

  @Test("a lock that it takes is held until the end, and the one after sees what was committed before")
  func lock() async throws {
    try await withDatabasePool(size: 2, schema: schema) { database, pool in
      let (entered, enters) = AsyncStream<Void>.makeStream()
      let release = DispatchSemaphore(value: 0)
      async let first = pool.transaction(opening: "SELECT enter(\(1)) AS n") { transaction in
        try transaction.execute("INSERT INTO items VALUES (1, 'a')")
        enters.yield()
        release.wait()
        return try transaction.opening.first?.decode("n", as: Int.self)
      }
      for await _ in entered { break }
      async let second = pool.transaction(opening: "SELECT enter(\(1)) AS n") { transaction in
        try transaction.opening.first?.decode("n", as: Int.self)
      }
      let waits = await eventually { await isWaiting(database) }
      release.signal()
      #expect(waits)
      let counts = try await [first, second]
      #expect(counts == [0, 1])
    }
  }

  @Test("cancelling the task ends one that waits")
  func cancelled() async throws {
    try await withDatabasePool(size: 2, schema: schema) { database, pool in
      let (entered, enters) = AsyncStream<Void>.makeStream()
      let release = DispatchSemaphore(value: 0)
      async let holder = pool.transaction(opening: "SELECT enter(\(1))") { transaction in
        enters.yield()
        release.wait()
        return transaction.opening.count
      }
      for await _ in entered { break }
      let waiter = Task {
        await failure {
          try await pool.transaction(opening: "SELECT enter(\(1))") { _ in Issue.record("the body ran") }
        }
      }
      let waits = await eventually { await isWaiting(database) }
      waiter.cancel()
      let outcome = await waiter.value
      let stillWaits = await isWaiting(database)
      release.signal()
      #expect(waits)
      #expect(!stillWaits)
      #expect(outcome?.code == .cancelled)
      let rows = try await holder
      #expect(rows == 1)
    }
  }

  @Test("a connection that died while idle, and a plan that is outdated, are replaced without a failure")
  func replaced() async throws {
    try await withDatabasePool(size: 1, schema: schema + "INSERT INTO items VALUES (1, 'a');") { database, pool in
      let columns = { @Sendable (transaction: Transaction) throws in transaction.opening.first?.columns.count }
      #expect(try await pool.transaction(opening: "SELECT * FROM items", columns) == 2)
      try await database.sql("ALTER TABLE items ADD COLUMN extra int")
      #expect(try await pool.transaction(opening: "SELECT * FROM items", columns) == 3)
      try await database.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'postgres tests'"
          + " AND datname = '\(database.name)'")
      #expect(try await pool.transaction(opening: "SELECT * FROM items", columns) == 3)
    }
  }

  @Test("one that ends the transaction itself is refused as misuse")
  func ends() async throws {
    try await withDatabasePool(size: 1) { _, pool in
      let error = await failure {
        try await pool.transaction(opening: "COMMIT") { _ in Issue.record("the body ran") }
      }
      #expect(error?.code == .misuse)
      let rows = try await pool.read("SELECT 1")
      #expect(rows.count == 1)
    }
  }

  private func isWaiting(_ database: TestDatabase) async -> Bool {
    let found = try? await database.sql(
      "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database ="
        + " (SELECT oid FROM pg_database WHERE datname = current_database())")
    return found?.trimmingCharacters(in: .whitespacesAndNewlines) == "1"
  }
}
