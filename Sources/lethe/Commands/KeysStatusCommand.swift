import ArgumentParser
import Custody
import Foundation
import ProfilesAPI
import StrictJSON
import SubjectRights
import Vault

/// `lethe keys status`.
struct KeysStatusCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "status",
    abstract: "Show epochs, their ages, how many live keys each wraps, what retires, and what waits for it.",
    discussion: """
      Reads the keyring. When DATABASE_URL and the other database variables are set: counts keys, shows the rotation
      that is under way, the registered copies of the keyring, and how many erasures wait for an epoch's end.
      """)

  @Flag(help: "Print JSON.") var json = false

  /// One epoch, as far as it is known.
  private struct Epoch {
    let number: Int32
    let state: String
    let days: Int
    let keys: Int64?
    let waitingErasures: Int?
  }

  /// What only the databases know.
  private struct Known {
    let keys: [Int32: Int64]
    let erasures: [Int32: Int]
    let rotation: RotationRecord?
    let past: [RotationRecord]
    let copies: [KeyringCopy]
  }

  func run() async throws {
    try await reporting {
      let environment = Environment()
      for gap in ProcessHardening.apply() { Console.note("lethe: hardening is incomplete: \(gap)") }
      let keyring = try environment.keyring()
      let known = try await Self.known(environment)
      let now = Date().timeIntervalSince1970
      let epochs = keyring.epochs.map { epoch in
        Epoch(
          number: epoch.number.rawValue, state: "\(epoch.state)", days: Int((now - Double(epoch.createdAt)) / 86_400),
          keys: known.map { $0.keys[epoch.number.rawValue] ?? 0 },
          waitingErasures: known.map { $0.erasures[epoch.number.rawValue] ?? 0 })
      }
      let schedule = RotationSchedule(days: try environment.keySettings().rotationDays)
      let due = keyring.epochs.last.flatMap { schedule.deadBy($0, now: Int64(now)) }
      if json {
        Console.say(json: Self.document(keyring, epochs, known, due: due))
      } else {
        Self.show(keyring, epochs, known, due: due)
      }
    }
  }

  private static func known(_ environment: Environment) async throws -> Known? {
    guard environment.text("VAULT_DATABASE_URL", secret: true) != nil else { return nil }
    let parts = try await ServerParts.open(try environment.serverSettings(), logger: try environment.logger())
    let custody = parts.custody
    let known = Known(
      keys: try await custody.liveKeys(), erasures: try await ErasureRunner.waitingErasures(custody),
      rotation: try await custody.rotation(), past: try await custody.pastRotations(),
      copies: try await custody.keyringCopies())
    await parts.close()
    return known
  }

  private static func show(_ keyring: FileKeyring, _ epochs: [Epoch], _ known: Known?, due: String?) {
    Console.say("installation  \(keyring.installation.uuidString.lowercased())")
    Console.table(
      ["EPOCH", "STATE", "AGE", "LIVE KEYS", "ERASURES WAITING FOR ITS END"],
      epochs.map { epoch in
        [
          "\(epoch.number)", epoch.state, "\(epoch.days) d", epoch.keys.map(String.init) ?? "(no database)",
          epoch.waitingErasures.map(String.init) ?? "",
        ]
      })
    let promise = due.map { "dead in every backup by \($0) at the latest" } ?? "no rotation is scheduled"
    Console.say("active epoch  \(promise)")
    guard let known else { return }
    if let rotation = known.rotation {
      Console.say(
        "rotation      epoch \(rotation.from.rawValue) → \(rotation.to.rawValue), \(rotation.state.rawValue), "
          + "\(rotation.keysDone) of \(rotation.keysTotal) keys, \(rotation.tagsDone) tags"
          + (rotation.waitingFor.map { "; waits for: \($0)" } ?? ""))
    } else {
      Console.say("rotation      none under way")
    }
    for rotation in known.past.prefix(3) {
      Console.say("retired       epoch \(rotation.from.rawValue) on \(Self.day(rotation.retiredAt))")
    }
    if known.copies.isEmpty { Console.say("copies        none registered") }
    for copy in known.copies {
      let fate =
        copy.destroyedAt.map { "destroyed \(Self.day($0)), attested by \(copy.attestedBy ?? "?")" } ?? "outstanding"
      Console.say(
        "copy          \(copy.id.uuidString.lowercased())  epochs \(copy.epochs.lowerBound)–\(copy.epochs.upperBound)  "
          + "\(fate)  \(copy.label)")
    }
  }

  private static func document(_ keyring: FileKeyring, _ epochs: [Epoch], _ known: Known?, due: String?) -> JSONValue {
    .object([
      JSONMember("installation", .string(keyring.installation.uuidString.lowercased())),
      JSONMember(
        "epochs",
        .array(
          epochs.map { epoch in
            .object([
              JSONMember("epoch", .integer(Int64(epoch.number))), JSONMember("state", .string(epoch.state)),
              JSONMember("age_days", .integer(Int64(epoch.days))),
              JSONMember("live_keys", epoch.keys.map(JSONValue.integer) ?? .null),
              JSONMember("erasures_waiting", epoch.waitingErasures.map { .integer(Int64($0)) } ?? .null),
            ])
          })),
      JSONMember("active_dead_by", due.map(JSONValue.string) ?? .null),
      JSONMember("rotation", known?.rotation.map(json) ?? .null),
      JSONMember("retired", .array((known?.past ?? []).map(json))),
      JSONMember("copies", .array((known?.copies ?? []).map(KeysCopiesCommand.json))),
    ])
  }

  private static func json(_ rotation: RotationRecord) -> JSONValue {
    .object([
      JSONMember("from", .integer(Int64(rotation.from.rawValue))),
      JSONMember("to", .integer(Int64(rotation.to.rawValue))), JSONMember("state", .string(rotation.state.rawValue)),
      JSONMember("keys_total", .integer(rotation.keysTotal)), JSONMember("keys_done", .integer(rotation.keysDone)),
      JSONMember("tags_done", .integer(rotation.tagsDone)),
      JSONMember("waiting_for", rotation.waitingFor.map(JSONValue.string) ?? .null),
      JSONMember("backup", rotation.backup.map(JSONValue.string) ?? .null),
      JSONMember("retired_at", rotation.retiredAt.map { .string(time($0)) } ?? .null),
    ])
  }

  /// A time as ISO 8601, in UTC, of microseconds since 1970.
  static func time(_ microseconds: Int64) -> String {
    Date(timeIntervalSince1970: Double(microseconds / 1_000_000)).formatted(.iso8601)
  }

  private static func day(_ microseconds: Int64?) -> String {
    microseconds.map { String(time($0).prefix(10)) } ?? "?"
  }
}
