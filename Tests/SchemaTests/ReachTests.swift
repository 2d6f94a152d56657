import Foundation
import Postgres
import PostgresTesting
import Schema
import ServiceTesting
import Testing

@Suite("What each role can reach")
struct ReachTests {
  @Test("no role of one database can connect to the other")
  func apart() async throws {
    try await withDatabases { data, vault in
      for role in [DatabaseRoles.vault, DatabaseRoles.vaultOwner, DatabaseRoles.vaultBackup] {
        #expect(await Self.reaches(data, role) == false, "\(role) reaches the data database")
        #expect(await Self.reaches(vault, role), "\(role)")
      }
      for role in [
        DatabaseRoles.application, DatabaseRoles.worker, DatabaseRoles.owner, DatabaseRoles.backup,
      ] {
        #expect(await Self.reaches(vault, role) == false, "\(role) reaches the vault database")
        #expect(await Self.reaches(data, role), "\(role)")
      }
    }
  }

  @Test("the vault's role has its four tables and two functions, may make nothing, and belongs to no other role")
  func vaultRole() async throws {
    try await withDatabases { _, vault in
      let role = DatabaseRoles.vault
      #expect(
        try await Self.tables(vault, role)
          == ["vault.epochs", "vault.installation", "vault.keyring_copies", "vault.keys"])
      let functions = try await Self.functions(vault, role)
      #expect(functions == ["vault.current_tenant", "vault.keys_by_tenant", "vault.standbys"])
      #expect(try await Self.memberships(vault, role) == [])
      let pool = PostgresPool(
        PoolConfiguration(url: vault.url(user: role), role: role, size: 1), logger: CapturedLog().logger)
      try await pool.start()
      for forbidden in [
        "CREATE TABLE vault.mine (a int)", "CREATE TABLE public.mine (a int)", "CREATE SCHEMA mine",
        "TRUNCATE vault.keys", "ALTER TABLE vault.keys DISABLE TRIGGER ALL", "SELECT * FROM pg_authid",
        "COPY vault.keys TO PROGRAM 'cat'", "UPDATE vault.keys SET commitment = commitment",
        "UPDATE vault.installation SET id = gen_random_uuid()", "DELETE FROM vault.keyring_copies",
        "SET ROLE lethe_vault_owner",
      ] {
        let error = await #expect(throws: PostgresError.self, "\(forbidden)") {
          try await pool.transaction { try $0.execute("\(unsafe: forbidden)") }
        }
        #expect(error?.sqlState == "42501", "\(forbidden)")
      }
      await pool.shutdown()
    }
  }

  @Test("the backups' roles read every table and change none")
  func backupRoles() async throws {
    try await withDatabases { data, vault in
      for (database, role) in [(data, DatabaseRoles.backup), (vault, DatabaseRoles.vaultBackup)] {
        let unreadable = try await database.sql(
          """
          SELECT c.oid::regclass FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
          WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
            AND NOT has_table_privilege('\(role)', c.oid, 'SELECT')
          """)
        #expect(unreadable.isEmpty, "\(role) can't read \(unreadable)")
        let writable = try await database.sql(
          """
          SELECT c.oid::regclass FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
          WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
            AND has_table_privilege('\(role)', c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
          """)
        #expect(writable.isEmpty, "\(role) can change \(writable)")
        #expect(try await Self.memberships(database, role) == [])
      }
    }
  }

  private static func reaches(_ database: TestDatabase, _ role: String) async -> Bool {
    let pool = PostgresPool(
      PoolConfiguration(url: database.url(user: role), role: role, size: 1, acquireTimeout: .seconds(10)),
      logger: CapturedLog().logger)
    do {
      try await pool.start()
      await pool.shutdown()
      return true
    } catch {
      return false
    }
  }

  private static func tables(_ database: TestDatabase, _ role: String) async throws -> [String] {
    try await database.sql(
      """
      SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
        AND (has_table_privilege('\(role)', c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
             OR has_any_column_privilege('\(role)', c.oid, 'SELECT, INSERT, UPDATE, REFERENCES'))
      ORDER BY 1
      """
    ).split(separator: "\n").map(String.init)
  }

  private static func functions(_ database: TestDatabase, _ role: String) async throws -> [String] {
    try await database.sql(
      """
      SELECT n.nspname || '.' || p.proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
      WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND p.prorettype <> 'trigger'::regtype
        AND has_function_privilege('\(role)', p.oid, 'EXECUTE') ORDER BY 1
      """
    ).split(separator: "\n").map(String.init)
  }

  private static func memberships(_ database: TestDatabase, _ role: String) async throws -> [String] {
    try await database.sql(
      """
      SELECT r.rolname FROM pg_roles r
      WHERE r.rolname <> '\(role)' AND pg_has_role('\(role)', r.oid, 'MEMBER') ORDER BY 1
      """
    ).split(separator: "\n").map(String.init)
  }
}
