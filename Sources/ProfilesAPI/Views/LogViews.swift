import Audit
import Custody
import Foundation
import Profiles
import Signing
import StrictJSON
import SubjectRights

extension LogEntryView {
  /// The entry as auditors see it: ids, codes and names of fields.
  func json(_ more: [JSONMember]) -> JSONValue {
    var members = [
      JSONMember("seq", .integer(sequence)), member("leaf_hash", leafHash.base64),
      member("time", time.map(LogTime.text)), member("action", record?.action.rawValue),
      member("outcome", record?.outcome), member("actor", record?.actor?.text),
      member("subject", record?.subject?.text), member("purpose", record?.purpose),
      member("request_id", record?.requestID?.text), member("trace_id", record?.traceID),
      JSONMember("fields", .array((record?.fields ?? []).map(JSONValue.string))),
      JSONMember(
        "codes",
        .object((record?.codes ?? [:]).sorted { $0.key < $1.key }.map { JSONMember($0.key, .string($0.value)) })),
      JSONMember(
        "policy",
        record?.policy.map { .object([member("id", $0.id), member("version", $0.version)]) } ?? .null),
      JSONMember("subject_count", record?.subjectCount.map { .integer(Int64($0)) } ?? .null),
      member("subject_root", record?.subjectRoot?.hex),
    ]
    if record == nil { members.append(JSONMember("unreadable", .bool(true))) }
    return .object(members + more)
  }
}

extension PersonalAccess {
  /// The access as the person sees it: when, what, why; not who.
  var json: JSONValue {
    .object([
      member("time", Timestamp.text(time)), member("action", action), member("purpose", purpose), member("role", role),
      member("outcome", outcome), JSONMember("fields", .array(fields.map(JSONValue.string))),
    ])
  }
}

/// The time of a log's entry: RFC 3339 in UTC to the microsecond, so that `from` and `to` can name it exactly.
enum LogTime {
  static func text(_ microseconds: Int64) -> String {
    let fraction = String(microseconds % 1_000_000)
    return Timestamp.text(microseconds).dropLast() + "." + String(repeating: "0", count: 6 - fraction.count) + fraction
      + "Z"
  }
}
