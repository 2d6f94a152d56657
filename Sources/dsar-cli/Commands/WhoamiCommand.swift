import ArgumentParser

/// `dsar whoami`.
struct WhoamiCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "whoami", abstract: "Show whom this program acts as, where, and until when.",
    discussion: """
      Reads the session's files only; the server isn't asked.

      EXAMPLES
        dsar whoami
        dsar whoami --session auditor --json
      """)

  @OptionGroup var sessions: SessionOptions
  @OptionGroup var output: OutputOptions

  func run() async throws {
    try await reporting {
      let summary = SessionSummary(session: try sessions.load())
      if output.json {
        Console.standard.say(json: summary.json)
      } else {
        Console.standard.pairs(summary.pairs)
      }
    }
  }
}
