import Foundation
import PostgresTesting
import Testing

@testable import Postgres

@Suite("Start-up checks")
struct ServerGuardTests {
  private func refusal(_ check: () async throws -> Void) async -> [String]? {
    do {
      try await check()
      return nil
    } catch {
      return (error as? StartupRefusal)?.lines
    }
  }

  /// A login role of this test alone, dropped with what it owns.
  private func withRole(
    _ attributes: String = "", setup: (String) -> String = { _ in "" },
    _ body: (TestDatabase, PostgresPool, String) async throws -> Void
  ) async throws {
    try await withTestDatabase { database in
      let role = "guard_\(UUID().uuidString.prefix(8).lowercased())"
      try await database.sql("CREATE ROLE \(role) LOGIN \(attributes); \(setup(role))")
      do {
        try await withPool(database.url(user: role), size: 1) { try await body(database, $0, role) }
      } catch {
        _ = try? await database.sql("DROP OWNED BY \(role) CASCADE; DROP ROLE \(role)")
        throw error
      }
      try await database.sql("DROP OWNED BY \(role) CASCADE; DROP ROLE \(role)")
    }
  }

  @Test("a local cluster's logging is accepted")
  func accepted() async throws {
    try await withDatabasePool { _, pool in
      #expect(await refusal { try await ServerGuard.refuseUnsafeLogging(pool) } == nil)
    }
  }

  @Test(
    "a setting under which values reach the log is refused by name",
    arguments: [
      ("log_error_verbosity", "default", "terse"), ("log_error_verbosity", "verbose", "terse"),
      ("log_parameter_max_length", "-1", "0"), ("log_parameter_max_length_on_error", "1024", "0"),
      ("log_statement", "ddl", "none"), ("log_statement", "all", "none"),
      ("log_min_error_statement", "error", "panic"), ("log_min_duration_statement", "500", "-1"),
      ("log_min_duration_sample", "500", "-1"), ("log_transaction_sample_rate", "0.5", "0"),
      ("log_duration", "on", "off"), ("debug_print_parse", "on", "off"),
      ("auto_explain.log_min_duration", "0", "-1"), ("pgaudit.log", "read", "none"),
    ])
  func logging(name: String, value: String, wanted: String) async throws {
    try await withTestDatabase { database in
      try await database.sql("ALTER DATABASE \(database.name) SET \(name) = '\(value)'")
      try await withPool(database.url(), size: 1) { pool in
        let lines = await refusal { try await ServerGuard.refuseUnsafeLogging(pool) }
        let shown = value == "500" ? "500ms" : value == "1024" ? "1kB" : value
        #expect(lines == ["\(name) must be \(wanted), and is \(shown)"])
      }
    }
  }

  @Test("a role without privileges is accepted")
  func plainRole() async throws {
    try await withRole { _, pool, _ in
      #expect(await refusal { try await ServerGuard.refusePrivilegedRole(pool) } == nil)
    }
  }

  @Test(
    "a role with a power over row-level security is refused",
    arguments: [
      ("SUPERUSER", "superuser"), ("BYPASSRLS", "BYPASSRLS"), ("CREATEROLE", "CREATEROLE"),
      ("REPLICATION", "REPLICATION"), ("SUPERUSER BYPASSRLS", "superuser, BYPASSRLS"),
    ])
  func powers(attributes: String, said: String) async throws {
    try await withRole(attributes) { _, pool, role in
      #expect(await refusal { try await ServerGuard.refusePrivilegedRole(pool) } == ["the role \(role) has \(said)"])
    }
  }

  @Test("a member of a powerful role is refused, even one that doesn't inherit")
  func member() async throws {
    try await withRole("NOINHERIT", setup: { "GRANT postgres TO \($0); GRANT pg_read_server_files TO \($0)" }) {
      _, pool, _ in
      let lines = await refusal { try await ServerGuard.refusePrivilegedRole(pool) }
      #expect(
        lines == [
          "the role is a member of pg_read_server_files, which has access to the server's files",
          "the role is a member of postgres, which has superuser, BYPASSRLS, CREATEROLE, REPLICATION",
        ])
    }
  }

  @Test("an owner of a table, or a member of an owner, is refused")
  func owner() async throws {
    try await withRole(setup: { "CREATE TABLE a (i int); CREATE TABLE b (i int); ALTER TABLE a OWNER TO \($0);" }) {
      database, pool, role in
      #expect(
        await refusal { try await ServerGuard.refusePrivilegedRole(pool) }
          == ["the role owns public.a: owners bypass row-level security"])
      try await database.sql("ALTER TABLE b OWNER TO \(role)")
      #expect(
        await refusal { try await ServerGuard.refusePrivilegedRole(pool) }
          == ["the role owns public.a and 1 more: owners bypass row-level security"])
    }
  }

  @Test("a check that can't look refuses")
  func blind() async {
    let pool = PostgresPool(PoolConfiguration(url: "", role: "test"), logger: .silent)
    let refused = ["the server could not be checked: the connection pool is closed"]
    #expect(await refusal { try await ServerGuard.refusePrivilegedRole(pool) } == refused)
    #expect(await refusal { try await ServerGuard.refuseUnsafeLogging(pool) } == refused)
  }
}
