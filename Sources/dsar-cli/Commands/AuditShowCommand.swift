import ArgumentParser

/// `dsar audit show`.
struct AuditShowCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "show", abstract: "Show one entry of the log, verified.",
    discussion: """
      Checked are that the entry's bytes have the hash shown, and that they are under a checkpoint signed by the log's
      key. What is printed is read from those bytes. The exit status is 2 when anything is wrong; an entry that no
      checkpoint covers yet is refused: try again within a minute.

      EXAMPLES
        dsar audit show 4711 --key @vkey
      """)

  @Argument(help: ArgumentHelp("The entry's number.", valueName: "seq")) var sequence: UInt64
  @Option(help: ArgumentHelp("A verifier key, or @FILE with keys; may be repeated.", valueName: "vkey|@file"))
  var key: [String] = []
  @OptionGroup var sessions: SessionOptions
  @OptionGroup var output: OutputOptions

  func run() async throws {
    try await reporting {
      let given = try VerifierKeys.read(key)
      try await ServiceClient.with(sessions) { client in
        let proven = try await ProvenEntry.download(
          sequence, client, keys: try await ProvenEntry.keys(given, client))
        if output.json { return Console.standard.say(json: proven.json(authorship: !given.isEmpty)) }
        Console.standard.pairs(proven.pairs)
        Console.standard.say()
        Console.standard.say("valid")
      }
    }
  }
}
