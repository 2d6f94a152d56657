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

/// A whole installation below one folder, as `lethe dev` makes it: a private durable cluster, keys, an issuer, a tenant.
struct BenchInstallation: Sendable {
  let folder: String
  let cluster: LocalCluster
  let settings: ServerSettings
  let tenant: TenantID

  static let issuer = "https://issuer.lethe-bench.invalid"
  static let audience = "lethe-bench"
  /// The origin that proofs name, wherever the server listens.
  static let origin = "https://lethe-bench.invalid"
  static let keyID = "bench"

  /// Opens the installation of a folder; makes what is not there yet.
  ///
  /// - Parameters:
  ///   - httpPort: where a server of these settings listens; 0 for any.
  ///   - cluster: lines for `postgresql.conf`.
  static func open(_ folder: String, httpPort: Int = 0, cluster extra: [String: String] = [:]) async throws
    -> BenchInstallation
  {
    let files = FileManager.default
    if !files.fileExists(atPath: folder) {
      try files.createDirectory(
        atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o711])
    }
    if !files.fileExists(atPath: folder + "/keyring") { _ = try FileKeyring.create(at: folder + "/keyring") }
    if !files.fileExists(atPath: folder + "/signing-key.pem") {
      _ = try SigningKeyFile.create(at: folder + "/signing-key.pem")
    }
    if !files.fileExists(atPath: issuerKeyPath(folder)) {
      let key = try SigningKey.generate(.es256)
      try write(try key.privatePEM(), to: issuerKeyPath(folder))
      try write(try JWKSet([JWK(key.publicKey, keyID: keyID)]).document(), to: folder + "/jwks.json")
      try write(Array(UUID().uuidString.utf8), to: tenantPath(folder))
    }
    let tenant = try tenant(of: folder)
    let cluster = try await LocalCluster.start(
      dataFolder: folder + "/postgres", extraSettings: extra, logFile: folder + "/postgres.log")
    do {
      try await prepare(cluster)
    } catch {
      await cluster.stop()
      throw error
    }
    let settings = settings(of: folder, httpPort: httpPort) { cluster.url(database: $0, user: $1) }
    return BenchInstallation(folder: folder, cluster: cluster, settings: settings, tenant: tenant)
  }

  /// The settings of a folder's server.
  ///
  /// - Parameter url: of a database, under a role.
  static func settings(of folder: String, httpPort: Int = 0, url: (_ database: String, _ role: String) -> String)
    -> ServerSettings
  {
    ServerSettings(
      databaseURL: url(DatabaseRoles.dataDatabase, DatabaseRoles.application),
      workerDatabaseURL: url(DatabaseRoles.dataDatabase, DatabaseRoles.worker),
      vaultDatabaseURL: url(DatabaseRoles.vaultDatabase, DatabaseRoles.vault),
      keyringPath: folder + "/keyring", signingKeyPath: folder + "/signing-key.pem", archivePath: folder + "/archive",
      publicOrigin: origin, tokenIssuer: issuer, tokenAudience: audience,
      keySource: FileKeySource(folder + "/jwks.json"), httpPort: httpPort, opsPort: 0)
  }

  /// A prepared server that has the tenant.
  func server() async throws -> Server {
    let server = try await Server.prepare(settings, logger: quietLogger)
    _ = try await server.custody.createTenant(Tenant(id: tenant, kind: .platform, name: "Benchmark"))
    return server
  }

  /// Access of an officer.
  var context: AccessContext {
    AccessContext(
      tenant: tenant, actor: ActorID(tenant.uuid), purpose: .profileAdministration, requestID: UUID())
  }

  /// The issuer of the folder's tokens.
  static func tokens(of folder: String) throws -> TokenIssuer {
    guard let pem = FileManager.default.contents(atPath: issuerKeyPath(folder)) else {
      throw Harness.Failure(description: "the installation has no issuer")
    }
    return TokenIssuer(issuer: issuer, audience: audience, keyID: keyID, key: try SigningKey(pem: Array(pem)))
  }

  /// The folder's tenant.
  static func tenant(of folder: String) throws -> TenantID {
    let text = try String(contentsOfFile: tenantPath(folder), encoding: .utf8)
    guard let id = UUID(uuidString: text) else { throw Harness.Failure(description: "the tenant's file is damaged") }
    return TenantID(id)
  }

  /// The profiles that a served installation begins with.
  static func profiles(of folder: String) throws -> [UUID] {
    try String(contentsOfFile: profilesPath(folder), encoding: .utf8).split(separator: "\n")
      .compactMap { UUID(uuidString: String($0)) }
  }

  /// Adds `count` people to a new installation, and notes their profiles for ``profiles(of:)``. False when that was done.
  func populate(_ server: Server, _ count: Int) async throws -> Bool {
    if FileManager.default.fileExists(atPath: Self.profilesPath(folder)) { return false }
    var ids: [String] = []
    for _ in 0..<count { ids.append(try await server.profiles.create(SyntheticPerson.draft(), context).id.uuidString) }
    try Self.write(Array(ids.joined(separator: "\n").utf8), to: Self.profilesPath(folder))
    return true
  }

  /// Gives the planner the statistics that a database in use has. Without them a look-up by key may read all rows of its
  /// tenant, and what is measured grows with the number of rows.
  func analyze() async throws {
    for database in [DatabaseRoles.dataDatabase, DatabaseRoles.vaultDatabase] {
      try await cluster.sql("ANALYZE", database: database)
    }
  }

  private static func prepare(_ cluster: LocalCluster) async throws {
    try await cluster.sql(DatabaseRoles.createRoles)
    let existing = try await cluster.sql("SELECT datname FROM pg_database").split(separator: "\n").map(String.init)
    if !existing.contains(DatabaseRoles.dataDatabase) { try await cluster.sql(DatabaseRoles.createDataDatabase()) }
    if !existing.contains(DatabaseRoles.vaultDatabase) { try await cluster.sql(DatabaseRoles.createVaultDatabase()) }
    _ = try await Migrator(
      url: cluster.url(database: DatabaseRoles.dataDatabase, user: DatabaseRoles.owner),
      migrations: DataMigrations.all, lock: DataMigrations.lock, logger: quietLogger
    ).run()
    _ = try await Migrator(
      url: cluster.url(database: DatabaseRoles.vaultDatabase, user: DatabaseRoles.vaultOwner),
      migrations: VaultMigrations.all, lock: VaultMigrations.lock, logger: quietLogger
    ).run()
  }

  private static func issuerKeyPath(_ folder: String) -> String { folder + "/issuer.pem" }
  private static func tenantPath(_ folder: String) -> String { folder + "/tenant" }
  private static func profilesPath(_ folder: String) -> String { folder + "/profiles" }

  private static func write(_ bytes: [UInt8], to path: String) throws {
    try Data(bytes).write(to: URL(fileURLWithPath: path), options: .atomic)
    try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)
  }
}

/// Says only what is wrong: what a log costs depends on where it goes.
let quietLogger: Logger = {
  var logger = Logger(label: "lethe-bench") { StreamLogHandler.standardError(label: $0) }
  logger.logLevel = .warning
  return logger
}()
