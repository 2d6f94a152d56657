import Foundation
import Postgres
import PostgresTesting
import Schema
import ServiceTesting
import Testing

@Suite("Tenants in the databases")
struct IsolationTests {
  /// Fills every table with a tenant with one row each of two tenants, without triggers and foreign keys, as the
  /// superuser: what isolation is tested over must not depend on what can be inserted by hand.
  private func fill(_ database: TestDatabase, tenants: [UUID]) async throws -> [String] {
    let tables = try await database.sql(
      """
      SELECT n.nspname || '.' || c.relname
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
        AND n.nspname NOT IN ('pg_catalog', 'information_schema')
        AND (EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id')
             OR c.relname = 'tenants')
      ORDER BY 1
      """
    ).split(separator: "\n").map(String.init)
    for table in tables {
      let parts = table.split(separator: ".").map(String.init)
      let columns = try await database.sql(
        """
        SELECT column_name || ' ' || data_type || ' ' || is_nullable FROM information_schema.columns
        WHERE table_schema = '\(parts[0])' AND table_name = '\(parts[1])' ORDER BY ordinal_position
        """
      ).split(separator: "\n").map { $0.split(separator: " ", maxSplits: 1).map(String.init) }
      for tenant in tenants {
        let values = columns.map { column -> String in
          let (name, type) = (column[0], column[1])
          if name == "tenant_id" || (table == "custody.tenants" && name == "id") { return "'\(tenant)'" }
          if type.hasSuffix("YES") { return "NULL" }
          if type.hasPrefix("uuid") { return "gen_random_uuid()" }
          if type.hasPrefix("bytea") { return "decode(repeat('ab', 32), 'hex')" }
          if type.hasPrefix("text") { return "'x'" }
          if type.hasPrefix("boolean") { return "true" }
          return "1"
        }
        // Checks are off the table for this row only: what is tested is who sees it.
        let names = columns.map { $0[0] }.joined(separator: ", ")
        try await database.sql(
          """
          SET session_replication_role = replica;
          DO $$ DECLARE c record; BEGIN
            FOR c IN SELECT conname FROM pg_constraint
              WHERE conrelid = '\(table)'::regclass AND contype = 'c' LOOP
              EXECUTE format('ALTER TABLE \(table) DROP CONSTRAINT %I', c.conname);
            END LOOP; END $$;
          INSERT INTO \(table) (\(names)) VALUES (\(values.joined(separator: ", ")));
          """)
      }
    }
    return tables
  }

  @Test(
    "a role sees, hands over and deletes rows of its own tenant only, in every table with a tenant",
    arguments: [DatabaseRoles.application, DatabaseRoles.worker, DatabaseRoles.owner])
  func dataDatabase(role: String) async throws {
    try await withDatabases { data, vault in
      try await check(data, role: role)
    }
  }

  @Test("the vault's role and owner too", arguments: [DatabaseRoles.vault, DatabaseRoles.vaultOwner])
  func vaultDatabase(role: String) async throws {
    try await withDatabases { data, vault in
      try await check(vault, role: role)
    }
  }

  /// What only the worker may read.
  private static let notForTheApplication: Set<String> = ["custody.held_values", "custody.reconciliations"]

