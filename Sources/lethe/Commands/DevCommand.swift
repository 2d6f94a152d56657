import ArgumentParser
import Custody
import Foundation
import Logging
import ProfilesAPI

/// `lethe dev`.
struct DevCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "dev",
    abstract: "A whole service on this machine, with synthetic people and development identities.",
    discussion: """
      Starts a private PostgreSQL cluster in $LETHE_HOME/postgres (a Unix socket, no TCP), makes keys, migrates, adds
      a sample tenant, and serves REST on HTTP_PORT (3002). The same variables as for `lethe serve` put a real part in
      the place of each default. Ctrl-C stops everything; the data stays for the next start. Logs go to
      $LETHE_HOME/log/lethe.jsonl.

      EXAMPLES
        lethe dev
        lethe dev --sample 1000
        LETHE_HOME=/tmp/try HTTP_PORT=3100 lethe dev --sample 0
      """)

  @Option(help: "How many synthetic people the sample tenant has, 0 to 100000.") var sample = 25

  func validate() throws {
    guard (0...100_000).contains(sample) else { throw ValidationError("--sample is from 0 to 100000.") }
  }

  func run() async throws {
    try await reporting {
      let environment = Environment()
      let home = try DevHome(environment)
      let ports = [
        ("HTTP_PORT", try environment.integer("HTTP_PORT", in: 1...65_535, default: 3002)),
        ("OPS_PORT", try environment.integer("OPS_PORT", in: 0...65_535, default: 9464)),
      ]
      try await PortCheck.refuseTaken(ports, bind: environment.text("BIND") ?? "127.0.0.1")
      let logger = try home.logger(environment)

      Console.say("lethe dev, home \(home.path)")
      if FileManager.default.fileExists(atPath: home.clusterFolder + "/pgdata") {
        // Databases without their keys are not given new ones: nothing in them would open.
        for path in [environment.keyringPath, environment.signingKeyPath]
        where !FileManager.default.fileExists(atPath: path) {
          throw Environment.Fault(description: "\(path) is missing, and there are databases that need it; restore it")
        }
      }
      if try KeyFiles.createMissing(environment) { Console.say("  keys       made at \(environment.keyringPath)") }
      let identities = try DevIdentities.prepare(home, environment)
      let databases = try await DevDatabases.start(home, environment, logger: logger)
      do {
        try await serve(environment, home, identities, databases, logger: logger)
      } catch {
        await databases.stop()
        throw error
      }
      await databases.stop()
      Console.say("stopped; the data stays in \(home.path)")
    }
  }

  private func serve(
    _ environment: Environment, _ home: DevHome, _ identities: DevIdentities, _ databases: DevDatabases, logger: Logger
  ) async throws {
    let settings = try databases.settings(environment, identities)
    let server = try await Server.prepare(settings, logger: logger)
    let tenant = TenantID(identities.tenant)
    if try await server.custody.createTenant(Tenant(id: tenant, kind: .condominium, name: "Sample Owners' Board")) {
      Console.say("  tenant     \(tenant)")
    }
    try await SamplePopulation(server: server, home: home, tenant: tenant).fill(to: sample)
    try home.writeEnvironment(settings, identities, databases)
    try await server.run(afterStep: FaultInjection.afterStep(environment)) { _ in
      Self.greet(settings.publicOrigin, home, developmentIssuer: identities.isDevelopment)
    }
  }

  private static func greet(_ origin: String, _ home: DevHome, developmentIssuer: Bool) {
    Console.say("")
    Console.say("serving \(origin)   (health: \(origin)/health/ready)")
    guard developmentIssuer else { return }
    let program = CommandLine.arguments.first.map { ($0 as NSString).deletingLastPathComponent + "/dsar" } ?? "dsar"
    let prefix = home.path == ".lethe" ? "" : "LETHE_HOME=\(home.path) "
    Console.say(
      """

      Try, in another terminal:
        alias dsar='\(prefix)\(program)'
        dsar login --dev --as admin           then: dsar api GET '/profiles?limit=3'
        dsar login --dev --as officer         then: dsar request open --type access --profile ID
        dsar login --dev --as officer2        approves what officer opened
        dsar login --dev --as auditor         then: dsar audit export --out archive && dsar audit verify archive

      Ctrl-C stops everything.
      """)
  }
}
