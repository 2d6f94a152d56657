import ArgumentParser
import Foundation
import Backups
import Signing
import StrictJSON

/// `lethe backup`.
struct BackupCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "backup",
    abstract: "Dump both databases, without the keyring.",
    discussion: """
      Makes a folder backup-TIME-RANDOM with data.dump, vault.dump and manifest.json, below --out, LETHE_BACKUPS, or
      $LETHE_HOME/backups. It gets its name when everything in it is on the disk. Logs in as lethe_backup and
      lethe_vault_backup: BACKUP_DATABASE_URL and BACKUP_VAULT_DATABASE_URL. docs/backup.md says how long to keep it,
      and what never to keep beside it.
      """)

  @Option(help: "Where backups are kept.") var out: String?
  @Flag(help: "Print JSON.") var json = false

  func run() async throws {
    try await reporting {
      let environment = Environment()
      let dataURL = try environment.required(
        "BACKUP_DATABASE_URL", "the data database, as lethe_backup", secret: true)
      let vaultURL = try environment.required(
        "BACKUP_VAULT_DATABASE_URL", "the vault database, as lethe_vault_backup", secret: true)
      let writer = BackupWriter(into: out ?? environment.backupsPath, logger: try environment.logger()) { line in
        Console.note("lethe: \(line)")
      }
      let backup = try await cancelledBySignals { try await writer.write(dataURL: dataURL, vaultURL: vaultURL) }
      if json {
        Console.say(
          json: .object([JSONMember("folder", .string(backup.folder)), JSONMember("manifest", backup.manifest.json)]))
      } else {
        BackupTable.print(backup)
      }
    }
  }
}

/// A backup as people read it.
enum BackupTable {
  static func print(_ backup: Backup) {
    let manifest = backup.manifest
    Console.say("folder        \(backup.folder)")
    Console.say("taken         \(manifest.takenAt.formatted(.iso8601))")
    Console.say("installation  \(manifest.installation?.uuidString.lowercased() ?? "(none yet)")")
    let epochs = manifest.keys.epochs.map(String.init).joined(separator: ", ")
    Console.say(
      "keys          \(manifest.keys.live) wrapped\(epochs.isEmpty ? "" : " (epoch \(epochs))"), "
        + "\(manifest.keys.destroyed) destroyed")
    Console.table(
      ["FILE", "BYTES", "SERVER", "SHA-256"],
      manifest.dumps.map { [$0.name, "\($0.bytes)", $0.serverVersion, $0.sha256.hex] })
  }
}
