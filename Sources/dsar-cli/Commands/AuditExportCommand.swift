import ArgumentParser
import Audit
import Signing
import StrictJSON

/// `dsar audit export`.
struct AuditExportCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "export", abstract: "Copy the log, or bring a copy up to date.",
    discussion: """
      The copy has the layout of the service's own archive. A later export downloads what is new and accepts it only
      if it continues the checkpoint that is held: a log that was rewritten or shortened ends with status 2, and the
      copy stays as it was. Keep the verifier key in a place of its own, and give it with --key.

      EXAMPLES
        dsar audit export --out archive
        dsar audit export --out archive --key @vkey
      """)

  @Option(help: ArgumentHelp("The archive's folder.", valueName: "dir")) var out: String
  @Option(help: ArgumentHelp("A verifier key, or @FILE with keys; may be repeated.", valueName: "vkey|@file"))
  var key: [String] = []
  @Flag(help: "Write into a folder that holds something else; download again what no held checkpoint covers.")
  var force = false
  @OptionGroup var sessions: SessionOptions
  @OptionGroup var output: OutputOptions

  func run() async throws {
    try await reporting {
      let keys = try VerifierKeys.read(key)
      try await ServiceClient.with(sessions) { client in
        let log = HeldLog(archive: out, tenant: client.session.claims.tenant)
        try log.prepare(force: force)
        let bar = ProgressBar("downloading")
        let outcome = try await LogDownload(
          client: client, log: log, keys: keys, again: force, progress: { bar.show($0, of: $1) }
        ).run()
        show(outcome)
      }
    }
  }

  private func show(_ outcome: LogDownload.Outcome) {
    let head = outcome.checkpoint
    guard !output.json else {
      return Console.standard.say(
        json: [
          "folder": .string(outcome.folder), "origin": .string(head.origin),
          "size": .integer(Int64(clamping: head.size)), "root": .string(head.root.base64),
          "held_before": outcome.heldBefore.map { .integer(Int64(clamping: $0)) } ?? .null,
          "files": .integer(Int64(outcome.files)),
        ])
    }
    Console.standard.pairs([
      ("folder", outcome.folder), ("origin", head.origin), ("size", String(head.size)), ("root", head.root.base64),
      ("held before", outcome.heldBefore.map { "\($0), continued" } ?? "(nothing)"), ("files", String(outcome.files)),
    ])
    Console.standard.note("every entry is checked by: dsar audit verify \(out) --key VKEY")
  }
}
