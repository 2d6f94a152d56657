import PostgresTesting
import Testing

@testable import Postgres

@Suite("Migrations")
struct MigratorTests {
  private let one = Migration(
    number: 1, name: "people", sql: "CREATE TABLE people (id int); CREATE TABLE pets (id int);")
  private let two = Migration(number: 2, name: "ages", sql: "ALTER TABLE people ADD age int")
  private let broken = Migration(number: 3, name: "broken", sql: "CREATE TABLE half (id int); SELECT 1 / 0;")

  private func migrator(_ database: TestDatabase, _ migrations: [Migration]) -> Migrator {
    Migrator(url: database.url(), migrations: migrations, lock: 7_310_042, logger: .silent)
  }

  private func failure(_ migrator: Migrator) async -> MigrationError? {
    do throws(MigrationError) {
      _ = try await migrator.run()
      return nil
    } catch {
      return error
    }
  }

  @Test("what is missing is applied in order, and a second run applies nothing")
  func idempotent() async throws {
    try await withTestDatabase { database in
      #expect(try await migrator(database, [one, two]).pending() == [one, two])
      #expect(try await migrator(database, [one]).run() == ["people"])
      #expect(try await migrator(database, [one, two]).pending() == [two])
      #expect(try await migrator(database, [one, two]).run() == ["ages"])
      #expect(try await migrator(database, [one, two]).run() == [])
      #expect(try await migrator(database, [one, two]).pending() == [])
      let table = try await database.sql("SELECT number, name, length(checksum) FROM lethe_migrations ORDER BY 1")
      #expect(table == "1|people|32\n2|ages|32\n")
    }
  }

  @Test("several processes at once apply each migration once")
  func concurrent() async throws {
    try await withTestDatabase { database in
      let migrator = migrator(database, [one, two])
      let applied = try await withThrowingTaskGroup(of: [String].self) { group in
        for _ in 0..<6 { group.addTask { try await migrator.run() } }
        return try await group.reduce([], +)
      }
      #expect(applied.sorted() == ["ages", "people"])
    }
  }

  @Test("a changed, unknown, skipped or unordered migration is refused by its number")
  func refused() async throws {
    try await withTestDatabase { database in
      _ = try await migrator(database, [one, broken.repaired]).run()
      let changed = await failure(
        migrator(database, [Migration(number: 1, name: "people", sql: "SELECT 1"), broken.repaired]))
      #expect(changed?.code == .changed)
      #expect(changed?.number == 1)
      #expect(changed?.description == "migration 1 was changed after it had been applied")
      let unknown = await failure(migrator(database, [one]))
      #expect(unknown?.code == .unknownApplied)
      #expect(unknown?.number == 3)
      #expect(unknown?.description == "migration 3 was applied by a newer version of this program")
      let skipped = await failure(migrator(database, [one, two, broken.repaired]))
      #expect(skipped?.code == .outOfOrder)
      #expect(skipped?.description == "migration 2 was never applied, but later ones were")
      let unordered = await failure(migrator(database, [two, one]))
      #expect(unordered?.code == .unorderedList)
      #expect(unordered?.description == "migration 1: numbers must be positive and ascending")
    }
  }

  @Test("a migration that fails leaves nothing of itself and all of those before it")
  func atomic() async throws {
    try await withTestDatabase { database in
      let error = await failure(migrator(database, [one, broken]))
      #expect(error?.code == .failed)
      #expect(error?.number == 3)
      #expect(error?.cause?.sqlState == "22012")
      #expect(error?.description == "migration 3 failed: PostgreSQL refused the statement (22012)")
      let after = try await database.sql("SELECT to_regclass('half') IS NULL, to_regclass('people') IS NOT NULL")
      #expect(after == "t|t\n")
      #expect(try await migrator(database, [one, broken]).pending() == [broken])
    }
  }

  @Test("a migration that ends its own transaction is refused")
  func ownCommit() async throws {
    try await withTestDatabase { database in
      let sneaky = Migration(number: 1, name: "sneaky", sql: "CREATE TABLE a (id int); COMMIT;")
      #expect(await failure(migrator(database, [sneaky]))?.cause?.code == .misuse)
    }
  }

  @Test("a database that can't be reached is a failure with its cause")
  func unreachable() async {
    let migrator = Migrator(url: "host=/nonexistent", migrations: [one], lock: 1, logger: .silent)
    let error = await failure(migrator)
    #expect(error?.cause?.code == .connection)
    #expect(error?.description == "migrations failed: PostgreSQL connection failed")
  }
}

extension Migration {
  /// The same number and name with statements that work.
  fileprivate var repaired: Migration { Migration(number: number, name: name, sql: "SELECT 1") }
}
