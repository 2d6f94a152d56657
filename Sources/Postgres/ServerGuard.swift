/// Start-up checks of the server and the role a pool uses. Run them after `PostgresPool.start` and before any work.
public enum ServerGuard {
  /// Refuses settings under which PostgreSQL writes values into its log: statements, their binds, or the rows that an
  /// error quotes. The values are those in force for this pool's role and database.
  ///
  /// - Throws: a line for each setting that is wrong, or for not being able to look.
  public static func refuseUnsafeLogging(_ pool: PostgresPool) async throws(StartupRefusal) {
    let rows = try await ask(
      pool,
      """
      SELECT name, current_setting(name, true) AS value
      FROM unnest(\(required.map(\.name) + extensions.map(\.name))) AS name
      """)
    var lines: [String] = []
    for row in rows {
      guard let name = try? row.decode("name", as: String.self) else { continue }
      let value = (try? row.decode("value", as: String?.self)) ?? nil
      if let (_, wanted) = required.first(where: { $0.name == name }), !wanted.contains(value ?? "") {
        lines.append("\(name) must be \(wanted[0]), and is \(value ?? "not set")")
      }
      if let value, let (_, harmless) = extensions.first(where: { $0.name == name }), !harmless.contains(value) {
        lines.append("\(name) must be \(harmless[0]), and is \(value)")
      }
    }
    guard lines.isEmpty else { throw StartupRefusal(lines.sorted()) }
  }

  /// Refuses a role that row-level security doesn't hold: a superuser, one with BYPASSRLS, CREATEROLE or REPLICATION,
  /// a member of such a role or of one that runs programs or reads files on the server, and an owner (or a member of
  /// an owner) of any table, view or sequence in the database.
  ///
  /// - Throws: a line for each reason, or for not being able to look.
  public static func refusePrivilegedRole(_ pool: PostgresPool) async throws(StartupRefusal) {
    let roles = try await ask(
      pool,
      """
      SELECT r.rolname, r.rolname = current_user AS own,
        concat_ws(', ', CASE WHEN r.rolsuper THEN 'superuser' END, CASE WHEN r.rolbypassrls THEN 'BYPASSRLS' END,
          CASE WHEN r.rolcreaterole THEN 'CREATEROLE' END, CASE WHEN r.rolreplication THEN 'REPLICATION' END,
          CASE WHEN r.rolname LIKE 'pg\\_%' THEN 'access to the server''s files' END) AS powers
      FROM pg_roles r
      WHERE pg_has_role(current_user, r.oid, 'MEMBER')
        AND (r.rolname = current_user OR NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user))
        AND (r.rolsuper OR r.rolbypassrls OR r.rolcreaterole OR r.rolreplication OR r.rolname IN
          ('pg_read_server_files', 'pg_write_server_files', 'pg_execute_server_program'))
      ORDER BY r.rolname
      """)
    var lines: [String] = []
    for row in roles {
      guard let name = try? row.decode("rolname", as: String.self),
        let powers = try? row.decode("powers", as: String.self), let isOwn = try? row.decode("own", as: Bool.self)
      else { continue }
      lines.append(isOwn ? "the role \(name) has \(powers)" : "the role is a member of \(name), which has \(powers)")
    }
    if lines.isEmpty {
      let owned = try await ask(
        pool,
        """
        SELECT n.nspname || '.' || c.relname AS name, count(*) OVER () AS total
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND pg_has_role(current_user, c.relowner, 'MEMBER')
          AND n.nspname NOT LIKE 'pg\\_temp\\_%' AND n.nspname NOT LIKE 'pg\\_toast%'
        ORDER BY 1 LIMIT 1
        """)
      if let row = owned.first, let name = try? row.decode("name", as: String.self),
        let total = try? row.decode("total", as: Int.self)
      {
        let others = total > 1 ? " and \(total - 1) more" : ""
        lines.append("the role owns \(name)\(others): owners bypass row-level security")
      }
    }
    guard lines.isEmpty else { throw StartupRefusal(lines) }
  }

  private static func ask(_ pool: PostgresPool, _ sql: SQL) async throws(StartupRefusal) -> [Row] {
    do throws(PostgresError) {
      return try await pool.read(sql)
    } catch {
      throw StartupRefusal(["the server could not be checked: \(error)"])
    }
  }

  /// The first value is the one to recommend.
  private static let required: [(name: String, allowed: [String])] = [
    ("log_error_verbosity", ["terse"]),
    ("log_parameter_max_length", ["0"]),
    ("log_parameter_max_length_on_error", ["0"]),
    ("log_statement", ["none"]),
    ("log_min_error_statement", ["panic"]),
    ("log_min_duration_statement", ["-1"]),
    ("log_min_duration_sample", ["-1"]),
    ("log_transaction_sample_rate", ["0"]),
    ("log_duration", ["off"]),
    ("debug_print_parse", ["off"]),
    ("debug_print_rewritten", ["off"]),
    ("debug_print_plan", ["off"]),
  ]

  /// Settings of modules that log statements; not set where the module isn't loaded.
  private static let extensions: [(name: String, harmless: [String])] = [
    ("auto_explain.log_min_duration", ["-1"]),
    ("pgaudit.log", ["none", ""]),
  ]
}

/// Why the service must not start on this server: one clear line each.
public struct StartupRefusal: Error, Sendable, Hashable, CustomStringConvertible {
  /// The reasons.
  public let lines: [String]

  init(_ lines: [String]) { self.lines = lines }

  /// The reasons, a line each.
  public var description: String { lines.joined(separator: "\n") }
}
