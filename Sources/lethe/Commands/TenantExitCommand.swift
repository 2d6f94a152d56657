import ArgumentParser
import Custody
import Foundation
import Policies
import ProfilesAPI
import StrictJSON

/// `lethe tenant exit`.
struct TenantExitCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "exit",
    abstract: "A tenant leaves: close its log for good, and delete its entries.",
    discussion: """
      Everybody has to be erased, every hold released and every erasure certified before; it says how many are not. Then
      whoever acted for the tenant is erased, the log gets its last entry, log.closed, and is published and sealed, and
      its entries are deleted from the archive and the database. Tiles, checkpoints and manifests stay: the log can be
      verified ever after. Every access in the tenant's name is refused from then on. It can't be undone; when it was
      interrupted, run it again. runbooks/tenant-exit.md

      EXAMPLE
        lethe tenant exit 0d4c5c9c-5f5c-4d0c-9f5e-0a3f0c5b6a7d --yes
      """)

  @Argument(help: "The tenant's id.") var tenant: String
  @Flag(help: "Really do it.") var yes = false
  @Flag(help: "Print JSON.") var json = false

  func validate() throws {
    guard UUID(uuidString: tenant) != nil else { throw ValidationError("The tenant's id is a UUID.") }
    guard yes else { throw ValidationError("This can't be undone. Say --yes to do it.") }
  }

  func run() async throws {
    let size = try await withParts { parts -> UInt64 in
      try await parts.refuseUnlessServable()
      guard let id = try await tenants(tenant, parts).first else { throw ExitCode.failure }
      let exit = TenantExit(
        custody: parts.custody, checkpointer: parts.checkpointer, ledger: parts.ledger,
        logger: try Environment().logger())
      do {
        return try await exit.run(id, policy: parts.settings.retention.version)
      } catch let obstacle as TenantExit.Obstacle {
        throw Environment.Fault(description: "tenant \(id) can't leave yet: \(obstacle)")
      }
    }
    if json {
      Console.say(json: .object([JSONMember("tenant_id", .string(tenant)), JSONMember("size", .integer(Int64(size)))]))
    } else {
      Console.say("closed        the log ends at \(size) entries, and none of them is kept")
    }
  }
}
