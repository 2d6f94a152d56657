import Foundation
import Logging
import Postgres

/// What has to be known of a database before it is dumped or restored into.
struct DatabaseFacts: Sendable {
  let serverMajor: Int
  let serverVersion: String
  /// The role that the URL logs in as.
  let role: String
  let isSuperuser: Bool
  let bypassesRowSecurity: Bool
  let ownsDatabase: Bool
  /// Whether the role may change any table.
  let mayWrite: Bool
  /// Tables and sequences that the role may not read.
  let unreadable: [String]
  /// How many schemas, tables, types and functions there are besides the system's.
  let objects: Int64
  /// Numbers of the migrations that have run; empty when none has, or when they may not be read.
  let migrations: [Int]
  /// Roles that have rights in the database besides owners.
  let grantees: [String]
  /// Every role of the cluster.
  let roles: Set<String>
  /// The installation that the vault belongs to.
  let installation: UUID?
}

/// The statements that find these facts, over one connection that is closed at the end.
struct DatabaseFactsStore: Sendable {
  let url: String
  let database: BackedUpDatabase
  let logger: Logger

  /// Reads all facts.
  func facts() async throws(BackupError) -> DatabaseFacts {
    try await connected { pool in
      let row = try await Self.one(
        pool,
        """
        SELECT current_setting('server_version_num')::bigint / 10000 AS major,
          current_setting('server_version') AS version, r.rolname::text AS role, r.rolsuper AS superuser,
          r.rolbypassrls AS bypasses, d.datdba = r.oid AS owner,
          EXISTS (
            SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
              AND (has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
                OR has_any_column_privilege(c.oid, 'INSERT, UPDATE'))) AS writes
        FROM pg_roles r, pg_database d WHERE r.rolname = current_user AND d.datname = current_database()
        """)
      let unreadable = try await Self.names(
        pool,
        """
        SELECT n.nspname || '.' || c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p', 'S') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
          AND NOT (has_schema_privilege(n.oid, 'USAGE') AND CASE c.relkind
            WHEN 'S' THEN has_sequence_privilege(c.oid, 'SELECT') ELSE has_table_privilege(c.oid, 'SELECT') END)
        ORDER BY 1
        """)
      let objects = try await Self.one(
        pool,
        """
        SELECT (SELECT count(*) FROM pg_namespace
            WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'public'))
          + (SELECT count(*) FROM pg_class WHERE relnamespace = to_regnamespace('public'))
          + (SELECT count(*) FROM pg_proc WHERE pronamespace = to_regnamespace('public'))
          + (SELECT count(*) FROM pg_type WHERE typnamespace = to_regnamespace('public')) AS count
        """)
      let grantees = try await Self.names(
        pool,
        """
        SELECT DISTINCT r.rolname::text AS name FROM pg_shdepend s JOIN pg_roles r ON r.oid = s.refobjid
        WHERE s.refclassid = 'pg_authid'::regclass AND s.deptype IN ('a', 'r')
          AND s.dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
        ORDER BY 1
        """)
      let roles = try await Self.names(pool, "SELECT rolname::text AS name FROM pg_roles ORDER BY 1")
      return DatabaseFacts(
        serverMajor: Int(try row.decode("major", as: Int64.self)), serverVersion: try row.decode("version"),
        role: try row.decode("role"), isSuperuser: try row.decode("superuser"),
        bypassesRowSecurity: try row.decode("bypasses"), ownsDatabase: try row.decode("owner"),
        mayWrite: try row.decode("writes"), unreadable: unreadable, objects: try objects.decode("count"),
        migrations: try await Self.migrations(pool), grantees: grantees, roles: Set(roles),
        installation: try await installation(pool))
    }
  }

  /// The migrations that have run by now.
  func migrations() async throws(BackupError) -> [Int] {
    try await connected { pool in try await Self.migrations(pool) }
  }

  private static func migrations(_ pool: PostgresPool) async throws -> [Int] {
    guard try await isReadable(pool, "public", "lethe_migrations") else { return [] }
    var numbers: [Int] = []
    for row in try await pool.read("SELECT number FROM public.lethe_migrations ORDER BY number") {
      numbers.append(try row.decode("number"))
    }
    return numbers
  }

  private func installation(_ pool: PostgresPool) async throws -> UUID? {
    guard database == .vault, try await Self.isReadable(pool, "vault", "installation") else { return nil }
    return try await pool.read("SELECT id FROM vault.installation").first?.decode("id")
  }

  private static func isReadable(_ pool: PostgresPool, _ schema: String, _ table: String) async throws -> Bool {
    let rows = try await pool.read(
      """
      SELECT 1 AS one FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE n.nspname = \(schema) AND c.relname = \(table)
        AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
      """)
    return !rows.isEmpty
  }

  private static func one(_ pool: PostgresPool, _ statement: SQL) async throws -> Row {
    guard let row = try await pool.read(statement).first else {
      throw BackupError(.connection, "a database does not know the role or itself")
    }
    return row
  }

  private static func names(_ pool: PostgresPool, _ statement: SQL) async throws -> [String] {
    var names: [String] = []
    for row in try await pool.read(statement) { names.append(try row.decode("name")) }
    return names
  }

  private func connected<Value: Sendable>(
    _ body: (PostgresPool) async throws -> Value
  ) async throws(BackupError) -> Value {
    let pool = PostgresPool(
      PoolConfiguration(url: url, role: "\(database.rawValue) backup", size: 1, applicationName: "lethe backup"),
      logger: logger)
    do {
      try await pool.start()
      let value = try await body(pool)
      await pool.shutdown()
      return value
    } catch {
      await pool.shutdown()
      if let error = error as? BackupError { throw error }
      throw BackupError(.connection, "the \(database.rawValue) database can't be read: \(error)")
    }
  }
}
