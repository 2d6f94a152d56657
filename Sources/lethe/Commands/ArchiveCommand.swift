import ArgumentParser
import Custody
import ProfilesAPI
import StrictJSON

/// `lethe archive`.
struct ArchiveCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "archive", abstract: "The published logs.", subcommands: [Publish.self, ArchiveCompareCommand.self])

  /// `lethe archive publish`.
  struct Publish: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "publish", abstract: "Publish what has been committed, now.",
      discussion: """
        The service does this by itself every CHECKPOINT_SECONDS. Entries are re-read and recomputed, made durable in
        LETHE_ARCHIVE, and then covered by a signed checkpoint.
        """)

    @Flag(help: "Print JSON.") var json = false

    func run() async throws {
      try await reporting {
        let environment = Environment()
        let server = try await Server.prepare(try environment.serverSettings(), logger: try environment.logger())
        var rows: [(tenant: String, size: UInt64?)] = []
        for tenant in try await server.custody.tenants() {
          Console.note("publishing \(tenant.id) …")
          rows.append((tenant.id.description, try await server.checkpointer.publish(tenant.id)))
        }
        await server.close()
        if json {
          Console.say(
            json: .array(
              rows.map {
                .object([
                  JSONMember("tenant_id", .string($0.tenant)),
                  JSONMember("size", $0.size.map { .integer(Int64($0)) } ?? .null),
                ])
              }))
        } else {
          Console.table(
            ["TENANT", "ENTRIES"], rows.map { [$0.tenant, $0.size.map(String.init) ?? "(another replica publishes)"] })
        }
      }
    }
  }
}
