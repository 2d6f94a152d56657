import ArgumentParser
import Logging
import ProfilesAPI

/// `lethe serve`.
struct ServeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "serve",
    abstract: "Answer requests.",
    discussion: """
      Needs DATABASE_URL, WORKER_DATABASE_URL, VAULT_DATABASE_URL, PUBLIC_ORIGIN, TOKEN_ISSUER, TOKEN_AUDIENCE and
      TOKEN_JWKS, a keyring (`lethe keys init`) and migrated databases (`lethe migrate`). Refuses to start under a
      role or a PostgreSQL setting that is not safe, and over a database that is behind what was published or erased.
      Logs JSON lines to standard error. SIGTERM and SIGINT finish what was accepted, then stop.
      """)

  func run() async throws {
    try await reporting {
      let environment = Environment()
      let settings = try environment.serverSettings()
      try await PortCheck.refuseTaken(
        [("HTTP_PORT", settings.httpPort), ("OPS_PORT", settings.opsPort)], bind: settings.bind)
      let logger = try environment.logger()
      let server = try await Server.prepare(settings, logger: logger)
      try await server.run(afterStep: FaultInjection.afterStep(environment)) { port in
        logger.notice("serving", metadata: ["port": "\(port)"])
      }
    }
  }
}
