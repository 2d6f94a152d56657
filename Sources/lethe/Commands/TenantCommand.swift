import ArgumentParser
import Custody
import Foundation
import ProfilesAPI
import StrictJSON

/// `lethe tenant`.
struct TenantCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tenant", abstract: "The organisations that are served.",
    subcommands: [Create.self, List.self, TenantExitCommand.self])

  /// `lethe tenant create`.
  struct Create: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "create", abstract: "Add a tenant: its secret, its row, its log.",
      discussion: "EXAMPLE\n  lethe tenant create --kind merchant --name \"Example Ltd\"")

    @Option(help: "merchant, condominium or platform.") var kind: String
    @Option(help: "The organisation's name, at most 120 characters.") var name: String
    @Option(help: "Its tenant_id in tokens; made at random without it.") var id: String?
    @Flag(help: "Print JSON.") var json = false

    func validate() throws {
      guard Tenant.Kind(rawValue: kind) != nil else {
        throw ValidationError("--kind is merchant, condominium or platform.")
      }
      guard (1...120).contains(name.count) else { throw ValidationError("--name has 1 to 120 characters.") }
      if let id, UUID(uuidString: id) == nil { throw ValidationError("--id is a UUID.") }
    }

    func run() async throws {
      try await reporting {
        let environment = Environment()
        let server = try await Server.prepare(try environment.serverSettings(), logger: try environment.logger())
        let tenant = Tenant(
          id: TenantID(id.flatMap(UUID.init) ?? UUID()), kind: Tenant.Kind(rawValue: kind) ?? .merchant, name: name)
        let created = try await server.custody.createTenant(tenant)
        await server.close()
        guard created else { throw Console.refuse("tenant \(tenant.id) exists already") }
        if json {
          Console.say(json: .object([JSONMember("tenant_id", .string(tenant.id.description))]))
        } else {
          Console.say("tenant_id  \(tenant.id)")
        }
      }
    }
  }

  /// `lethe tenant list`.
  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "Show every tenant.")

    @Flag(help: "Print JSON.") var json = false

    func run() async throws {
      try await reporting {
        let environment = Environment()
        let server = try await Server.prepare(try environment.serverSettings(), logger: try environment.logger())
        let tenants = try await server.custody.tenants()
        await server.close()
        if json {
          Console.say(
            json: .array(
              tenants.map {
                .object([
                  JSONMember("tenant_id", .string($0.id.description)), JSONMember("kind", .string($0.kind.rawValue)),
                  JSONMember("name", .string($0.name)),
                ])
              }))
        } else {
          Console.table(["TENANT", "KIND", "NAME"], tenants.map { [$0.id.description, $0.kind.rawValue, $0.name] })
        }
      }
    }
  }
}
