import ArgumentParser
import Foundation
import Backups
import StrictJSON

/// `lethe restore`.
struct RestoreCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "restore",
    abstract: "Put a backup back into empty databases.",
    discussion: """
      Verifies the backup first. The databases have to be new and empty, and belong to the owners' roles, under which
      they are filled: OWNER_DATABASE_URL and OWNER_VAULT_DATABASE_URL. Each is filled in one transaction. Run
      lethe recover next: what was restored may be older than an erasure.

      EXAMPLES
        lethe restore --from .lethe/backups/backup-20260102T030405Z-1a2b3c4d
        lethe restore --from … --only data      beside today's vault
      """)

  /// What of a backup is put back.
  enum Part: String, ExpressibleByArgument, CaseIterable {
    case data, vault
  }

  @Option(help: "The backup's folder.") var from: String
  @Option(help: "Put one database back and leave the other alone: data or vault.") var only: Part?
  @Flag(help: "Print JSON.") var json = false

  func run() async throws {
    try await reporting {
      let environment = Environment()
      var dataURL: String?
      var vaultURL: String?
      if only != .vault {
        dataURL = try environment.required("OWNER_DATABASE_URL", "the data database, as its owner", secret: true)
      }
      if only != .data {
        vaultURL = try environment.required(
          "OWNER_VAULT_DATABASE_URL", "the vault database, as its owner", secret: true)
      }
      Console.note("lethe: verifying \(from)")
      let backup = try await Backup.open(from)
      try await BackupRestore(backup, logger: try environment.logger()) { line in
        Console.note("lethe: \(line)")
      }.run(dataURL: dataURL, vaultURL: vaultURL)
      let restored = BackedUpDatabase.allCases.filter { only == nil || only?.rawValue == $0.rawValue }
      if json {
        Console.say(
          json: .object([
            JSONMember("folder", .string(backup.folder)),
            JSONMember("restored", .array(restored.map { .string($0.rawValue) })),
            JSONMember("manifest", backup.manifest.json),
          ]))
      } else {
        BackupTable.print(backup)
        for database in restored { Console.say("restored      the \(database.rawValue) database") }
        if let installation = backup.manifest.installation {
          Console.say("keyring       the one of installation \(installation.uuidString.lowercased())")
        }
        Console.say("next          lethe recover, then lethe serve")
      }
    }
  }
}
