public import Audit
public import Custody
import Foundation
public import Logging
public import Postgres
public import Vault

/// What every program over the databases opens: keyring, signing key, pools, custody, archive. Checked one by one, but
/// not against each other: a server also asks whether the databases may be served, a recovery makes it so.
public struct ServerParts: Sendable {
  /// The settings that they were opened by.
  public let settings: ServerSettings
  /// The epoch keys.
  public let keyring: any Keyring
  /// The data database under the application's role.
  public let data: PostgresPool
  /// The data database under the worker's role.
  public let worker: PostgresPool
  /// The vault database under its own role.
  public let vault: PostgresPool
  /// The door to personal data.
  public let custody: Custody
  /// Publishes the logs.
  public let checkpointer: Checkpointer
  /// The file of erasures.
  public let ledger: ErasureLedger

  /// Opens them. Throws ``Server/Refusal`` with one line for the operator; what was opened is closed then.
  ///
  /// - Parameters:
  ///   - program: what PostgreSQL calls the connections. A recovery tells a service by it.
  ///   - keyring: one that is open already, instead of the settings'.
  public static func open(
    _ settings: ServerSettings, as program: String = "lethe", keyring opened: (any Keyring)? = nil,
    statementTimeout: Duration = .seconds(10), logger: Logger
  ) async throws -> ServerParts {
    for gap in ProcessHardening.apply() { logger.warning("hardening is incomplete", metadata: ["gap": "\(gap)"]) }
    guard settings.suite.isAvailable else {
      throw Server.Refusal(
        "LETHE_SUITE: this CPU has no AES instructions; set LETHE_SUITE=\(Suite.xchacha20poly1305.name)")
    }
    let keyring: any Keyring = if let opened { opened } else { try keyring(settings) }
    let keys: SigningKeys
    do {
      keys = try SigningKeys(path: settings.signingKeyPath)
    } catch { throw Server.Refusal("signing key: \(error)") }
    let host = try Server.originHost(of: settings.publicOrigin)

    func pool(_ url: String, _ role: String, _ size: Int, _ name: String) -> PostgresPool {
      PostgresPool(
        PoolConfiguration(
          url: url, role: role, size: size, statementTimeout: statementTimeout, applicationName: name,
          watchesIdentity: true),
        logger: logger)
    }
    let data = pool(settings.databaseURL, "application", 4, program)
    let worker = pool(settings.workerDatabaseURL, "worker", 2, program + "-worker")
    let vault = pool(settings.vaultDatabaseURL, "vault", 2, program + "-vault")
    for (name, pool) in [("DATABASE_URL", data), ("WORKER_DATABASE_URL", worker), ("VAULT_DATABASE_URL", vault)] {
      do {
        try await pool.start()
        try await ServerGuard.refusePrivilegedRole(pool)
        try await ServerGuard.refuseUnsafeLogging(pool)
      } catch let error as StartupRefusal {
        throw Server.Refusal("\(name): \(error)")
      } catch let error as PostgresError {
        // What libpq says of a connection: hosts, databases and roles, which the operator named.
        let cause = error.code == .connection ? ": " + (error.unsafeMessage.split(separator: "\n").first ?? "") : nil
        throw Server.Refusal("\(name): can't be used: \(error)\(cause ?? "")")
      }
    }

    let custody: Custody
    do {
      custody = try Custody(
        data: data, worker: worker, vault: vault, keyring: keyring, suite: settings.suite,
        cachedKeys: settings.cachedKeys, schedule: RotationSchedule(days: settings.rotationDays), originHost: host,
        archive: settings.archivePath, logger: logger)
    } catch let error as VaultError {
      throw Server.Refusal("KEY_CACHE_SIZE: \(error)")
    }
    let parts = ServerParts(
      settings: settings, keyring: keyring, data: data, worker: worker, vault: vault, custody: custody,
      checkpointer: Checkpointer(
        custody: custody, archive: settings.archivePath, keys: keys,
        immutability: settings.immutableArchive ? immutability(logger) : nil),
      ledger: ErasureLedger(path: settings.archivePath + "/erasures/ledger"))
    do {
      try await custody.bindVault()
    } catch let error as PostgresError where error.isOfMissingSchema {
      throw Server.Refusal("DATABASE_URL, VAULT_DATABASE_URL: a database is not migrated; run `lethe migrate`")
    } catch let error as CustodyError where error.code == .keyMissing {
      throw Server.Refusal("VAULT_DATABASE_URL: this vault belongs to another keyring (installation)")
    }
    return parts
  }

  /// The immutable attribute on sealed files; that the system refuses it is said once.
  private static func immutability(_ logger: Logger) -> ImmutableAttribute {
    ImmutableAttribute { error in
      logger.warning("sealed files can't be made immutable", metadata: ["error": "\(error)"])
    }
  }

  /// Opens the keyring, with its passphrase where one is named.
  public static func keyring(_ settings: ServerSettings) throws -> FileKeyring {
    var passphrase: KeyringPassphrase?
    if let path = settings.keyringPassphrasePath {
      do { passphrase = try KeyringPassphrase(readingFile: path) } catch {
        throw Server.Refusal("LETHE_KEYRING_PASSPHRASE_FILE: \(error)")
      }
    }
    do { return try FileKeyring.open(at: settings.keyringPath, passphrase: passphrase) } catch {
      throw Server.Refusal("LETHE_KEYRING: \(error)")
    }
  }

  /// Refuses databases that don't agree with the archive and with each other: nothing is served over them, and no epoch
  /// is rotated. Throws ``Server/Refusal`` with a line for each finding.
  public func refuseUnlessServable() async throws {
    let findings: [StartupComparison.Finding]
    do {
      findings = try await comparison.findings()
    } catch let error as PostgresError where error.isOfMissingSchema {
      throw Server.Refusal("DATABASE_URL: the database is not migrated; run `lethe migrate`")
    } catch let error as AuditError {
      let hint = error.code == .signature ? " (was it published with another LETHE_SIGNING_KEY?)" : ""
      throw Server.Refusal("LETHE_ARCHIVE: \(error)\(hint)")
    }
    if !findings.isEmpty {
      throw Server.Refusal(
        "the databases and the archive don't agree; nothing is served until they do "
          + "(`lethe recover`, runbooks/restore-from-backup.md):\n  "
          + findings.map(\.description).joined(separator: "\n  "))
    }
  }

  /// Closes the pools.
  public func close() async {
    await data.shutdown()
    await worker.shutdown()
    await vault.shutdown()
  }
}

extension PostgresError {
  /// Whether a table or a schema isn't there: the database is not migrated.
  var isOfMissingSchema: Bool { ["42P01", "3F000"].contains(sqlState) }
}
