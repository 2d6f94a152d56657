import Audit
import StrictJSON

/// What the offline verification of logs found.
struct LogVerdict {
  /// A report for each log.
  let reports: [VerificationReport]
  /// Whether the keys came from somewhere else than the folder.
  let keysWereGiven: Bool
  /// Whether the erasures were compared with a ledger.
  let comparedLedger: Bool

  /// What is said when the keys lay beside the log.
  static let warning =
    "WARNING: verified with the key in the folder itself. That proves that the log is consistent, not who wrote it: "
    + "whoever made the folder could have made the key. Give the key that you have from elsewhere with --key."

  /// Whether every check of every log passed.
  var isValid: Bool { reports.allSatisfy(\.isValid) }

  var json: JSONValue {
    .object([
      JSONMember("valid", .bool(isValid)), JSONMember("authorship", keysWereGiven ? "given-key" : "unproved"),
      JSONMember("logs", .array(reports.map(json))),
    ])
  }

  /// Prints the verdict for people.
  func show(on console: Console) {
    for report in reports {
      console.pairs([
        ("folder", report.folder), ("origin", report.origin ?? "(unknown)"), ("size", String(report.size)),
        ("root", report.root ?? "(unknown)"), ("entries", "\(report.entries) read and hashed"),
        ("erasures", "\(report.erasures) completed, \(comparedLedger ? "" : "NOT ")compared with the ledger"),
        ("checkpoints", "\(report.checkpoints) verified"),
      ])
      if report.unpublished > 0 { console.say("\(report.unpublished) files beyond the checkpoint, not looked at") }
      for finding in report.findings { console.say("  \(finding)") }
      if report.omitted > 0 { console.say("  and \(report.omitted) findings more") }
      console.say()
    }
    console.say(isValid ? "valid" : "NOT VALID")
  }

  private func json(_ report: VerificationReport) -> JSONValue {
    func number(_ value: UInt64) -> JSONValue { .integer(Int64(clamping: value)) }
    func text(_ value: String?) -> JSONValue { value.map(JSONValue.string) ?? .null }
    return .object([
      JSONMember("folder", .string(report.folder)), JSONMember("valid", .bool(report.isValid)),
      JSONMember("origin", text(report.origin)), JSONMember("size", number(report.size)),
      JSONMember("root", text(report.root)), JSONMember("entries", number(report.entries)),
      JSONMember("erasures", number(report.erasures)), JSONMember("ledger_compared", .bool(comparedLedger)),
      JSONMember("checkpoints", number(report.checkpoints)), JSONMember("unpublished", number(report.unpublished)),
      JSONMember(
        "findings",
        .array(
          report.findings.map {
            .object([
              JSONMember("check", .string($0.check)), JSONMember("file", text($0.file)),
              JSONMember("sequence", $0.sequence.map(number) ?? .null), JSONMember("message", .string($0.message)),
            ])
          })),
      JSONMember("omitted", number(report.omitted)),
    ])
  }
}
