import ArgumentParser
import Custody
import Foundation
import Profiles
import ProfilesAPI
import Redaction
import Schema
import StrictJSON

/// `lethe hold`.
struct HoldCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "hold", abstract: "Fields that outlive a person's erasure, because a law says so.",
    discussion: """
      A hold is placed before the erasure. At the erasure its fields are sealed again under the hold's own key; the
      person's key is destroyed all the same, and the certificate names what was kept and why. docs/holds.md has more.
      """,
    subcommands: [Place.self, List.self, Open.self, Release.self])

  /// Whose log and rows it is about.
  struct TenantOption: ParsableArguments {
    @Option(name: .customLong("tenant"), help: ArgumentHelp("The tenant's id.", valueName: "uuid"))
    var text: String

    func validate() throws { _ = try UUID(parsing: text, of: "--tenant") }

    func context() throws -> AccessContext { .operation(TenantID(try UUID(parsing: text, of: "--tenant"))) }
  }

  /// `lethe hold place`.
  struct Place: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "place", abstract: "Hold fields of a person who isn't erased.",
      discussion: """
        FIELDS
          \(fieldNames)

        EXAMPLES
          lethe hold place --tenant 2f7f… --profile 593d… --field full_name email --basis tax_law --until 2036-12-31
          lethe hold place --tenant 2f7f… --subject 5cf1… --field full_name --basis litigation
        """)

    @OptionGroup var tenant: TenantOption
    @Option(help: ArgumentHelp("Whose fields, by the person's subject id.", valueName: "uuid")) var subject: String?
    @Option(help: ArgumentHelp("Whose fields, by the id of the person's profile.", valueName: "uuid"))
    var profile: String?
    @Option(name: .customLong("field"), parsing: .upToNextOption, help: "What to hold: one field or several.")
    var fields: [String] = []
    @Option(help: ArgumentHelp("Why: a code of a…z, 0…9 and _.", valueName: "code")) var basis: String
    @Option(
      help: ArgumentHelp(
        "The last day, in UTC, on which it is kept. Without it, only `lethe hold release` ends it.",
        valueName: "yyyy-mm-dd"))
    var until: String?
    @Flag(help: "Print JSON.") var json = false

    func validate() throws {
      guard (subject == nil) != (profile == nil) else { throw ValidationError("Give one of --subject and --profile.") }
      _ = try subject.map { try UUID(parsing: $0, of: "--subject") }
      _ = try profile.map { try UUID(parsing: $0, of: "--profile") }
      _ = try heldFields()
      _ = try keepUntil()
    }

    func run() async throws {
      try await HoldCommand.withServer { server in
        let context = try tenant.context()
        let person: SubjectID
        if let profile {
          person = try await server.profiles.subject(of: try UUID(parsing: profile, of: "--profile"), context)
        } else {
          person = SubjectID(try UUID(parsing: subject ?? "", of: "--subject"))
        }
        let hold = try await server.custody.placeHold(
          on: person, fields: try heldFields(), basis: basis, keepUntil: try keepUntil(), context)
        if json { Console.say(json: hold.json) } else { Console.say("hold  \(hold.id.uuidString.lowercased())") }
      }
    }

    private func heldFields() throws -> [PersonalField] {
      guard !fields.isEmpty else { throw ValidationError("Give at least one --field: \(fieldNames).") }
      return try fields.map { name in
        guard let field = Hold.holdable.first(where: { $0.name == name }) else {
          throw ValidationError("--field \(name) can't be held. Fields: \(fieldNames).")
        }
        return field
      }
    }

    private func keepUntil() throws -> Int64? {
      guard let until else { return nil }
      guard let end = CalendarDay.end(of: until) else { throw ValidationError("--until is a day such as 2036-12-31.") }
      return end
    }
  }

  /// `lethe hold list`.
  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "list", abstract: "Show holds, and nothing of what they keep.",
      discussion: "EXAMPLE\n  lethe hold list --tenant 2f7f… --all")

    @OptionGroup var tenant: TenantOption
    @Option(help: ArgumentHelp("Only this person's, by subject id.", valueName: "uuid")) var subject: String?
    @Flag(help: "Released ones, too.") var all = false
    @Flag(help: "Print JSON.") var json = false

    func validate() throws { _ = try subject.map { try UUID(parsing: $0, of: "--subject") } }

    func run() async throws {
      try await HoldCommand.withServer { server in
        let person = try subject.map { SubjectID(try UUID(parsing: $0, of: "--subject")) }
        let holds = try await server.custody.holds(of: person, releasedToo: all, try tenant.context())
        if json {
          Console.say(json: .array(holds.map(\.json)))
        } else {
          Console.table(
            ["HOLD", "STATE", "SUBJECT", "FIELDS", "BASIS", "UNTIL"],
            holds.map { hold in
              [
                hold.id.uuidString.lowercased(), hold.state.rawValue, hold.subject.description,
                hold.fields.map(\.name).joined(separator: " "), hold.basis,
                hold.keepUntil.map(CalendarDay.last(before:)) ?? "(release)",
              ]
            })
        }
      }
    }
  }

  /// `lethe hold open`.
  struct Open: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "open", abstract: "Print what a hold keeps. The tenant's log says so first.",
      discussion: "EXAMPLE\n  lethe hold open --tenant 2f7f… 8c1e…")

    @OptionGroup var tenant: TenantOption
    @Argument(help: "The hold's id.") var hold: String
    @Flag(help: "Print JSON.") var json = false

    func validate() throws { _ = try UUID(parsing: hold, of: "The hold") }

    func run() async throws {
      try await HoldCommand.withServer { server in
        let values = try await server.custody.openHold(
          try UUID(parsing: hold, of: "The hold"), try tenant.context())
        if json {
          Console.say(
            json: .array(
              values.map {
                .object([
                  JSONMember("field", .string($0.field.name)),
                  JSONMember("row", .string($0.row.uuidString.lowercased())),
                  JSONMember("value", .string($0.value.disclosed())),
                ])
              }))
        } else {
          Console.table(
            ["FIELD", "ROW", "VALUE"],
            values.map { [$0.field.name, $0.row.uuidString.lowercased(), $0.value.disclosed()] })
        }
      }
    }
  }

  /// `lethe hold release`.
  struct Release: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "release", abstract: "End a hold: destroy its key, delete what it kept. Can't be undone.",
      discussion: "EXAMPLE\n  lethe hold release --tenant 2f7f… 8c1e…")

    @OptionGroup var tenant: TenantOption
    @Argument(help: "The hold's id.") var hold: String
    @Flag(help: "Print JSON.") var json = false

    func validate() throws { _ = try UUID(parsing: hold, of: "The hold") }

    func run() async throws {
      try await HoldCommand.withServer { server in
        let released = try await server.custody.releaseHold(
          try UUID(parsing: hold, of: "The hold"), try tenant.context())
        if json { Console.say(json: released.json) } else { Console.say("released  \(hold.lowercased())") }
      }
    }
  }

  /// Lends a prepared server, closes it, and says in words what was refused.
  fileprivate static func withServer(_ body: (Server) async throws -> Void) async throws {
    try await reporting {
      let environment = Environment()
      let server = try await Server.prepare(try environment.serverSettings(), logger: try environment.logger())
      do {
        try await body(server)
      } catch {
        await server.close()
        throw words(for: error).map { Console.refuse($0) } ?? error
      }
      await server.close()
    }
  }

  private static func words(for error: any Error) -> String? {
    switch error {
    case let error as HoldError:
      switch error.code {
      case .noFields: "a hold needs a field"
      case .notHoldable: "\(error.field ?? "the field") can't be held"
      case .malformedBasis: "--basis is 1 to 64 of a…z, 0…9 and _"
      case .past: "--until has passed"
      case .notSealed: "nothing is sealed yet: the person isn't erased"
      case .released: "the hold is released: nothing is kept any more"
      }
    case let error as CustodyError where error.code == .notFound: "there is no such person or hold in this tenant"
    case let error as CustodyError where error.code == .erased: "the person is erased: nothing can be held any more"
    default: nil
    }
  }
}

