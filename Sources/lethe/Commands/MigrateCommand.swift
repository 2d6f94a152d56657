import ArgumentParser
import StrictJSON

/// `lethe migrate`.
struct MigrateCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "migrate",
    abstract: "Bring both databases up to date.",
    discussion: """
      Runs under the owners' roles, which the service itself never has: OWNER_DATABASE_URL and
      OWNER_VAULT_DATABASE_URL. Each migration is one transaction under an advisory lock, and runs once. The roles
      lethe_owner, lethe_app, lethe_worker, lethe_backup, lethe_vault_owner, lethe_vault and lethe_vault_backup must
      exist; docs/postgres.md has the statements.
      """)

  @Flag(help: "Print JSON.") var json = false

  func run() async throws {
    try await reporting {
      let environment = Environment()
      let applied = try await DatabaseMigration(
        dataURL: try environment.required("OWNER_DATABASE_URL", "the data database, as its owner", secret: true),
        vaultURL: try environment.required(
          "OWNER_VAULT_DATABASE_URL", "the vault database, as its owner", secret: true),
        logger: try environment.logger()
      ).run()
      if json {
        Console.say(
          json: .object([
            JSONMember("data", .array(applied.data.map(JSONValue.string))),
            JSONMember("vault", .array(applied.vault.map(JSONValue.string))),
          ]))
      } else {
        for (database, names) in [("data", applied.data), ("vault", applied.vault)] {
          Console.say("\(database): \(names.isEmpty ? "up to date" : "applied " + names.joined(separator: ", "))")
        }
      }
    }
  }
}
