import ArgumentParser
import Custody
import Foundation
import ProfilesAPI
import StrictJSON
import Vault

/// `lethe keys rotate`.
struct KeysRotateCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "rotate",
    abstract: "Replace the active epoch: what was erased under the old one is dead in every backup afterwards.",
    discussion: """
      Works online, while the service answers. Every key is wrapped again and every lookup tag made again, batch by
      batch; then the vault's standbys confirm, a fresh backup of the vault is taken and opened, and the old epoch's key
      is destroyed. It may be stopped at any point, by Ctrl-C or worse, and goes on where it was the next time. The
      service does the same by itself every KEY_ROTATION_DAYS.

      Needs the variables of `lethe serve`, and BACKUP_VAULT_DATABASE_URL for the backup. VAULT_STANDBYS names standbys
      that must be connected and confirm.

      EXIT STATUS
        0  the old epoch is retired
        1  refused or failed
        3  it waits, and says for what; run it again later

      EXAMPLES
        lethe keys rotate
        lethe keys rotate --rate 2000
      """)

  @Option(help: "Wrap at most so many keys in a second.") var rate: Int?
  @Option(help: "Keys in one transaction, 1 to 10000.") var batch = 1_000
  @Option(help: "Seconds to wait for standbys.") var wait = 60
  @Flag(help: "Print JSON.") var json = false

  func validate() throws {
    guard rate ?? 1 > 0 else { throw ValidationError("--rate is at least 1.") }
    guard (1...10_000).contains(batch) else { throw ValidationError("--batch is from 1 to 10000.") }
    guard (0...86_400).contains(wait) else { throw ValidationError("--wait is from 0 to 86400.") }
  }

  func run() async throws {
    let bar = RotationBar()
    let outcome = try await withParts { parts in
      try await parts.refuseUnlessServable()
      let rotation = Rotation(
        custody: parts.custody, backups: parts.settings.vaultBackups,
        options: Rotation.Options(
          batchSize: batch, keysPerSecond: rate, standbyPatience: wait,
          requiredStandbys: parts.settings.requiredStandbys),
        progress: { bar.show($0) })
      let outcome = try await rotation.run()
      bar.finish()
      return outcome
    }
    switch outcome {
    case .retired(let epoch):
      if json {
        Console.say(
          json: .object([
            JSONMember("outcome", "retired"), JSONMember("epoch", .integer(Int64(epoch.rawValue))),
          ]))
      } else {
        Console.say("epoch \(epoch.rawValue) is retired: its key is destroyed")
      }
    case .waiting(let obstacle):
      if json {
        Console.say(
          json: .object([
            JSONMember("outcome", "waiting"), JSONMember("waiting_for", .string(obstacle.code)),
            JSONMember("detail", .string("\(obstacle)")),
          ]))
      }
      Console.note("lethe: the rotation waits: \(obstacle); run it again later")
      throw ExitCode(3)
    case .busy:
      throw Console.refuse("another process is rotating at the moment")
    }
  }
}

/// A rotation's progress on standard error: one line that is written over on a terminal, a line every few seconds
/// elsewhere.
private final class RotationBar: Sendable {
  private let line = ProgressLine()

  func show(_ progress: RotationProgress) {
    let record = progress.record
    let share = record.keysTotal > 0 ? Double(record.keysDone) / Double(record.keysTotal) : 0
    var text = "\(record.state.rawValue)  \(ProgressLine.bar(share))  \(record.keysDone)/\(record.keysTotal) keys"
    if let left = progress.secondsLeft, left >= 1, record.state == .backfill { text += ", \(Int(left)) s left" }
    line.show(text, isMilestone: record.state != .backfill)
  }

  func finish() { line.finish() }
}
