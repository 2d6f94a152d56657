import ArgumentParser
import Custody
import Foundation
import ProfilesAPI
import StrictJSON

/// `lethe keys copies`.
struct KeysCopiesCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "copies", abstract: "The copies of the keyring that you have made.",
    discussion: """
      A copy of the keyring opens every backup of the vault from the epochs that it holds. Register each copy when it is
      made; certificates name how many are outstanding until you attest that they are destroyed.

      EXAMPLES
        lethe keys copies register "USB stick, safe, envelope 12"
        lethe keys copies list
        lethe keys copies attest 4c8a1b62-… --by "security officer"
      """, subcommands: [List.self, Register.self, Attest.self])

  /// `lethe keys copies list`.
  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "Show every registered copy.")

    @Flag(help: "Print JSON.") var json = false

    func run() async throws {
      let copies = try await withParts { try await $0.custody.keyringCopies() }
      if json { return Console.say(json: .array(copies.map(KeysCopiesCommand.json))) }
      Console.table(
        ["COPY", "EPOCHS", "REGISTERED", "DESTROYED", "ATTESTED BY", "LABEL"],
        copies.map { copy in
          [
            copy.id.uuidString.lowercased(), "\(copy.epochs.lowerBound)–\(copy.epochs.upperBound)",
            KeysStatusCommand.time(copy.registeredAt), copy.destroyedAt.map(KeysStatusCommand.time) ?? "no",
            copy.attestedBy ?? "", copy.label,
          ]
        })
    }
  }

  /// `lethe keys copies register`.
  struct Register: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "register", abstract: "Register a copy of the keyring as it is now.")

    @Argument(help: "Where it is, in your words; at most 120 characters. Not a person's name.") var label: String

    func validate() throws {
      guard (1...120).contains(label.count) else { throw ValidationError("The label has 1 to 120 characters.") }
    }

    func run() async throws {
      let copy = try await withParts { try await $0.custody.registerKeyringCopy(label) }
      Console.say(copy.id.uuidString.lowercased())
    }
  }

  /// `lethe keys copies attest`.
  struct Attest: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "attest", abstract: "Attest that a copy is destroyed.")

    @Argument(help: "The copy's id.") var id: String
    @Option(help: "Who attests it, in your words; at most 120 characters.") var by: String

    func validate() throws {
      guard UUID(uuidString: id) != nil else { throw ValidationError("The copy's id is a UUID.") }
      guard (1...120).contains(by.count) else { throw ValidationError("--by has 1 to 120 characters.") }
    }

    func run() async throws {
      guard let copy = UUID(uuidString: id) else { return }
      try await withParts { parts in
        do {
          try await parts.custody.attestDestruction(of: copy, by: by)
        } catch let error as CustodyError where error.code == .notFound {
          throw Environment.Fault(description: "there is no outstanding copy of that id; `lethe keys copies list`")
        }
      }
      Console.say("attested; certificates of its epochs are issued again")
    }
  }

  static func json(_ copy: KeyringCopy) -> JSONValue {
    .object([
      JSONMember("id", .string(copy.id.uuidString.lowercased())), JSONMember("label", .string(copy.label)),
      JSONMember("oldest_epoch", .integer(Int64(copy.epochs.lowerBound))),
      JSONMember("newest_epoch", .integer(Int64(copy.epochs.upperBound))),
      JSONMember("registered_at", .string(KeysStatusCommand.time(copy.registeredAt))),
      JSONMember("destroyed_at", copy.destroyedAt.map { .string(KeysStatusCommand.time($0)) } ?? .null),
      JSONMember("attested_by", copy.attestedBy.map(JSONValue.string) ?? .null),
    ])
  }
}

/// Lends what is opened over the databases to a command's body, and closes it. Errors become one line.
@discardableResult
func withParts<Result>(_ body: (ServerParts) async throws -> Result) async throws -> Result {
  var result: Result?
  try await reporting {
    let environment = Environment()
    let parts = try await ServerParts.open(try environment.serverSettings(), logger: try environment.logger())
    do {
      result = try await body(parts)
    } catch {
      await parts.close()
      throw error
    }
    await parts.close()
  }
  guard let result else { throw ExitCode.failure }
  return result
}
