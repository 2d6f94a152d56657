import Backups
import Foundation
import PostgresTesting
import Schema
import ServiceTesting
import Testing

/// Two databases, a folder for backups of them, and as many empty databases as a test restores into.
struct BackupScene: Sendable {
  let data: TestDatabase
  let vault: TestDatabase
  /// Where backups go.
  let folder: String
  let log = CapturedLog()

  /// Takes a backup under the backup's own roles.
  func backup(dataRole: String = DatabaseRoles.backup, vaultRole: String = DatabaseRoles.vaultBackup) async throws
    -> Backup
  {
    try await BackupWriter(into: folder, logger: log.logger).write(
      dataURL: data.url(user: dataRole), vaultURL: vault.url(user: vaultRole))
  }

  /// What a backup that must fail said.
  func refusal(dataRole: String = DatabaseRoles.backup, vaultRole: String = DatabaseRoles.vaultBackup) async throws
    -> BackupError
  {
    try await refusalOf { try await backup(dataRole: dataRole, vaultRole: vaultRole) }
  }

  /// Everything in the folder for backups, hidden names too.
  func kept() throws -> [String] {
    guard FileManager.default.fileExists(atPath: folder) else { return [] }
    return try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
  }

  /// Restores a backup; by default both databases of it.
  func restore(_ backup: Backup, data: TestDatabase? = nil, vault: TestDatabase? = nil) async throws {
    try await BackupRestore(backup, logger: log.logger).run(
      dataURL: data?.url(user: DatabaseRoles.owner), vaultURL: vault?.url(user: DatabaseRoles.vaultOwner))
  }

  /// A thousand keys of three tenants, every seventh destroyed, as the vault would hold them.
  func fillVault() async throws {
    try await vault.sql(
      """
      INSERT INTO vault.installation (id, created_at) VALUES ('0a0b0c0d-0e0f-4a0b-8c0d-0e0f0a0b0c0d', 1);
      INSERT INTO vault.epochs (epoch, created_at) VALUES (3, 1), (4, 2);
      INSERT INTO vault.keys (tenant_id, kind, key_id, epoch, wrapped, commitment, created_at, destroyed_at)
      SELECT md5('tenant' || i % 3)::uuid, 1 + i % 4, md5('key' || i)::uuid,
        CASE WHEN i % 7 = 0 THEN NULL ELSE 3 + i % 2 END,
        CASE WHEN i % 7 = 0 THEN NULL ELSE substr(sha512(i::text::bytea) || sha512(('x' || i)::bytea), 1, 74) END,
        sha256(i::text::bytea), 1700000000000000 + i, CASE WHEN i % 7 = 0 THEN 1800000000000000 + i END
      FROM generate_series(1, 1000) i
      """)
  }
}

/// Lends two migrated databases and a folder to `body`, and removes them afterwards.
func withBackupScene<Result>(_ body: (BackupScene) async throws -> Result) async throws -> Result {
  try await withDatabases { data, vault in
    let folder = NSTemporaryDirectory() + "lethe-backups-" + UUID().uuidString.prefix(8)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    return try await body(BackupScene(data: data, vault: vault, folder: folder))
  }
}

/// Lends two new databases, as docs/postgres.md says to make them, and drops them afterwards.
func withEmptyDatabases<Result>(_ body: (TestDatabase, TestDatabase) async throws -> Result) async throws -> Result {
  let pair = (
    try await TestCluster.makeDatabase(named: "empty_data"), try await TestCluster.makeDatabase(named: "empty_vault")
  )
  try await pair.0.sql(
    "ALTER DATABASE \"\(pair.0.name)\" OWNER TO lethe_owner;" + DatabaseRoles.restrictDataDatabase(named: pair.0.name))
  try await pair.1.sql(
    "ALTER DATABASE \"\(pair.1.name)\" OWNER TO lethe_vault_owner;"
      + DatabaseRoles.restrictVaultDatabase(named: pair.1.name))
  do {
    let result = try await body(pair.0, pair.1)
    try await pair.0.drop()
    try await pair.1.drop()
    return result
  } catch {
    // The body's failure is the one to report; the databases go with the cluster.
    try? await pair.0.drop()
    try? await pair.1.drop()
    throw error
  }
}

/// The error of work that must fail with one of ours.
func refusalOf<Value>(_ work: () async throws -> Value) async throws -> BackupError {
  do {
    _ = try await work()
  } catch let error as BackupError {
    return error
  }
  throw NothingRefused()
}

struct NothingRefused: Error {}

extension TestDatabase {
  /// Each table's name, number of rows and a digest of their contents; equal texts are equal databases.
  func contents() async throws -> String {
    let tables = try await sql(
      """
      SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE c.relkind = 'r' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' ORDER BY 1
      """
    ).split(separator: "\n")
    let parts = tables.map {
      "SELECT '\($0)', count(*), md5(string_agg(t::text, chr(10) ORDER BY t::text)) FROM \($0) t"
    }
    return try await sql(parts.joined(separator: ";\n"))
  }

  /// Who owns and may do what, and what row-level security says.
  func rights() async throws -> Set<String> {
    let lines = try await sql(
      """
      SELECT n.nspname, c.relname, c.relkind, c.relowner::regrole, c.relrowsecurity, c.relforcerowsecurity,
        (SELECT string_agg(a::text, ',' ORDER BY a::text) FROM unnest(c.relacl) a),
        (SELECT string_agg(attname || attacl::text, ',' ORDER BY attname) FROM pg_attribute
          WHERE attrelid = c.oid AND attacl IS NOT NULL)
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' ORDER BY 1, 2;
      SELECT nspname, nspowner::regrole, (SELECT string_agg(a::text, ',' ORDER BY a::text) FROM unnest(nspacl) a)
      FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' ORDER BY 1;
      SELECT p.pronamespace::regnamespace, p.proname, p.proowner::regrole, md5(p.prosrc),
        (SELECT string_agg(a::text, ',' ORDER BY a::text) FROM unnest(p.proacl) a)
      FROM pg_proc p WHERE p.pronamespace::regnamespace::text !~ '^(pg_|information_schema)' ORDER BY 1, 2;
      SELECT schemaname, tablename, policyname, roles, cmd, qual, with_check FROM pg_policies ORDER BY 1, 2, 3;
      SELECT conrelid::regclass, conname, pg_get_constraintdef(oid) FROM pg_constraint
      WHERE connamespace::regnamespace::text !~ '^(pg_|information_schema)' ORDER BY 1, 2;
      SELECT tgrelid::regclass, tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1, 2;
      SELECT defaclrole::regrole, defaclnamespace::regnamespace, defaclobjtype, defaclacl FROM pg_default_acl ORDER BY 1, 2, 3;
      """)
    return Set(lines.split(separator: "\n").map(String.init))
  }

  /// How many schemas and tables there are besides the system's.
  func objects() async throws -> String {
    try await sql(
      """
      SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
      """)
  }
}
