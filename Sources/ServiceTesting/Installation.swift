public import Custody
import Foundation
import LocalCluster
import Postgres
public import PostgresTesting
public import ProfilesAPI
import Redaction
import Schema
import Signing
import Tokens
import Vault

/// A whole installation for one test: two databases from migrated templates, a keyring, a signing key, an archive, an
/// issuer. Nothing of it is shared with another test.
public struct Installation: Sendable {
  /// The data database.
  public let data: TestDatabase
  /// The vault database.
  public let vault: TestDatabase
  /// The folder of its files.
  public let folder: String
  /// The issuer of its tokens.
  public let issuer: TestIssuer
  /// What the server logged.
  public let log: CapturedLog
  /// What the server is composed from.
  public var settings: ServerSettings

  /// Backups of its vault, as a rotation takes them: real ones.
  public var vaultBackups: any VaultBackups {
    DumpedVaultBackups(
      url: vault.url(user: DatabaseRoles.vaultBackup), folder: folder + "/backups", logger: log.logger)
  }

  /// The origin that callers see; proofs are made for it, wherever the server listens.
  public static let origin = "https://privacy.example.test"

  /// Makes one.
  public static func make() async throws -> Installation {
    let (data, vault) = try await databases()
    let folder = NSTemporaryDirectory() + "lethe-installation-" + UUID().uuidString.prefix(12)
    try FileManager.default.createDirectory(
      atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    _ = try FileKeyring.create(at: folder + "/keyring")
    _ = try SigningKeyFile.create(at: folder + "/signing-key.pem")
    let issuer = try TestIssuer()
    let settings = ServerSettings(
      databaseURL: data.url(user: DatabaseRoles.application), workerDatabaseURL: data.url(user: DatabaseRoles.worker),
      vaultDatabaseURL: vault.url(user: DatabaseRoles.vault), keyringPath: folder + "/keyring",
      signingKeyPath: folder + "/signing-key.pem", archivePath: folder + "/archive", publicOrigin: origin,
      tokenIssuer: issuer.name, tokenAudience: issuer.audience, keySource: issuer, httpPort: 0, opsPort: 0)
    return Installation(
      data: data, vault: vault, folder: folder, issuer: issuer, log: CapturedLog(), settings: settings)
  }

  /// Two databases with every migration applied and nothing in them.
  public static func databases() async throws -> (data: TestDatabase, vault: TestDatabase) {
    let cluster = try await TestCluster.running()
    let data = try await TestCluster.template("lethe_template_data") { _ in
      try await cluster.sql(DatabaseRoles.createRoles)
      try await cluster.sql("ALTER DATABASE lethe_template_data OWNER TO lethe_owner")
      _ = try await Migrator(
        url: cluster.url(database: "lethe_template_data", user: DatabaseRoles.owner), migrations: DataMigrations.all,
        lock: DataMigrations.lock, logger: CapturedLog().logger
      ).run()
    }
    let vault = try await TestCluster.template("lethe_template_vault") { _ in
      try await cluster.sql(DatabaseRoles.createRoles)
      try await cluster.sql("ALTER DATABASE lethe_template_vault OWNER TO lethe_vault_owner")
      _ = try await Migrator(
        url: cluster.url(database: "lethe_template_vault", user: DatabaseRoles.vaultOwner),
        migrations: VaultMigrations.all, lock: VaultMigrations.lock, logger: CapturedLog().logger
      ).run()
    }
    let pair = (
      try await TestCluster.makeDatabase(named: "data", from: data),
      try await TestCluster.makeDatabase(named: "vault", from: vault)
    )
    try await pair.0.sql(DatabaseRoles.restrictDataDatabase(named: pair.0.name))
    try await pair.1.sql(DatabaseRoles.restrictVaultDatabase(named: pair.1.name))
    return pair
  }

  /// A prepared server with one tenant more than it had.
  public func server(tenant: TenantID) async throws -> Server {
    let server = try await Server.prepare(settings, logger: log.logger)
    _ = try await server.custody.createTenant(Tenant(id: tenant, kind: .condominium, name: "Test"))
    return server
  }

  /// Removes databases and files.
  public func remove() async {
    // What can't be removed goes with the cluster and the temporary folder.
    try? await data.drop()
    try? await vault.drop()
    try? FileManager.default.removeItem(atPath: folder)
  }
}

/// Lends a new installation to `body` and removes it afterwards.
public func withInstallation<Result>(_ body: (Installation) async throws -> Result) async throws -> Result {
  try await TestSlots.withSlot {
    let installation = try await Installation.make()
    do {
      let result = try await body(installation)
      await installation.remove()
      return result
    } catch {
      await installation.remove()
      throw error
    }
  }
}

/// Lends two migrated databases to `body` and removes them afterwards.
public func withDatabases<Result>(_ body: (TestDatabase, TestDatabase) async throws -> Result) async throws -> Result {
  try await TestSlots.withSlot {
    let (data, vault) = try await Installation.databases()
    let result: Result
    do {
      result = try await body(data, vault)
    } catch {
      // The body's failure is the one to report; the databases go with the cluster.
      try? await data.drop()
      try? await vault.drop()
      throw error
    }
    try await data.drop()
    try await vault.drop()
    return result
  }
}
