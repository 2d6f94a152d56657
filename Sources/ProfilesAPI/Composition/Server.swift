public import Audit
public import Custody
import Foundation
import Hummingbird
public import Logging
import NIOCore
import NIOPosix
import Policies
import Postgres
public import Profiles
import ServiceLifecycle
import Signing
public import SubjectRights
import Tokens
import UnixSignals
import Vault

/// A whole server: pools, custody, domain, routes and background work, joined from its settings.
///
/// Call ``prepare(_:logger:)``, then ``run(afterStep:onServing:)``; it returns when the task is cancelled or a
/// signal asks for it, after the requests that were accepted are finished.
public struct Server: Sendable {
  /// The settings that it was composed from.
  public let settings: ServerSettings
  /// The door to personal data.
  public let custody: Custody
  /// Publishes the logs.
  public let checkpointer: Checkpointer
  /// The file of erasures.
  public let ledger: ErasureLedger
  /// The profiles.
  public let profiles: Profiles

  private let data: PostgresPool
  private let worker: PostgresPool
  private let vault: PostgresPool
  private let phase = ServicePhase()
  private let logger: Logger

  /// Why a server does not start: one line for the operator.
  public struct Refusal: Error, Sendable, CustomStringConvertible {
    /// The line.
    public let description: String

    /// A refusal in words.
    public init(_ description: String) { self.description = description }
  }

  // MARK: Preparation

  /// Opens the keyring, the signing key and the databases, and checks everything that must hold before a request is
  /// answered: roles, PostgreSQL's logging, the vault's installation, and that neither database is behind what was
  /// published or erased.
  public static func prepare(_ settings: ServerSettings, logger: Logger) async throws -> Server {
    for gap in ProcessHardening.apply() { logger.warning("hardening is incomplete", metadata: ["gap": "\(gap)"]) }
    let keyring: FileKeyring
    do { keyring = try FileKeyring.open(at: settings.keyringPath) } catch { throw Refusal("LETHE_KEYRING: \(error)") }
    let key: SigningKey
    do { key = try SigningKeyFile.load(from: settings.signingKeyPath) } catch { throw Refusal("signing key: \(error)") }

    let data = PostgresPool(
      PoolConfiguration(url: settings.databaseURL, role: "application", size: 4, applicationName: "lethe"),
      logger: logger)
    let worker = PostgresPool(
      PoolConfiguration(url: settings.workerDatabaseURL, role: "worker", size: 2, applicationName: "lethe-worker"),
      logger: logger)
    let vault = PostgresPool(
      PoolConfiguration(url: settings.vaultDatabaseURL, role: "vault", size: 2, applicationName: "lethe-vault"),
      logger: logger)
    for (name, pool) in [("DATABASE_URL", data), ("WORKER_DATABASE_URL", worker), ("VAULT_DATABASE_URL", vault)] {
      do {
        try await pool.start()
        try await ServerGuard.refusePrivilegedRole(pool)
        try await ServerGuard.refuseUnsafeLogging(pool)
      } catch let error as StartupRefusal {
        throw Refusal("\(name): \(error)")
      } catch let error as PostgresError {
        // What libpq says of a connection: hosts, databases and roles, which the operator named.
        let cause = error.code == .connection ? ": " + (error.unsafeMessage.split(separator: "\n").first ?? "") : nil
        throw Refusal("\(name): can't be used: \(error)\(cause ?? "")")
      }
    }

    let custody = Custody(
      data: data, worker: worker, vault: vault, keyring: keyring,
      originHost: try originHost(of: settings.publicOrigin), logger: logger)
    let server = Server(
      settings: settings, custody: custody,
      checkpointer: Checkpointer(custody: custody, archive: settings.archivePath, key: key),
      ledger: ErasureLedger(path: settings.archivePath + "/erasures/ledger"), profiles: Profiles(custody: custody),
      data: data, worker: worker, vault: vault, logger: logger)
    do {
      try await custody.bindVault()
    } catch let error as PostgresError where ["42P01", "3F000"].contains(error.sqlState) {
      throw Refusal("VAULT_DATABASE_URL: the database is not migrated; run `lethe migrate`")
    } catch let error as CustodyError where error.code == .keyMissing {
      throw Refusal("VAULT_DATABASE_URL: this vault belongs to another keyring (installation)")
    }
    let findings: [StartupComparison.Finding]
    do {
      findings = try await StartupComparison(
        custody: custody, checkpointer: server.checkpointer, ledger: server.ledger
      ).findings()
    } catch let error as PostgresError where ["42P01", "3F000"].contains(error.sqlState) {
      throw Refusal("DATABASE_URL: the database is not migrated; run `lethe migrate`")
    } catch let error as AuditError {
      let hint = error.code == .signature ? " (was it published with another LETHE_SIGNING_KEY?)" : ""
      throw Refusal("LETHE_ARCHIVE: \(error)\(hint)")
    }
    if !findings.isEmpty {
      throw Refusal(
        "the databases and the archive don't agree; nothing is served until they do "
          + "(runbooks/README.md):\n  " + findings.map(\.description).joined(separator: "\n  "))
    }
    return server
  }

