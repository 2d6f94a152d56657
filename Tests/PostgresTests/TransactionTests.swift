import Foundation
import PostgresTesting
import Synchronization
import Testing

@testable import Postgres

private let schema = """
  CREATE TABLE items (id bigint PRIMARY KEY, parent bigint REFERENCES items (id) DEFERRABLE INITIALLY DEFERRED,
    name text CONSTRAINT name_not_empty CHECK (name <> ''));
  """

private struct Stop: Error {}

@Suite("Closure lane")
struct TransactionTests {
  @Test("a body that returns is committed, and one that throws leaves nothing")
  func commitAndRollBack() async throws {
    try await withDatabasePool(schema: schema) { _, pool in
      let count = try await pool.transaction { transaction in
        try transaction.execute("INSERT INTO items VALUES (1, NULL, 'a'), (2, NULL, 'b')")
      }
      #expect(count == 2)
      await #expect(throws: Stop.self) {
        try await pool.transaction { transaction in
          try transaction.execute("INSERT INTO items VALUES (3, NULL, 'c')")
          throw Stop()
        }
      }
      #expect(
        try await pool.read("SELECT id FROM items ORDER BY id").map { try $0.decode("id", as: Int.self) } == [1, 2])
    }
  }

  @Test("a failed statement tells its state, table and constraint, and no value")
  func violations() async throws {
    try await withDatabasePool(schema: schema) { _, pool in
      try await pool.transaction { try $0.execute("INSERT INTO items VALUES (1, NULL, 'secret')") }
      let unique = await failure {
        try await pool.transaction { try $0.execute("INSERT INTO items VALUES (1, NULL, 'secret')") }
      }
      #expect(unique?.isUniqueViolation == true)
      #expect(unique?.constraint == "items_pkey")
      #expect(unique?.table == "items")
      #expect(unique?.schema == "public")
      #expect(unique.map { !"\($0)".contains("secret") } == true)
      let check = await failure {
        try await pool.transaction { try $0.execute("INSERT INTO items VALUES (2, NULL, '')") }
      }
      #expect(check?.isCheckViolation == true)
      #expect(check?.constraint == "name_not_empty")
    }
  }

  @Test("a statement whose plan is outdated fails once, and is prepared again for the next transaction")
  func outdatedPlan() async throws {
    try await withDatabasePool(size: 1, schema: schema) { database, pool in
      let columns = { @Sendable (transaction: Transaction) throws in
        try transaction.execute("INSERT INTO items VALUES (1, NULL, 'a') ON CONFLICT DO NOTHING")
        return try transaction.query("SELECT * FROM items").first?.columns.count
      }
      #expect(try await pool.transaction(columns) == 3)
      try await database.sql("ALTER TABLE items ADD COLUMN extra int")
      #expect(await failure { try await pool.transaction(columns) }?.sqlState == "0A000")
      #expect(try await pool.transaction(columns) == 4)
    }
  }

  @Test("a constraint that only fails at COMMIT is reported, and nothing stays")
  func deferred() async throws {
    try await withDatabasePool(schema: schema) { _, pool in
      let error = await failure {
        try await pool.transaction { try $0.execute("INSERT INTO items VALUES (1, 99, 'a')") }
      }
      #expect(error?.isForeignKeyViolation == true)
      let after = try await pool.read("SELECT 1 FROM items")
      #expect(after.isEmpty)
    }
  }

  @Test("a body that swallows a failure can't commit")
  func swallowed() async throws {
    try await withDatabasePool(schema: schema) { _, pool in
      let error = await failure {
        try await pool.transaction { transaction in
          try transaction.execute("INSERT INTO items VALUES (1, NULL, 'a')")
          _ = try? transaction.execute("INSERT INTO items VALUES (1, NULL, 'a')")
        }
      }
      #expect(error?.isUniqueViolation == true)
      let after = try await pool.read("SELECT 1 FROM items")
      #expect(after.isEmpty)
    }
  }

  @Test("a savepoint undoes its own statements only")
  func savepoint() async throws {
    try await withDatabasePool(schema: schema) { _, pool in
      try await pool.transaction { transaction in
        for id in [1, 1, 2] {
          do {
            try transaction.savepoint {
              try transaction.execute("INSERT INTO items VALUES (\(id), NULL, 'a')")
            }
          } catch let error as PostgresError where error.isUniqueViolation {}
        }
      }
      #expect(try await pool.read("SELECT id FROM items").count == 2)
    }
  }

  @Test("a read-only transaction refuses writes, and isolation is as asked")
  func modes() async throws {
    try await withDatabasePool(schema: schema) { _, pool in
      let error = await failure {
        try await pool.transaction(readOnly: true) { try $0.execute("DELETE FROM items") }
      }
      #expect(error?.sqlState == "25006")
      let level = try await pool.transaction(isolation: .serializable) { transaction in
        try transaction.query("SHOW transaction_isolation").first?.decode(0, as: String.self)
      }
      #expect(level == "serializable")
    }
  }

  @Test("a body can't end its own transaction, nor use it after it has ended")
  func misuse() async throws {
    try await withDatabasePool(size: 1) { _, pool in
      #expect(await failure { try await pool.transaction { try $0.execute("COMMIT") } }?.code == .misuse)
      #expect(await failure { try await pool.transaction { try $0.run(script: "SELECT 1; COMMIT") } }?.code == .misuse)
      let later = try await pool.transaction { transaction in
        transaction.end()
        do throws(PostgresError) {
          try transaction.query("SELECT 1")
          return PostgresError.Code.cancelled
        } catch {
          return error.code
        }
      }
      #expect(later == .misuse)
      #expect(
        await failure { try await pool.transaction { try $0.run(script: "COPY pg_class TO STDOUT") } }?.code == .misuse)
      #expect(try await pool.read("SELECT 1").count == 1)
    }
  }

  @Test("a cancelled task's statement is stopped, rolled back, and the connection serves the next")
  func cancellation() async throws {
    try await withDatabasePool(size: 1, schema: schema) { _, pool in
      let began = AsyncStream.makeStream(of: Void.self)
      let task = Task {
        try await pool.transaction { transaction in
          try transaction.execute("INSERT INTO items VALUES (1, NULL, 'a')")
          began.continuation.finish()
          try transaction.query("SELECT pg_sleep(60)")
        }
      }
      for await _ in began.stream {}
      let clock = ContinuousClock.now
      task.cancel()
      #expect(await failure { try await task.value }?.code == .cancelled)
      #expect(ContinuousClock.now - clock < .seconds(8))
      let after = try await pool.read("SELECT 1 FROM items")
      #expect(after.isEmpty)
    }
  }

  @Test("work that was cancelled before it began never runs")
  func cancelledBefore() async throws {
    try await withDatabasePool(size: 1, schema: schema) { _, pool in
      let task = Task {
        try? await Task.sleep(for: .seconds(60))
        try await pool.transaction { try $0.execute("INSERT INTO items VALUES (1, NULL, 'a')") }
      }
      task.cancel()
      #expect(await failure { _ = try await task.value }?.code == .cancelled)
      let after = try await pool.read("SELECT 1 FROM items")
      #expect(after.isEmpty)
    }
  }

  @Test("a statement longer than the time-out fails with 57014")
  func statementTimeout() async throws {
    try await withDatabasePool(size: 1, statementTimeout: .milliseconds(100)) { _, pool in
      let error = await failure { try await pool.transaction { try $0.query("SELECT pg_sleep(30)") } }
      #expect(error?.isStatementTimeout == true)
      let after = try await pool.transaction { try $0.query("SELECT 1").count }
      #expect(after == 1)
    }
  }
}

