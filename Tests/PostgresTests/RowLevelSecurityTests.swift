import Foundation
import PostgresTesting
import Testing

@testable import Postgres

@Suite("Row-level security by transaction settings")
struct RowLevelSecurityTests {
  private static let policy = "NULLIF(current_setting('app.tenant_id', true), '')::uuid"
  private static let schema = """
    CREATE TABLE notes (tenant_id uuid NOT NULL, body text NOT NULL);
    ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
    ALTER TABLE notes FORCE ROW LEVEL SECURITY;
    CREATE POLICY tenant ON notes USING (tenant_id = \(policy)) WITH CHECK (tenant_id = \(policy));
    GRANT SELECT, INSERT ON notes TO tests_app;
    """

  private func withTenants(_ body: (PostgresPool, UUID, UUID) async throws -> Void) async throws {
    try await withTestDatabase { database in
      try await database.role("tests_app")
      try await database.sql(Self.schema)
      try await withPool(database.url(user: "tests_app"), size: 1) { pool in
        let (one, two) = (UUID(), UUID())
        for tenant in [one, two] {
          try await pool.transaction(settings: setting(tenant)) { transaction in
            _ = try transaction.execute("INSERT INTO notes VALUES (\(tenant), \("note of \(tenant)"))")
          }
        }
        try await body(pool, one, two)
      }
    }
  }

  private func setting(_ tenant: UUID) -> [SessionSetting] {
    [SessionSetting(name: "app.tenant_id", value: tenant.uuidString)]
  }

  @Test("each lane sees its tenant's rows only")
  func bothLanes() async throws {
    try await withTenants { pool, one, two in
      for tenant in [one, two, one] {
        let read = try await pool.read("SELECT tenant_id FROM notes", settings: setting(tenant))
        #expect(try read.map { try $0.decode("tenant_id", as: UUID.self) } == [tenant])
        let lent = try await pool.transaction(settings: setting(tenant)) { transaction in
          try transaction.query("SELECT tenant_id FROM notes").map { try $0.decode("tenant_id", as: UUID.self) }
        }
        #expect(lent == [tenant])
      }
    }
  }

  @Test("reads of different tenants drained together don't see each other's rows")
  func drained() async throws {
    try await withTenants { pool, one, two in
      let wrong = try await withThrowingTaskGroup(of: Bool.self) { group in
        for number in 0..<100 {
          let tenant = number.isMultiple(of: 2) ? one : two
          group.addTask {
            let rows = try await pool.read("SELECT tenant_id FROM notes", settings: setting(tenant))
            return try rows.map { try $0.decode("tenant_id", as: UUID.self) } != [tenant]
          }
        }
        return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
      }
      #expect(wrong == 0)
    }
  }

  @Test("without a setting, and after one has ended as '', nothing is seen")
  func noSetting() async throws {
    try await withTenants { pool, one, _ in
      _ = try await pool.read("SELECT 1", settings: setting(one))
      #expect(try await pool.read("SELECT 1 FROM notes").isEmpty)
      #expect(try await pool.transaction { try $0.query("SELECT 1 FROM notes").count } == 0)
      let ended = try await pool.read("SELECT current_setting('app.tenant_id', true) AS value").first
      #expect(try ended?.decode("value", as: String?.self) == "")
    }
  }

  @Test("a row for another tenant is refused")
  func foreignRow() async throws {
    try await withTenants { pool, one, two in
      let error = await failure {
        try await pool.transaction(settings: setting(one)) { try $0.execute("INSERT INTO notes VALUES (\(two), 'x')") }
      }
      #expect(error?.isPermissionDenied == true)
    }
  }
}