  /// The host that names the logs. Without a port: a service that moves to another one keeps its logs.
  static func originHost(of origin: String) throws -> String {
    guard let url = URLComponents(string: origin), let host = url.host, !host.isEmpty else {
      throw Refusal("PUBLIC_ORIGIN: not an origin such as https://privacy.example.com")
    }
    return host.lowercased()
  }

  /// Closes the pools of a server that is not run.
  public func close() async {
    await data.shutdown()
    await worker.shutdown()
    await vault.shutdown()
  }

  // MARK: Running

  /// Answers requests and does the background work until asked to stop.
  ///
  /// - Parameters:
  ///   - afterStep: told after each committed step of an erasure; for fault injection.
  ///   - onServing: told the port once requests are answered.
  public func run(
    afterStep: @escaping @Sendable (ErasureStep) -> Void = { _ in }, onServing: @escaping @Sendable (Int) async -> Void
  ) async throws {
    let work = BackgroundWork(
      runner: ErasureRunner(
        custody: custody, checkpointer: checkpointer, ledger: ledger, policy: settings.retention, logger: logger,
        afterStep: afterStep),
      custody: custody, checkpointer: checkpointer,
      rights: SubjectRights(custody: custody, profiles: profiles, policy: settings.retention),
      interval: .seconds(settings.checkpointSeconds), logger: logger)
    let api = Application(
      router: try router(erasureOrdered: work.wake),
      configuration: ApplicationConfiguration(
        address: .hostname(settings.bind, port: settings.httpPort), serverName: nil),
      onServerRunning: { channel in
        phase.move(to: .serving)
        await onServing(channel.localAddress?.port ?? settings.httpPort)
      }, logger: logger)
    let opsRouter = Router(context: APIContext.self)
    opsRouter.add(middleware: AnswerMiddleware(logger: logger))
    health.add(to: opsRouter)
    let ops = Application(
      router: opsRouter,
      configuration: ApplicationConfiguration(
        address: .hostname(settings.bind, port: settings.opsPort), serverName: nil), logger: logger)
    let group = ServiceGroup(
      configuration: ServiceGroupConfiguration(
        services: [
          .init(service: work, successTerminationBehavior: .gracefullyShutdownGroup),
          .init(service: ops, successTerminationBehavior: .gracefullyShutdownGroup),
          .init(service: api, successTerminationBehavior: .gracefullyShutdownGroup),
        ], gracefulShutdownSignals: [.sigterm, .sigint], logger: logger))
    do {
      try await group.run()
    } catch {
      await close()
      throw error
    }
    phase.move(to: .stopping)
    await close()
  }

  private var health: HealthRoutes {
    HealthRoutes(pools: [("data", data), ("vault", vault)], phase: phase)
  }

  /// Every route of the API.
  func router(erasureOrdered: @escaping @Sendable () -> Void) throws -> Router<APIContext> {
    let authenticator = Authenticator(
      policy: AuthenticationPolicy(
        issuer: settings.tokenIssuer, audience: settings.tokenAudience,
        origin: try ExternalOrigin(settings.publicOrigin)),
      keys: IssuerKeys(source: settings.keySource), replay: ReplayGuard(proofs: UsedProofs(pool: data)),
      revocation: nil, now: { Microseconds.now() / 1_000_000 })
    let gate = Gate(
      authenticator: authenticator, custody: custody, actors: ActorDirectory(custody: custody), logger: logger)
    let router = Router(context: APIContext.self)
    router.add(middleware: AnswerMiddleware(logger: logger))
    ProfileRoutes(profiles: profiles, gate: gate).add(to: router)
    SubjectRightsRoutes(
      rights: SubjectRights(custody: custody, profiles: profiles, policy: settings.retention), gate: gate,
      erasureOrdered: erasureOrdered
    ).add(to: router)
    AuditRoutes(checkpointer: checkpointer, ledger: ledger, gate: gate, threads: .singleton).add(to: router)
    health.add(to: router)
    return router
  }
}