@Suite("Single-shot lane")
struct ReadLaneTests {
  @Test("two hundred reads at once all get their own rows")
  func drained() async throws {
    try await withDatabasePool(size: 2) { _, pool in
      let answers = try await withThrowingTaskGroup(of: (Int, Int).self) { group in
        for number in 0..<200 {
          group.addTask {
            let rows = try await pool.read(
              "SELECT \(number) + current_setting('app.offset')::int8 AS sum",
              settings: [SessionSetting(name: "app.offset", value: "\(number * 1000)")])
            return (number, try rows.first.map { try $0.decode("sum") } ?? -1)
          }
        }
        return try await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
      }
      #expect(answers.count == 200)
      #expect(answers.allSatisfy { $0.value == $0.key * 1001 })
    }
  }

  @Test("a failing read doesn't touch those it is sent with")
  func isolatedFailures() async throws {
    try await withDatabasePool(size: 1, schema: "CREATE TABLE numbers AS SELECT generate_series(1, 5) AS n") {
      _, pool in
      // The one connection is busy while the reads gather, so that they go out together.
      async let busy = pool.transaction { try $0.query("SELECT pg_sleep(0.3)").count }
      let states = await withTaskGroup(of: (Int, String).self) { group in
        for number in 0..<30 {
          group.addTask {
            let sql: SQL =
              switch number % 5 {
              case 0: "SELECT 1 / (n - n) FROM numbers"
              case 1: "SELECT nonsense FROM numbers"
              case 2: "INSERT INTO numbers VALUES (6)"
              default: "SELECT n FROM numbers"
              }
            do throws(PostgresError) {
              return (number, "\(try await pool.read(sql).count) rows")
            } catch {
              return (number, error.sqlState ?? "\(error.code)")
            }
          }
        }
        return await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
      }
      let after = try await busy
      #expect(after == 1)
      for (number, state) in states {
        #expect(state == ["22012", "42703", "25006", "5 rows", "5 rows"][number % 5], "read \(number)")
      }
      #expect(states.count == 30)
    }
  }

