public import Custody
import Foundation
import Glibc
import LocalCluster
import Postgres
public import ProfilesAPI
import Schema
import Signing
import Synchronization
import Tokens
import Vault

/// An installation whose databases are in a cluster of its own, so that they can be taken away under a running server
/// and given back at the same place.
public final class InterruptibleInstallation: Sendable {
  /// The issuer of its tokens.
  public let issuer: TestIssuer
  /// What the server logged.
  public let log = CapturedLog()
  /// What the server is composed from.
  public let settings: ServerSettings

  private let folder: String
  private let socketFolder: String
  private let cluster: Mutex<LocalCluster>

  private init(folder: String, cluster: LocalCluster, issuer: TestIssuer) throws {
    self.folder = folder
    self.issuer = issuer
    socketFolder = cluster.socketFolder
    self.cluster = Mutex(cluster)
    _ = try FileKeyring.create(at: folder + "/keyring")
    _ = try SigningKeyFile.create(at: folder + "/signing-key.pem")
    settings = ServerSettings(
      databaseURL: cluster.url(database: DatabaseRoles.dataDatabase, user: DatabaseRoles.application),
      workerDatabaseURL: cluster.url(database: DatabaseRoles.dataDatabase, user: DatabaseRoles.worker),
      vaultDatabaseURL: cluster.url(database: DatabaseRoles.vaultDatabase, user: DatabaseRoles.vault),
      keyringPath: folder + "/keyring", signingKeyPath: folder + "/signing-key.pem", archivePath: folder + "/archive",
      publicOrigin: Installation.origin, tokenIssuer: issuer.name, tokenAudience: issuer.audience, keySource: issuer,
      httpPort: 0, opsPort: 0)
  }

  /// Makes one, with both databases migrated and empty.
  public static func make() async throws -> InterruptibleInstallation {
    // The name is the one of a test's folder, so that what a killed process leaves is removed by the next one.
    let folder = "/tmp/lethe-test-\(getpid())-\(UUID().uuidString.prefix(6))"
    try FileManager.default.createDirectory(
      atPath: folder, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o711])
    let cluster = try await start(folder)
    try await cluster.sql(DatabaseRoles.createRoles)
    try await cluster.sql(DatabaseRoles.createDataDatabase())
    try await cluster.sql(DatabaseRoles.createVaultDatabase())
    _ = try await Migrator(
      url: cluster.url(database: DatabaseRoles.dataDatabase, user: DatabaseRoles.owner),
      migrations: DataMigrations.all, lock: DataMigrations.lock, logger: CapturedLog().logger
    ).run()
    _ = try await Migrator(
      url: cluster.url(database: DatabaseRoles.vaultDatabase, user: DatabaseRoles.vaultOwner),
      migrations: VaultMigrations.all, lock: VaultMigrations.lock, logger: CapturedLog().logger
    ).run()
    return try InterruptibleInstallation(folder: folder, cluster: cluster, issuer: try TestIssuer())
  }

  /// A running server with one new tenant.
  public func server(tenant: TenantID) async throws -> RunningServer {
    let server = try await Server.prepare(settings, logger: log.logger)
    _ = try await server.custody.createTenant(Tenant(id: tenant, kind: .condominium, name: "Test"))
    return try await RunningServer.start(server)
  }

  /// Takes both databases away.
  ///
  /// - Parameter signal: `SIGINT` ends sessions in order, `SIGQUIT` like a crash, without a last checkpoint.
  public func stopDatabases(_ signal: Int32) async {
    let cluster = cluster.withLock { $0 }
    kill(cluster.processID, signal)
    await cluster.stop()
  }

  /// Gives them back, where they were: the old socket's folder becomes a link to the new one.
  public func startDatabases() async throws {
    let cluster = try await Self.start(folder)
    self.cluster.withLock { $0 = cluster }
    try? FileManager.default.removeItem(atPath: socketFolder)
    try FileManager.default.createSymbolicLink(atPath: socketFolder, withDestinationPath: cluster.socketFolder)
  }

  /// Runs a script as the superuser; its output unaligned, without headers.
  @discardableResult
  public func sql(_ script: String, database: String) async throws -> String {
    try await cluster.withLock { $0 }.sql(script, database: database)
  }

  /// Stops the cluster and removes everything.
  public func remove() async {
    await cluster.withLock { $0 }.stop()
    // What can't be removed is found by the next process's tests.
    try? FileManager.default.removeItem(atPath: socketFolder)
    try? FileManager.default.removeItem(atPath: folder)
  }

  private static func start(_ folder: String) async throws -> LocalCluster {
    // What was committed must be there after a crash of the server's processes, though not of the machine.
    try await LocalCluster.start(
      dataFolder: folder + "/cluster", durable: false, extraSettings: ["synchronous_commit": "on"],
      logFile: folder + "/server.log")
  }
}

/// Lends an interruptible installation to `body` and removes it afterwards.
public func withInterruptibleInstallation<Result>(
  _ body: (InterruptibleInstallation) async throws -> Result
) async throws -> Result {
  let installation = try await InterruptibleInstallation.make()
  do {
    let result = try await body(installation)
    await installation.remove()
    return result
  } catch {
    await installation.remove()
    throw error
  }
}