  private func check(_ database: TestDatabase, role: String) async throws {
    let (mine, theirs) = (UUID(), UUID())
    let tables = try await fill(database, tenants: [mine, theirs])
    #expect(tables.count >= 1)
    let pool = PostgresPool(
      PoolConfiguration(url: database.url(user: role), role: role, size: 1, applicationName: "isolation"),
      logger: CapturedLog().logger)
    try await pool.start()
    for table in tables {
      let tenantColumn = table == "custody.tenants" ? "id" : "tenant_id"
      // The worker lists tenants: the one table whose rows of others it may see.
      if table == "custody.tenants" && role == DatabaseRoles.worker { continue }
      // What a role was not granted it can't read at all; the tables' own tests say which those are.
      let granted = try await pool.read("SELECT has_table_privilege(\(table), 'SELECT') AS granted").first?
        .decode("granted", as: Bool.self)
      if granted != true {
        #expect(Self.notForTheApplication.contains(table) && role == DatabaseRoles.application, "\(table), \(role)")
        continue
      }
      let select: SQL = "SELECT \(unsafe: tenantColumn) AS t FROM \(unsafe: table)"
      for (settings, expected) in [
        ([SessionSetting(name: "app.tenant_id", value: mine.uuidString)], [mine]),
        ([SessionSetting(name: "app.tenant_id", value: "")], []), ([], []),
      ] as [([SessionSetting], [UUID])] {
        let drained = try await pool.read(select, settings: settings).map { try $0.decode("t", as: UUID.self) }
        #expect(drained == expected, "\(table), drained")
        let closed = try await pool.transaction(settings: settings) { transaction in
          try transaction.query(select).map { try $0.decode("t", as: UUID.self) }
        }
        #expect(closed == expected, "\(table), in a transaction")
      }
      // A row can't be handed to another tenant: refused by the policy, or by the lack of a grant.
      let handed = await #expect(throws: PostgresError.self, "\(table)") {
        try await pool.transaction(
          settings: [SessionSetting(name: "app.tenant_id", value: mine.uuidString)]
        ) { transaction in
          try transaction.execute("UPDATE \(unsafe: table) SET \(unsafe: tenantColumn) = \(theirs)")
        }
      }
      #expect(["42501", "23000"].contains(handed?.sqlState ?? ""), "\(table)")
      // Deleting without a condition reaches nobody else's row, or is refused altogether.
      do {
        let deleted = try await pool.transaction(
          settings: [SessionSetting(name: "app.tenant_id", value: mine.uuidString)]
        ) { transaction in try transaction.execute("DELETE FROM \(unsafe: table)") }
        #expect(deleted <= 1, "\(table)")
      } catch let error as PostgresError {
        #expect(["42501", "23000", "23503"].contains(error.sqlState ?? ""), "\(table): \(error)")
      }
      let left = try await database.sql("SELECT count(*) FROM \(table) WHERE \(tenantColumn) = '\(theirs)'")
      #expect(left.trimmingCharacters(in: .whitespacesAndNewlines) == "1", "\(table)")
    }
    await pool.shutdown()
  }

  @Test("row-level security is enabled and forced on every table with a tenant, partitions included")
  func forced() async throws {
    try await withDatabases { data, vault in
      for database in [data, vault] {
        let unprotected = try await database.sql(
          """
          SELECT c.oid::regclass FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
          WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
            AND (EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id')
                 OR c.relname = 'tenants')
            AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
          """)
        #expect(unprotected.trimmingCharacters(in: .whitespacesAndNewlines).isEmpty)
      }
    }
  }

  @Test(
    "entries can't be changed, deleted or truncated by any role of the service, nor by the owner",
    arguments: [DatabaseRoles.application, DatabaseRoles.worker, DatabaseRoles.owner],
    ["audit.entries", "audit.entries_0", "audit.entries_rest"])
  func appendOnly(role: String, table: String) async throws {
    try await withDatabases { data, vault in
      let tenant = UUID()
      _ = try await fill(data, tenants: [tenant])
      let pool = PostgresPool(
        PoolConfiguration(url: data.url(user: role), role: role, size: 1, applicationName: "append-only"),
        logger: CapturedLog().logger)
      try await pool.start()
      for statement in ["UPDATE \(table) SET seq = 2", "DELETE FROM \(table)", "TRUNCATE \(table)"] {
        do {
          let changed = try await pool.transaction(
            settings: [SessionSetting(name: "app.tenant_id", value: tenant.uuidString)]
          ) { transaction in try transaction.execute("\(unsafe: statement)") }
          #expect(changed == 0 && !statement.hasPrefix("TRUNCATE"), "\(statement) by \(role)")
        } catch let error as PostgresError {
          #expect(error.sqlState == "42501", "\(statement): \(error)")
        }
      }
      let left = try await data.sql("SELECT count(*) FROM audit.entries")
      #expect(left.trimmingCharacters(in: .whitespacesAndNewlines) == "1")
      await pool.shutdown()
    }
  }

  @Test("the vault's role can't reach the data database, nor the data roles the vault's")
  func apart() async throws {
    try await withDatabases { data, vault in
      for (database, role) in [
        (data, DatabaseRoles.vault), (data, DatabaseRoles.vaultOwner), (vault, DatabaseRoles.application),
        (vault, DatabaseRoles.worker), (vault, DatabaseRoles.owner),
      ] {
        let pool = PostgresPool(
          PoolConfiguration(url: database.url(user: role), role: role, size: 1, applicationName: "apart"),
          logger: CapturedLog().logger)
        await #expect(throws: PostgresError.self, "\(role) in \(database.name)") { try await pool.start() }
        await pool.shutdown()
      }
    }
  }

  @Test("a destroyed key's row stays for good, and its id can't get a key again")
  func tombstone() async throws {
    try await withDatabases { data, vault in
      let tenant = UUID()
      let key = UUID()
      let settings = [SessionSetting(name: "app.tenant_id", value: tenant.uuidString)]
      let commitment = [UInt8](repeating: 7, count: 32)
      let pool = PostgresPool(
        PoolConfiguration(url: vault.url(user: DatabaseRoles.vault), role: "vault", size: 1, applicationName: "test"),
        logger: CapturedLog().logger)
      try await pool.start()
      try await pool.transaction(settings: settings) { transaction in
        try transaction.execute("INSERT INTO vault.epochs (epoch, created_at) VALUES (1, 1)")
        try transaction.execute(
          """
          INSERT INTO vault.keys (tenant_id, kind, key_id, commitment, created_at, destroyed_at)
          VALUES (\(tenant), 1, \(key), \(commitment), 1, 2)
          """)
      }
      let attempts: [(SQL, String)] = [
        (
          "UPDATE vault.keys SET wrapped = \(commitment), epoch = 1, destroyed_at = NULL WHERE key_id = \(key)", "23000"
        ),
        ("DELETE FROM vault.keys WHERE key_id = \(key)", "23000"),
        (
          """
          INSERT INTO vault.keys (tenant_id, kind, key_id, epoch, wrapped, commitment, created_at)
          VALUES (\(tenant), 1, \(key), 1, \(commitment), \(commitment), 3)
          """, "23505"
        ),
      ]
      for (statement, state) in attempts {
        let error = await #expect(throws: PostgresError.self) {
          try await pool.transaction(settings: settings) { try $0.execute(statement) }
        }
        #expect(error?.sqlState == state)
      }
      await pool.shutdown()
    }
  }
}
