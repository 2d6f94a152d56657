import Custody
import Foundation
import LocalCluster
import Logging
import Postgres
import ProfilesAPI
import Schema
import Signing
import Tokens
import Vault

/// An installation below one folder: a cluster for each database, keyring, signing key, archive, backups.
///
/// Its clusters keep what a database usually loses: every segment of the write-ahead log since `initdb`, and every dead
/// row.
struct ForensicInstallation: Sendable {
  let folder: String
  let data: LocalCluster
  let vault: LocalCluster
  let settings: ServerSettings
  let tenant = TenantID(UUID())

  static let dataFolder = "data"
  static let vaultFolder = "vault"
  static let backupFolder = "backups"
  static let archiveFolder = "archive"
  static let keyring = "keyring"

  private static let clusterSettings = [
    "wal_keep_size": "2GB", "wal_recycle": "off", "max_wal_size": "2GB", "autovacuum": "off", "shared_buffers": "32MB",
  ]

  /// Makes one in a new folder.
  static func make(_ folder: String, logger: Logger) async throws -> ForensicInstallation {
    try FileManager.default.createDirectory(
      atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o711])
    _ = try FileKeyring.create(at: "\(folder)/\(keyring)")
    _ = try SigningKeyFile.create(at: folder + "/signing-key.pem")
    let data = try await cluster(folder, dataFolder)
    do {
      let vault = try await cluster(folder, vaultFolder)
      do {
        try await data.sql(DatabaseRoles.createRoles)
        try await data.sql(DatabaseRoles.createDataDatabase())
        try await vault.sql(DatabaseRoles.createRoles)
        try await vault.sql(DatabaseRoles.createVaultDatabase())
        _ = try await Migrator(
          url: data.url(database: DatabaseRoles.dataDatabase, user: DatabaseRoles.owner),
          migrations: DataMigrations.all, lock: DataMigrations.lock, logger: logger
        ).run()
        _ = try await Migrator(
          url: vault.url(database: DatabaseRoles.vaultDatabase, user: DatabaseRoles.vaultOwner),
          migrations: VaultMigrations.all, lock: VaultMigrations.lock, logger: logger
        ).run()
      } catch {
        await vault.stop()
        throw error
      }
      return ForensicInstallation(
        folder: folder, data: data, vault: vault,
        settings: ServerSettings(
          databaseURL: data.url(database: DatabaseRoles.dataDatabase, user: DatabaseRoles.application),
          workerDatabaseURL: data.url(database: DatabaseRoles.dataDatabase, user: DatabaseRoles.worker),
          vaultDatabaseURL: vault.url(database: DatabaseRoles.vaultDatabase, user: DatabaseRoles.vault),
          keyringPath: "\(folder)/\(keyring)", signingKeyPath: folder + "/signing-key.pem",
          archivePath: "\(folder)/\(archiveFolder)", publicOrigin: "https://lethe-forensics.invalid",
          tokenIssuer: "https://issuer.lethe-forensics.invalid", tokenAudience: "lethe-forensics",
          // Nobody calls: nothing is read from there.
          keySource: FileKeySource(folder + "/jwks.json"), httpPort: 0, opsPort: 0))
    } catch {
      await data.stop()
      throw error
    }
  }

  /// Ends both clusters in order; what is in memory goes to their files.
  func stop() async {
    await data.stop()
    await vault.stop()
  }

  /// The data database, for backups.
  var dataBackupURL: String { data.url(database: DatabaseRoles.dataDatabase, user: DatabaseRoles.backup) }
  /// The vault database, for backups.
  var vaultBackupURL: String { vault.url(database: DatabaseRoles.vaultDatabase, user: DatabaseRoles.vaultBackup) }
  /// Where backups go.
  var backups: String { "\(folder)/\(Self.backupFolder)" }

  /// Rows of the data database as the superuser sees them, column by column.
  func dataRows(_ query: String) async throws -> [[String]] {
    Self.rows(try await data.sql(query, database: DatabaseRoles.dataDatabase))
  }

  /// Rows of the vault database as the superuser sees them.
  func vaultRows(_ query: String) async throws -> [[String]] {
    Self.rows(try await vault.sql(query, database: DatabaseRoles.vaultDatabase))
  }

  private static func cluster(_ folder: String, _ name: String) async throws -> LocalCluster {
    try await LocalCluster.start(
      dataFolder: "\(folder)/\(name)", extraSettings: clusterSettings, logFile: "\(folder)/\(name).log")
  }

  private static func rows(_ text: String) -> [[String]] {
    text.split(separator: "\n").map { line in
      line.split(separator: "|", omittingEmptySubsequences: false).map(String.init)
    }
  }
}
