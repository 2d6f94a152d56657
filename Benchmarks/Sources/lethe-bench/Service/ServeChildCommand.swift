import ArgumentParser
import ProfilesAPI
import Vault

/// `lethe-bench serve-child`: what the other process of a measurement runs.
struct ServeChildCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "serve-child", abstract: "Serves an installation until SIGTERM; started by the measurements.",
    shouldDisplay: false)

  @Option(help: "The installation's folder.") var home: String
  @Option(help: "The port of the API.") var port: Int
  @Option(help: "How many people there are at the first start.") var people = 25

  func run() async throws {
    _ = ProcessHardening.apply()
    let installation = try await BenchInstallation.open(home, httpPort: port)
    do {
      let server = try await installation.server()
      if try await installation.populate(server, people) { try await installation.analyze() }
      try await server.run { _ in }
    } catch {
      await installation.cluster.stop()
      throw error
    }
    await installation.cluster.stop()
  }
}
