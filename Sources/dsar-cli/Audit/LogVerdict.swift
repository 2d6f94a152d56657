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

  /// The first finding of the first log that has one.
  var first: Finding? { reports.lazy.compactMap(\.findings.first).first }

  var json: JSONValue {
    .object([
      JSONMember("valid", .bool(isValid)), JSONMember("authorship", keysWereGiven ? "given-key" : "unproved"),
      JSONMember("first_failure", first.map(json) ?? .null),
      JSONMember("logs", .array(reports.map(json))),
    ])
  }

  /// Prints the verdict for people.
  func show(on console: Console) {
    for report in reports {
      console.pairs(Self.rows(report, comparedLedger))
      for notice in report.notices { console.say("  notice: \(notice)") }
      for finding in report.findings { console.say("  \(finding)") }
      if report.omitted > 0 { console.say("  and \(report.omitted) findings more") }
      console.say()
    }
    console.say(isValid ? "valid" : "NOT VALID")
  }

  private static func rows(_ report: VerificationReport, _ comparedLedger: Bool) -> [(String, String)] {
    var entries = "\(report.entries) read and hashed"
    if report.skipped > 0 { entries += ", \(report.skipped) before --since not read again" }
    if report.expired > 0 { entries += ", \(report.expired) deleted at the end of their time" }
    var rows = [
      ("folder", report.folder), ("origin", report.origin ?? "(unknown)"), ("size", String(report.size)),
      ("root", report.root ?? "(unknown)"), ("entries", entries),
      ("erasures", "\(report.erasures) completed, \(comparedLedger ? "" : "NOT ")compared with the ledger"),
      ("checkpoints", "\(report.checkpoints) verified"),
      ("segments", "\(report.manifests) manifests verified, \(report.sealed) entries sealed"),
      ("keys", String(report.keys)),
    ]
    if let end = report.widestGapEnd {
      rows.append(("widest gap", "\(report.widestGap / 1_000_000) s before entry \(end)"))
    }
    if report.unpublished > 0 {
      rows.append(("unpublished", "\(report.unpublished) files beyond the checkpoint, not looked at"))
    }
    return rows
  }

  private func json(_ finding: Finding) -> JSONValue {
    .object([
      JSONMember("check", .string(finding.check)), JSONMember("file", finding.file.map(JSONValue.string) ?? .null),
      JSONMember("sequence", finding.sequence.map { .integer(Int64(clamping: $0)) } ?? .null),
      JSONMember("message", .string(finding.message)),
    ])
  }

  private func json(_ report: VerificationReport) -> JSONValue {
    func number(_ value: UInt64) -> JSONValue { .integer(Int64(clamping: value)) }
    func text(_ value: String?) -> JSONValue { value.map(JSONValue.string) ?? .null }
    return .object([
      JSONMember("folder", .string(report.folder)), JSONMember("valid", .bool(report.isValid)),
      JSONMember("origin", text(report.origin)), JSONMember("size", number(report.size)),
      JSONMember("root", text(report.root)), JSONMember("entries", number(report.entries)),
      JSONMember("skipped", number(report.skipped)), JSONMember("expired", number(report.expired)),
      JSONMember("erasures", number(report.erasures)), JSONMember("ledger_compared", .bool(comparedLedger)),
      JSONMember("checkpoints", number(report.checkpoints)), JSONMember("manifests", number(report.manifests)),
      JSONMember("sealed", number(report.sealed)), JSONMember("keys", .integer(Int64(report.keys))),
      JSONMember("widest_gap_microseconds", .integer(report.widestGap)),
      JSONMember("widest_gap_end", report.widestGapEnd.map(number) ?? .null),
      JSONMember("last_time", report.lastTime.map(JSONValue.integer) ?? .null),
      JSONMember("unpublished", number(report.unpublished)),
      JSONMember("notices", .array(report.notices.map(JSONValue.string))),
      JSONMember("findings", .array(report.findings.map(json))), JSONMember("omitted", number(report.omitted)),
    ])
  }
}
