import ArgumentParser

/// `dsar request show`.
struct RequestShowCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "show", abstract: "Show one request, and how far its erasure is.",
    discussion: """
      The officer's note may be about the person, and is shown on demand only.

      EXAMPLES
        dsar request show ID
        dsar request show ID --note
      """)

  @Argument(help: ArgumentHelp("The request.", valueName: "id")) var id: ResourceID
  @Flag(help: "Show the officer's note as well.") var note = false
  @OptionGroup var sessions: SessionOptions
  @OptionGroup var output: OutputOptions

  func run() async throws {
    try await reporting {
      try await ServiceClient.with(sessions) { client in
        RequestCommand.show(
          RequestSummary(try await client.json("/privacy/data/\(id)"), withNote: note), output)
      }
    }
  }
}
