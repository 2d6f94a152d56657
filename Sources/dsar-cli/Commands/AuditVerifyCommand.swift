import ArgumentParser
import Audit
import Foundation
import StrictJSON

/// `dsar audit verify`.
struct AuditVerifyCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify", abstract: "Verify a log offline, entry by entry.",
    discussion: """
      The folder is one tenant's log, or an archive with a folder for each tenant. Checked are signatures, every entry,
      the chain, the tree, all checkpoints, the manifests of sealed segments, and the erasures against the ledger. The
      exit status is 2 when anything is wrong. One key of a log is enough: it names the others itself. Without --key the
      folder's own keys are used; that shows that the log is consistent, not who wrote it.

      Without --held, a log that was cut off at an older checkpoint looks whole: keep the newest checkpoint elsewhere.
      With --since, entries before that checkpoint are not read again; the log is compared with it as with --held.

      EXAMPLES
        dsar audit verify archive --key @vkey
        dsar audit verify archive --key @vkey --held last-checkpoint
        dsar audit verify archive --key @vkey --since last-checkpoint --interval 7200
        dsar audit verify archive/TENANT --key @vkey --ledger archive/erasures/ledger --json
      """)

  @Argument(help: ArgumentHelp("The archive, or a tenant's folder in it.", valueName: "dir")) var folder: String
  @Option(help: ArgumentHelp("A verifier key, or @FILE with keys; may be repeated.", valueName: "vkey|@file"))
  var key: [String] = []
  @Option(help: ArgumentHelp("A checkpoint that was kept elsewhere; may be repeated.", valueName: "checkpoint-file"))
  var held: [String] = []
  @Option(
    help: ArgumentHelp(
      "A checkpoint up to which the log was verified before; may be repeated.", valueName: "checkpoint-file"))
  var since: [String] = []
  @Option(help: ArgumentHelp("The erasure ledger, instead of the archive's own.", valueName: "file"))
  var ledger: String?
  @Option(help: ArgumentHelp("The longest time allowed between two entries, and since the last.", valueName: "seconds"))
  var interval: Int64?
  @Option(help: ArgumentHelp("The time to compare the last entry with, instead of today's.", valueName: "time"))
  var now: String?
  @Flag(help: "Also compare each bundle of entries with the hash in its manifest.") var digests = false
  @OptionGroup var output: OutputOptions

  func validate() throws {
    if let interval, interval <= 0 { throw ValidationError("--interval takes a number of seconds.") }
  }

  func run() async throws {
    try await reporting {
      let keys = try VerifierKeys.read(key)
      let checkpoints = try held.map { path throws(Failure) in try Self.checkpoint(path) }
      let known = try since.map { path throws(Failure) in try Self.checkpoint(path) }
      if let ledger, !FileManager.default.isReadableFile(atPath: ledger) {
        throw Failure(.refused, "\(ledger) can't be read")
      }
      let bar = ProgressBar("verifying")
      var verification = LogVerification(folder: folder, keys: keys, held: checkpoints, ledger: ledger, since: known)
      verification.options.digests = digests
      verification.options.interval = interval
      if let now { verification.options.now = try Self.microseconds(now) }
      let verdict = try verification.run { bar.show($0, of: $1) }
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

  private static func microseconds(_ text: String) throws -> Int64 {
    guard let time = try? Date(text, strategy: .iso8601) else {
      throw ValidationError("--now takes a time such as 2026-01-31T12:00:00Z.")
    }
    return Int64(time.timeIntervalSince1970 * 1_000_000)
  }
}