  @Test("a setting that PostgreSQL refuses fails its read only")
  func badSetting() async throws {
    try await withDatabasePool(size: 1) { _, pool in
      let error = await failure {
        _ = try await pool.read("SELECT 1", settings: [SessionSetting(name: "work_mem", value: "a lot")])
      }
      #expect(error?.sqlState == "22023")
      let after = try await pool.read("SELECT 1").count
      #expect(after == 1)
    }
  }

  @Test("a statement is prepared once by a connection, whichever lane asks")
  func prepared() async throws {
    try await withDatabasePool(size: 1) { _, pool in
      for number in 0..<10 {
        _ = try await pool.read("SELECT \(number) AS reused")
        _ = try await pool.transaction { try $0.query("SELECT \(number) AS reused").count }
      }
      let rows = try await pool.read(
        """
        SELECT generic_plans + custom_plans AS uses FROM pg_prepared_statements
        WHERE statement = 'SELECT $1 AS reused'
        """
      )
      #expect(try rows.map { try $0.decode("uses", as: Int.self) } == [20])
    }
  }

  @Test("more statements than the cache holds still run, and the server keeps no more than the cache")
  func eviction() async throws {
    try await withDatabasePool(size: 1) { _, pool in
      for number in 0..<300 {
        let rows = try await pool.read("SELECT \(unsafe: "\(number)")::int8 AS n")
        #expect(try rows.first?.decode("n", as: Int.self) == number)
      }
      try await pool.transaction { transaction in
        for number in 300..<560 { try transaction.query("SELECT \(unsafe: "\(number)")::int8 AS n") }
      }
      let count = try await pool.read("SELECT count(*) AS n FROM pg_prepared_statements").first?.decode(
        "n", as: Int.self)
      #expect(count.map { $0 <= 256 && $0 > 200 } == true)
    }
  }

  @Test("a read survives a table that changed its shape under a prepared statement")
  func changedShape() async throws {
    try await withDatabasePool(size: 1, schema: "CREATE TABLE shape (a int); INSERT INTO shape VALUES (1)") { _, pool in
      #expect(try await pool.read("SELECT * FROM shape").first?.columns == ["a"])
      try await pool.transaction { try $0.execute("ALTER TABLE shape ADD b int") }
      #expect(try await pool.read("SELECT * FROM shape").first?.columns == ["a", "b"])
    }
  }

  @Test("a cancelled read returns at once and its statement is stopped")
  func cancellation() async throws {
    try await withDatabasePool(size: 1) { _, pool in
      let task = Task { try await pool.read("SELECT pg_sleep(60)") }
      try await Task.sleep(for: .milliseconds(300))
      let clock = ContinuousClock.now
      task.cancel()
      #expect(await failure { _ = try await task.value }?.code == .cancelled)
      #expect(try await pool.read("SELECT 1").count == 1)
      #expect(ContinuousClock.now - clock < .seconds(8))
    }
  }
}