extension UUID {
  /// Reads an id from the command line; what it says of a wrong one names the argument.
  fileprivate init(parsing text: String, of name: String) throws {
    guard let id = UUID(uuidString: text) else { throw ValidationError("\(name) is a UUID.") }
    self = id
  }
}

extension Hold {
  /// What is said of it to programs: no value of it.
  fileprivate var json: JSONValue {
    func time(_ microseconds: Int64?) -> JSONValue {
      microseconds.map {
        .string(Date(timeIntervalSince1970: Double($0 / 1_000_000)).formatted(.iso8601))
      } ?? .null
    }
    return .object([
      JSONMember("hold", .string(id.uuidString.lowercased())), JSONMember("state", .string(state.rawValue)),
      JSONMember("subject", .string(subject.description)),
      JSONMember("fields", .array(fields.map { .string($0.name) })), JSONMember("basis", .string(basis)),
      JSONMember("until", keepUntil.map { .string(CalendarDay.last(before: $0)) } ?? .null),
      JSONMember("placed_at", time(placedAt)), JSONMember("sealed_at", time(sealedAt)),
      JSONMember("released_at", time(releasedAt)),
    ])
  }
}

/// The fields that can be held, as they are named.
private let fieldNames = Hold.holdable.map(\.name).joined(separator: ", ")

/// Days as an operator writes them, in UTC.
private enum CalendarDay {
  private static let style = Date.ISO8601FormatStyle(timeZone: .gmt).year().month().day()

  /// The end of a day, in microseconds since the Unix epoch; nil for what is no day.
  static func end(of text: String) -> Int64? {
    // The parser takes more than the form that is meant.
    guard text.utf8.count == 10, let start = try? Date(text, strategy: style), start.formatted(style) == text else {
      return nil
    }
    return (Int64(start.timeIntervalSince1970) + 86_400) * 1_000_000
  }

  /// The last whole day before a time.
  static func last(before microseconds: Int64) -> String {
    Date(timeIntervalSince1970: Double(microseconds / 1_000_000) - 1).formatted(style)
  }
}
