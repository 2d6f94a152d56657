import Foundation
import Signing
import Testing

@testable import Audit

@Suite("Audit records")
struct AuditRecordTests {
  static let id = UUID(uuid: (0xab, 0, 0, 0, 0, 0, 0x40, 0, 0x80, 0, 0, 0, 0, 0, 0, 2))
  static let full = AuditRecord(
    action: .personalDataRead, actor: id, subject: id, purpose: "support", requestID: id,
    traceID: "0123456789abcdef0123456789abcdef", outcome: "denied", fields: ["given_name", "email"],
    codes: ["status": "active", "reason": "no_role"], policy: .init(id: "roles/pe", version: "7"), subjectCount: 12,
    subjectRoot: MerkleTree.emptyRoot)

  @Test("the body is one line of sorted JSON with the documented names")
  func body() throws {
    let id = "ab000000-0000-4000-8000-000000000002"
    let expected =
      #"{"action":"personal_data.read","actor":"\#(id)","codes":{"reason":"no_role","status":"active"},"#
      + #""fields":["given_name","email"],"outcome":"denied","policy":{"id":"roles/pe","version":"7"},"#
      + #""purpose":"support","request_id":"\#(id)","subject":"\#(id)","subject_count":12,"#
      + #""subject_root":"\#(MerkleTree.emptyRoot.hex)","trace_id":"0123456789abcdef0123456789abcdef"}"#
    #expect(String(decoding: try Self.full.body(), as: UTF8.self) == expected)
    #expect(
      String(decoding: try AuditRecord(action: .logStarted).body(), as: UTF8.self)
        == #"{"action":"log.started","outcome":"ok"}"#)
  }

  @Test("a body parses back to the same record")
  func roundTrip() throws {
    #expect(try AuditRecord(body: Self.full.body()) == Self.full)
    let small = AuditRecord(action: .erasureCompleted, subject: Self.id)
    #expect(try AuditRecord(body: small.body()) == small)
  }

  @Test(
    "a trace id that is not 32 lower-case hexadecimal digits is dropped",
    arguments: ["", "0123", "0123456789ABCDEF0123456789ABCDEF", "0123456789abcdef0123456789abcdeg"])
  func trace(_ text: String) throws {
    var record = AuditRecord(action: .logRead, traceID: text)
    #expect(record.traceID == nil)
    record.traceID = text
    #expect(String(decoding: try record.body(), as: UTF8.self) == #"{"action":"log.read","outcome":"ok"}"#)
  }

  @Test("text that is neither an id, a name nor a code is refused")
  func neutral() {
    var records = Array(repeating: AuditRecord(action: .profileUpdated), count: 10)
    records[0].outcome = "maybe"
    records[1].purpose = "because Ana asked"
    records[2].fields = ["José"]
    records[3].codes = ["status": "ana@example.com"]
    records[4].codes = ["a name": "x"]
    records[5].policy = .init(id: "", version: "1")
    records[6].action = AuditAction(rawValue: "Profile")
    records[7].subjectCount = -1
    records[8].action = AuditAction(rawValue: "profile..updated")
    records[9].codes = ["status": String(repeating: "a", count: 257)]
    for record in records {
      #expect(AuditError.code { _ = try record.body() } == .notNeutral)
    }
  }

  @Test("a record that no entry could hold is refused")
  func tooLarge() {
    let fields = (0..<2000).map { "field_\($0)_" + String(repeating: "x", count: 40) }
    #expect(AuditError.code { _ = try AuditRecord(action: .logRead, fields: fields).body() } == .tooLarge)
  }

  @Test(
    "bodies that are not exactly canonical are refused",
    arguments: [
      "", "{}", "[]", #"{"outcome":"ok","action":"log.read"}"#, #"{"action":"log.read", "outcome":"ok"}"#,
      #"{"action":"log.read","outcome":"ok","who":"x"}"#, #"{"action":"log.read","outcome":1}"#,
      #"{"action":"log.read","actor":"AB000000-0000-4000-8000-000000000002","outcome":"ok"}"#,
      #"{"action":"log.read","actor":null,"outcome":"ok"}"#, #"{"action":"log.read","fields":[],"outcome":"ok"}"#,
      #"{"action":"log.read","fields":[1],"outcome":"ok"}"#, #"{"action":"log.read","codes":{"a":1},"outcome":"ok"}"#,
      #"{"action":"log.read","outcome":"ok","policy":{"id":"x"}}"#,
      #"{"action":"log.read","outcome":"ok","policy":{"id":"x","more":1,"version":"1"}}"#,
      #"{"action":"log.read","outcome":"ok","trace_id":"x"}"#, #"{"action":"log.read","outcome":"ok"}{}"#,
    ])
  func refused(_ text: String) {
    let code = AuditError.code { _ = try AuditRecord(body: Array(text.utf8)) }
    #expect(code == .malformed || code == .notNeutral)
  }

  @Test("actions are two or more lower-case words", arguments: ["a.b", "role.granted", "a.b2.c_d"])
  func action(_ name: String) { #expect(AuditAction(rawValue: name).isWellFormed) }

  @Test("other names are no actions", arguments: ["", "a", "a.", ".a", "a.B", "a b.c", "a.1", "a.é"])
  func notAction(_ name: String) { #expect(!AuditAction(rawValue: name).isWellFormed) }
}
