import ArgumentParser
import Audit
import Foundation
import StrictJSON

/// `dsar audit receipt`.
struct AuditReceiptCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "receipt", abstract: "Proofs that entries are in the log: download, and verify offline.",
    discussion: """
      EXAMPLES
        dsar audit receipt 4711 --key @vkey
        dsar audit receipt verify 4711.tlog-proof --entry 4711.tlog-proof.entry --key @vkey
      """,
    subcommands: [AuditReceiptDownloadCommand.self, AuditReceiptVerifyCommand.self],
    defaultSubcommand: AuditReceiptDownloadCommand.self)
}

/// `dsar audit receipt SEQ`.
struct AuditReceiptDownloadCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "download", abstract: "Download the receipt of an entry, verify it, and keep both.",
    discussion: """
      The receipt (c2sp.org/tlog-proof) and the entry's exact bytes are written to two files, once they are verified.
      Both together, and the log's key, prove offline that the entry was in the log.

      EXAMPLES
        dsar audit receipt 4711 --out receipt --key @vkey
      """)

  @Argument(help: ArgumentHelp("The entry's number.", valueName: "seq")) var sequence: UInt64
  @Option(
    help: ArgumentHelp(
      "The receipt's file; SEQ.tlog-proof by default. The entry goes beside it, with .entry behind the name.",
      valueName: "file"))
  var out: String?
  @Option(help: ArgumentHelp("A verifier key, or @FILE with keys; may be repeated.", valueName: "vkey|@file"))
  var key: [String] = []
  @Flag(help: "Replace files that are there already.") var force = false
  @OptionGroup var sessions: SessionOptions
  @OptionGroup var output: OutputOptions

  func run() async throws {
    try await reporting {
      let given = try VerifierKeys.read(key)
      let file = out ?? "\(sequence).tlog-proof"
      let entryFile = file + ".entry"
      for path in [file, entryFile] where !force && FileManager.default.fileExists(atPath: path) {
        throw Failure(.refused, "\(path) is there already; --force replaces it")
      }
      try await ServiceClient.with(sessions) { client in
        let proven = try await ProvenEntry.download(
          sequence, client, keys: try await ProvenEntry.keys(given, client))
        try PrivateFile.write(proven.bytes, to: entryFile)
        try PrivateFile.write(Array(proven.receipt.text.utf8), to: file)
        guard output.json else {
          Console.standard.pairs([
            ("receipt", file), ("entry", entryFile), ("checkpoint", "\(proven.checkpoint.size) entries"),
          ])
          return Console.standard.say("valid")
        }
        Console.standard.say(
          json: [
            "valid": true, "authorship": given.isEmpty ? "unproved" : "given-key", "receipt": .string(file),
            "entry": .string(entryFile), "checkpoint_size": .integer(Int64(clamping: proven.checkpoint.size)),
          ])
      }
    }
  }
}

/// `dsar audit receipt verify`.
struct AuditReceiptVerifyCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify", abstract: "Verify a receipt offline, with nothing but files.",
    discussion: """
      Checked are the checkpoint's signature and that the entry's exact bytes are at the receipt's place under it. The
      exit status is 2 when anything is wrong.

      EXAMPLES
        dsar audit receipt verify 4711.tlog-proof --entry 4711.tlog-proof.entry --key @vkey
      """)

  @Argument(help: ArgumentHelp("The receipt.", valueName: "file")) var file: String
  @Option(help: ArgumentHelp("The entry's exact bytes.", valueName: "file")) var entry: String
  @Option(help: ArgumentHelp("A verifier key, or @FILE with keys; may be repeated.", valueName: "vkey|@file"))
  var key: [String]
  @OptionGroup var output: OutputOptions

  func validate() throws {
    guard !key.isEmpty else { throw ValidationError("--key is needed: a receipt proves nothing by itself.") }
  }

  func run() async throws {
    try await reporting {
      let keys = try VerifierKeys.read(key)
      let receipt = try InputFile.read(file, maximum: ProvenEntry.maximumReceiptBytes)
      let bytes = try InputFile.read(entry, maximum: Entry.maximumBytes)
      let proven = try ProvenEntry(bytes: bytes, receipt: receipt, keys: keys, named: file)
      if output.json { return Console.standard.say(json: proven.json(authorship: true)) }
      Console.standard.pairs(proven.pairs)
      Console.standard.say()
      Console.standard.say("valid")
    }
  }
}
