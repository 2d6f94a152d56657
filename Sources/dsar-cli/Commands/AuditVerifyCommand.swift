import ArgumentParser
import Audit
import StrictJSON

/// `dsar audit verify`.
struct AuditVerifyCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify", abstract: "Verify a log offline, entry by entry.",
    discussion: """
      The folder is one tenant's log, or an archive with a folder for each tenant. Checked are signatures, every entry,
      the chain, the tree, all checkpoints, and the erasures against the ledger. The exit status is 2 when anything is
      wrong. Without --key the folder's own key is used; that shows that the log is consistent, not who wrote it.

      Without --held, a log that was cut off at an older checkpoint looks whole: keep the newest checkpoint elsewhere.

      EXAMPLES
        dsar audit verify archive --key @vkey
        dsar audit verify archive --key @vkey --held last-checkpoint
        dsar audit verify archive/TENANT --key @vkey --ledger archive/erasures/ledger --json
      """)

  @Argument(help: ArgumentHelp("The archive, or a tenant's folder in it.", valueName: "dir")) var folder: String
  @Option(help: ArgumentHelp("A verifier key, or @FILE with keys; may be repeated.", valueName: "vkey|@file"))
  var key: [String] = []
  @Option(help: ArgumentHelp("A checkpoint that was kept elsewhere; may be repeated.", valueName: "checkpoint-file"))
  var held: [String] = []
  @Option(help: ArgumentHelp("The erasure ledger, instead of the archive's own.", valueName: "file"))
  var ledger: String?
  @OptionGroup var output: OutputOptions

  func run() async throws {
    try await reporting {
      let keys = try VerifierKeys.read(key)
      let checkpoints = try held.map { path throws(Failure) in try Self.checkpoint(path) }
      if let ledger { _ = try InputFile.read(ledger, maximum: .max - 1) }
      let bar = ProgressBar("verifying")
      let verdict = try LogVerification(folder: folder, keys: keys, held: checkpoints, ledger: ledger)
        .run { bar.show($0, of: $1) }
      if output.json { Console.standard.say(json: verdict.json) } else { verdict.show(on: .standard) }
      if !verdict.keysWereGiven { Console.standard.note(LogVerdict.warning) }
      guard verdict.isValid else { throw ExitCode(ExitStatus.notValid.rawValue) }
    }
  }

  private static func checkpoint(_ path: String) throws(Failure) -> SignedNote {
    let bytes = try InputFile.read(path, maximum: SignedNote.maximumBytes)
    do { return try SignedNote(parsing: bytes) } catch {
      throw Failure(.refused, "\(path) is not a signed checkpoint: \(error)")
    }
  }
}
