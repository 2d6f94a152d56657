import ArgumentParser
import Foundation
import StrictJSON

/// `dsar request open`.
struct RequestOpenCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "open", abstract: "Open a request about the person of a profile.",
    discussion: """
      A note is one line of at most 2,000 characters; it is sealed under the person's key. It is read from a file, so
      that it stands neither in the shell's history nor in the list of processes.

      EXAMPLES
        dsar request open --type access --profile ID
        dsar request open --type erasure --profile ID --jurisdiction DE --note-file -
      """)

  @Option(help: "What the person asks for.") var type: RequestKind
  @Option(help: ArgumentHelp("The person's profile.", valueName: "id")) var profile: ResourceID
  @Option(help: ArgumentHelp("Whose law applies: a country of two letters.", valueName: "cc"))
  var jurisdiction: String?
  @Option(help: ArgumentHelp("A file with a note, or - for standard input.", valueName: "file"))
  var noteFile: String?
  @OptionGroup var sessions: SessionOptions
  @OptionGroup var output: OutputOptions

  func run() async throws {
    try await reporting {
      var members = [
        JSONMember("type", .string(type.rawValue)), JSONMember("profile_id", .string(profile.text)),
      ]
      if let jurisdiction { members.append(JSONMember("jurisdiction", .string(jurisdiction))) }
      if let noteFile {
        let note = try InputFile.text(noteFile, maximum: 16_384).trimmingCharacters(in: .whitespacesAndNewlines)
        members.append(JSONMember("note", .string(note)))
      }
      let body = JSONValue.object(members)
      try await ServiceClient.with(sessions) { client in
        RequestCommand.show(RequestSummary(try await client.post("/privacy/data", body)), output)
      }
    }
  }
}
