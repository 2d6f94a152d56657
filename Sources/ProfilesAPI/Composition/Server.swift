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
  /// What it is composed from.
  public let parts: ServerParts
  /// The profiles.
  public let profiles: Profiles

  /// The settings that it was composed from.
  public var settings: ServerSettings { parts.settings }
  /// The door to personal data.
  public var custody: Custody { parts.custody }
  /// Publishes the logs.
  public var checkpointer: Checkpointer { parts.checkpointer }
  /// The file of erasures.
  public var ledger: ErasureLedger { parts.ledger }

  private let timeline: TimelineGuard
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
    let parts = try await ServerParts.open(settings, logger: logger)
    let server = Server(
      parts: parts, profiles: Profiles(custody: parts.custody), timeline: TimelineGuard(parts: parts, logger: logger),
      logger: logger)
    try await parts.refuseUnlessServable()
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
  public func close() async { await parts.close() }

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
      timeline: timeline, settings: settings, logger: logger)
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
          .init(service: timeline),
          .init(service: RotationWork(parts: parts, timeline: timeline, logger: logger)),
          .init(service: KeyNoticesWork(custody: custody)),
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
    HealthRoutes(
      pools: [("data", parts.data), ("vault", parts.vault)], phase: phase, isServable: { timeline.isServing })
  }

  /// Every route of the API.
  func router(erasureOrdered: @escaping @Sendable () -> Void) throws -> Router<APIContext> {
    let authenticator = Authenticator(
      policy: AuthenticationPolicy(
        issuer: settings.tokenIssuer, audience: settings.tokenAudience,
        origin: try ExternalOrigin(settings.publicOrigin)),
      keys: IssuerKeys(source: settings.keySource), replay: ReplayGuard(proofs: UsedProofs(pool: parts.data)),
      revocation: nil, now: { Microseconds.now() / 1_000_000 })
    let gate = Gate(
      authenticator: authenticator, custody: custody, actors: ActorDirectory(custody: custody), logger: logger)
    let router = Router(context: APIContext.self)
    router.add(middleware: AnswerMiddleware(logger: logger))
    router.add(middleware: TimelineMiddleware(timeline: timeline))
    ProfileRoutes(profiles: profiles, gate: gate).add(to: router)
    SubjectRightsRoutes(
      rights: SubjectRights(custody: custody, profiles: profiles, policy: settings.retention), gate: gate,
      erasureOrdered: erasureOrdered
    ).add(to: router)
    let log = LogReading(custody: custody, checkpointer: checkpointer)
    AuditRoutes(checkpointer: checkpointer, log: log, ledger: ledger, gate: gate, threads: .singleton).add(to: router)
    LogRoutes(log: log, profiles: profiles, gate: gate).add(to: router)
    WitnessRoutes(log: log, witnesses: settings.witnesses, gate: gate).add(to: router)
    health.add(to: router)
    return router
  }
}
