import Foundation
import LocalCluster
import Logging
import ProfilesAPI
import Schema

/// The databases of `lethe dev`: a private cluster, unless real ones are named.
struct DevDatabases {
  private let cluster: LocalCluster?

  /// Starts the private cluster with its roles and databases, and migrates; does nothing where `DATABASE_URL` names a
  /// real one.
  static func start(_ home: DevHome, _ environment: Environment, logger: Logger) async throws -> DevDatabases {
    if environment.text("DATABASE_URL", secret: true) != nil {
      Console.say("  postgres   the one that DATABASE_URL names; it is not started or migrated here")
      return DevDatabases(cluster: nil)
    }
    Console.say("  postgres   starting a private cluster in \(home.clusterFolder) …")
    let cluster = try await LocalCluster.start(dataFolder: home.clusterFolder, logFile: home.clusterLog)
    do {
      try await LetheRoles.create(in: cluster)
      let applied = try await DatabaseMigration(
        dataURL: cluster.url(database: DatabaseRoles.dataDatabase, user: DatabaseRoles.owner),
        vaultURL: cluster.url(database: DatabaseRoles.vaultDatabase, user: DatabaseRoles.vaultOwner), logger: logger
      ).run()
      let count = applied.data.count + applied.vault.count
      Console.say(
        "  postgres   socket in \(cluster.socketFolder), \(count == 0 ? "up to date" : "\(count) migrations")")
    } catch {
      await cluster.stop()
      throw error
    }
    return DevDatabases(cluster: cluster)
  }

  /// The server's settings, each default of `lethe dev` in the place of what is not named.
  func settings(_ environment: Environment, _ identities: DevIdentities) throws -> ServerSettings {
    func url(_ name: String, _ database: String, _ user: String) throws -> String {
      guard let cluster else { return try environment.required(name, "needed with DATABASE_URL", secret: true) }
      return cluster.url(database: database, user: user)
    }
    let httpPort = try environment.integer("HTTP_PORT", in: 1...65_535, default: 3002)
    return ServerSettings(
      databaseURL: try url("DATABASE_URL", DatabaseRoles.dataDatabase, DatabaseRoles.application),
      workerDatabaseURL: try url("WORKER_DATABASE_URL", DatabaseRoles.dataDatabase, DatabaseRoles.worker),
      vaultDatabaseURL: try url("VAULT_DATABASE_URL", DatabaseRoles.vaultDatabase, DatabaseRoles.vault),
      keyringPath: environment.keyringPath, signingKeyPath: environment.signingKeyPath,
      archivePath: environment.archivePath,
      publicOrigin: environment.text("PUBLIC_ORIGIN") ?? "http://localhost:\(httpPort)",
      tokenIssuer: identities.issuer, tokenAudience: identities.audience,
      keySource: try environment.keySource(identities.keySetLocation), bind: environment.text("BIND") ?? "127.0.0.1",
      httpPort: httpPort, opsPort: try environment.integer("OPS_PORT", in: 0...65_535, default: 9464),
      checkpointSeconds: try environment.integer("CHECKPOINT_SECONDS", in: 1...3_600, default: 1),
      retention: try environment.retention()
    ).with(try environment.keySettings(vaultBackupURL: backupURLs?.vault)).with(try environment.logSettings())
      .with(try environment.witnesses())
  }

  /// The databases under the backups' roles; nil for real databases, whose roles have variables of their own.
  var backupURLs: (data: String, vault: String)? {
    cluster.map { cluster in
      (
        cluster.url(database: DatabaseRoles.dataDatabase, user: DatabaseRoles.backup),
        cluster.url(database: DatabaseRoles.vaultDatabase, user: DatabaseRoles.vaultBackup)
      )
    }
  }

  /// Stops the private cluster.
  func stop() async { await cluster?.stop() }
}
