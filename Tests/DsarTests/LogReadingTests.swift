import Audit
import Foundation
import Signing
import StrictJSON
import Testing

@testable import dsar

@Suite("reading the log")
struct LogReadingTests {
  private static let id = "7a0df9dc-9d53-40a6-9a0f-919cfb5331b4"
  private let scratch: Scratch
  private let identity: TestIdentity

  init() throws {
    scratch = try Scratch()
    identity = try TestIdentity()
  }

  private func dsar(_ arguments: String...) async throws -> DsarProcess.Result {
    try await DsarProcess.run(arguments, in: scratch)
  }

  private func serve(_ route: @escaping FakeService.Route) async throws -> LoopbackServer {
    let server = try LoopbackServer(identity, route)
    try scratch.write("token", try identity.token())
    try scratch.write("key.pem", String(decoding: try identity.key.privatePEM(), as: UTF8.self))
    let login = try await dsar("login", "--server", server.origin, "--token-file", "token", "--key-file", "key.pem")
    try #require(login.status == 0)
    return server
  }

  // MARK: Lists

  @Test(
    "dates are days in UTC, of which the last one still counts; times are passed on",
    arguments: [
      ("2026-11-21", "2026-11-21T00:00:00Z", "2026-11-22T00:00:00Z"),
      ("2024-02-29", "2024-02-29T00:00:00Z", "2024-03-01T00:00:00Z"),
      ("2026-12-31", "2026-12-31T00:00:00Z", "2027-01-01T00:00:00Z"),
      ("2026-11-21T09:42:54Z", "2026-11-21T09:42:54Z", "2026-11-21T09:42:54Z"),
      ("2026-11-21T09:42:54.5+01:00", "2026-11-21T09:42:54.5+01:00", "2026-11-21T09:42:54.5+01:00"),
    ])
  func moments(text: String, start: String, end: String) throws {
    let moment = try #require(LogMoment(argument: text))
    #expect(moment.start == start)
    #expect(moment.end == end)
  }

  @Test(
    "what is no date or time is refused",
    arguments: [
      "", "today", "2026-11", "2026-02-30", "2026-13-01", "2026-1-1", "2026-11-21T", "2026-11-21 09:42:54",
      "2026-11-21T09:42:54Z&limit=1",
    ])
  func noMoments(text: String) { #expect(LogMoment(argument: text) == nil) }

  @Test("an action is a name or a family of names")
  func actions() {
    for text in ["profile.created", "personal_data.*", "log.*", "a.b.c"] {
      #expect(LogActionName(argument: text)?.text == text)
    }
    for text in ["", "*", ".", "profile.", "Profile.created", "a.*.b", "profile.created&x=1", "a b"] {
      #expect(LogActionName(argument: text) == nil)
    }
  }

  @Test("a listing follows the cursors up to its limit, also past an empty page")
  func pages() async throws {
    let service = try FakeService(identity) { request in
      let number = request.target.split(separator: "cursor=").count > 1 ? Int(request.target.suffix(1)) ?? 0 : 0
      let items = number == 1 ? "" : #"{"seq":\#(9 - 2 * number)},{"seq":\#(8 - 2 * number)}"#
      return .ok(#"{"items":[\#(items)],"next":\#(number < 4 ? "\"c\(number + 1)\"" : "null")}"#)
    }
    let client = try service.client()
    let query = EntryQuery(
      subject: ResourceID(argument: Self.id.uppercased()), actor: ResourceID(argument: Self.id),
      action: LogActionName(argument: "personal_data.*"), from: LogMoment(argument: "2026-11-01T00:00:00+01:00"),
      to: LogMoment(argument: "2026-11-30"), showsValues: true)
    let some = try await query.entries(client, limit: 5)
    #expect(some.items.compactMap { $0["seq"]?.integer } == [9, 8, 5, 4, 3])
    #expect(some.isMore)
    let all = try await query.entries(client, limit: 500)
    #expect(all.items.compactMap { $0["seq"]?.integer } == [9, 8, 5, 4, 3, 2, 1, 0])
    #expect(!all.isMore)
    let filter =
      "&subject=\(Self.id)&actor=\(Self.id)&action=personal_data.*&from=2026-11-01T00:00:00%2B01:00"
      + "&to=2026-12-01T00:00:00Z&show=values"
    #expect(
      service.requests.prefix(4).map(\.target) == [
        "/audit/entries?limit=5\(filter)", "/audit/entries?limit=3\(filter)&cursor=c1",
        "/audit/entries?limit=3\(filter)&cursor=c2", "/audit/entries?limit=1\(filter)&cursor=c3",
      ])
  }

  @Test("the list as a table, as CSV without formulas, and as JSON")
  func formats() async throws {
    let items = [
      #"{"seq":8,"time":"2026-11-21T09:42:54.000001Z","action":"personal_data.read","outcome":"ok","actor":"a1","#
        + #""subject":"s1","purpose":"support","request_id":"r1","fields":["name","email"],"codes":{"role":"agent"},"#
        + #""policy":{"id":"p","version":"2"},"leaf_hash":"=x","values":{"name":"=A***","email":"a\"b,c"}}"#,
      #"{"seq":7,"time":"2026-11-21T09:42:53.000000Z","action":"personal_data.searched","outcome":"ok","actor":null,"#
        + #""subject":null,"subject_count":3,"fields":[],"codes":{},"policy":null,"leaf_hash":"y","erased":true}"#,
      #"{"seq":6,"time":null,"unreadable":true,"fields":[],"codes":{},"leaf_hash":"z"}"#,
    ]
    let server = try await serve { _ in .ok(#"{"items":[\#(items.joined(separator: ","))],"next":null}"#) }
    let table = try await dsar("audit", "list")
    #expect(
      table.output == """
        TIME                         SEQ  ACTION                  ACTOR  SUBJECT       PURPOSE  OUTCOME
        2026-11-21T09:42:54.000001Z  8    personal_data.read      a1     s1            support  ok
        2026-11-21T09:42:53.000000Z  7    personal_data.searched  -      (3 subjects)  -        ok
        -                            6    (unreadable)            -      -             -        -

        """)
    let csv = try await dsar("audit", "list", "--values", "--csv")
    #expect(
      csv.output == """
        time,seq,action,actor,subject,purpose,outcome,request_id,fields,codes,policy,subject_count,leaf_hash,values
        2026-11-21T09:42:54.000001Z,8,personal_data.read,a1,s1,support,ok,r1,name email,role=agent,p 2,,'=x,\
        "name==A*** email=a""b,c"
        2026-11-21T09:42:53.000000Z,7,personal_data.searched,,,,ok,,,,,3,y,(erased)
        ,6,,,,,,,,,,,z,

        """)
    let json = try await dsar("audit", "list", "--json", "--limit", "2")
    let document = try JSONValue(parsing: Array(json.output.utf8))
    #expect(document["items"]?.array?.count == 2)
    #expect(document["more"]?.bool == true)
    #expect(try await dsar("audit", "list", "--csv", "--json").status == 64)
    #expect(try await dsar("audit", "list", "--from", "yesterday").status == 64)
    #expect(server.service.requests.map(\.target).last == "/audit/entries?limit=2")
  }

  // MARK: One entry

  private func sample(_ count: Int = 300) throws -> SampleLog {
    var log = try SampleLog(archive: scratch.file("archive"))
    try log.appendErasure()
    try log.publish(upTo: count)
    return log
  }

  @Test("an entry is shown from its verified bytes, with a warning when the key is the server's")
  func show() async throws {
    let log = try sample()
    let server = try await serve(log.route)
    let given = try await dsar("audit", "show", "1", "--key", try log.key.text)
    #expect(given.status == 0)
    #expect(given.notes.isEmpty)
    #expect(given.output.contains("action      erasure.completed\n"))
    #expect(given.output.contains("time        2025-12-31T00:00:01.000000Z\n"))
    #expect(given.output.hasSuffix("\nvalid\n"))
    let fetched = try await dsar("audit", "show", "1", "--json")
    #expect(fetched.status == 0)
    #expect(fetched.notes.hasPrefix("WARNING: "))
    let json = try JSONValue(parsing: Array(fetched.output.utf8))
    #expect(json["authorship"]?.string == "unproved")
    #expect(json["record"]?["action"]?.string == "erasure.completed")
    #expect(json["checkpoint_size"]?.integer == 300)
    let other = try SampleLog(archive: scratch.file("other"), seed: 2)
    #expect(try await dsar("audit", "show", "1", "--key", try other.key.text).status == 2)
    #expect(try await dsar("audit", "show", "-1").status == 64)
    #expect(
      server.service.requests.map(\.target) == [
        "/audit/entries/1", "/audit/receipts/1", "/audit/key", "/audit/entries/1", "/audit/receipts/1",
        "/audit/entries/1", "/audit/receipts/1",
      ])
  }

  @Test("an entry that no checkpoint covers yet, or that isn't there, is the server's refusal")
  func notThere() async throws {
    var log = try sample(5)
    try log.append()
    let server = try await serve(log.route)
    let unpublished = try await dsar("audit", "show", "5")
    #expect(unpublished.status == 1)
    #expect(unpublished.notes.contains("dsar: 409 not-published: "))
    #expect(try await dsar("audit", "show", "77").status == 1)
    #expect(server.service.requests.map(\.target).contains("/audit/entries/77"))
  }

  /// What a service may do to an answer.
  enum Lie: CaseIterable, Sendable {
    case body, hash, otherEntry, otherReceipt, path, checkpoint
  }

  @Test("an entry, a hash or a receipt that was changed, and another entry's, end with 2", arguments: Lie.allCases)
  func lies(lie: Lie) async throws {
    let log = try sample(20)
    let route = log.route
    let service = try FakeService(identity) { request in
      func other(_ path: String) throws -> Answer {
        var request = request
        request.target = "/audit/\(path)/7"
        return try route(request)
      }
      func edited(_ from: String, _ to: String) throws -> Answer {
        var answer = try route(request)
        let text = String(decoding: answer.body, as: UTF8.self)
        answer.body = Array(text.replacing(from, with: to).utf8)
        return answer
      }
      let isEntry = request.target.hasPrefix("/audit/entries/")
      let isReceipt = request.target.hasPrefix("/audit/receipts/")
      let bytes = log.entries[6]
      switch lie {
      case .body where isEntry:
        let text = String(decoding: bytes, as: UTF8.self).replacing("profile.updated", with: "profile.created")
        let changed = Array(text.utf8)
        let document: JSONValue = [
          "entry": .string(StrictBase64.encode(changed, .standard)),
          "leaf_hash": .string(MerkleTree.leafHash(changed).base64),
        ]
        return .ok(document.prettyText())
      case .hash where isEntry:
        return try edited(MerkleTree.leafHash(bytes).base64, MerkleTree.leafHash([]).base64)
      case .otherEntry where isEntry || isReceipt:
        return try other(isEntry ? "entries" : "receipts")
      case .otherReceipt where isReceipt: return try other("receipts")
      case .path where isReceipt:
        return try edited(MerkleTree.leafHash(log.entries[7]).base64, MerkleTree.leafHash([]).base64)
      case .checkpoint where isReceipt: return try edited("\n20\n", "\n21\n")
      default: return try route(request)
      }
    }
    let client = try service.client()
    let keys = [try log.key]
    let failed = await failure { _ = try await ProvenEntry.download(6, client, keys: keys) }
    #expect(failed?.status == .notValid)
    #expect(failed?.line.hasPrefix("entry 6: ") == true)
  }

  @Test("a receipt is kept with its entry, and verifies offline with nothing but files")
  func receipts() async throws {
    let log = try sample()
    let server = try await serve(log.route)
    try scratch.write("vkey", try log.key.text + "\n")
    let kept = try await dsar("audit", "receipt", "1", "--key", "@vkey")
    #expect(kept.status == 0)
    #expect(try Array(scratch.text("1.tlog-proof.entry").utf8) == log.entries[1])
    #expect(try scratch.text("1.tlog-proof") == log.writer.inclusionReceipt(sequence: 1).text)
    #expect(try await dsar("audit", "receipt", "1", "--key", "@vkey").status == 1)
    #expect(try await dsar("audit", "receipt", "2", "--out", "two", "--key", "@vkey", "--json").status == 0)

    // No session from here on.
    let asked = server.service.requests.count
    try FileManager.default.removeItem(atPath: scratch.file("config"))
    let verify = ["audit", "receipt", "verify"]
    func check(_ receipt: String, _ entry: String, _ key: String = "@vkey") async throws -> Int32 {
      try await DsarProcess.run(verify + [receipt, "--entry", entry, "--key", key], in: scratch).status
    }
    #expect(try await check("1.tlog-proof", "1.tlog-proof.entry") == 0)
    #expect(try await check("1.tlog-proof", "two.entry") == 2)
    #expect(try await check("two", "two.entry") == 0)
    let other = try SampleLog(archive: scratch.file("other"), seed: 2)
    #expect(try await check("two", "two.entry", try other.key.text) == 2)
    #expect(try await check("nothing", "two.entry") == 1)
    let text = try scratch.text("two")
    try scratch.write("tampered", text.replacing("index 2\n", with: "index 3\n"))
    #expect(try await check("tampered", "two.entry") == 2)
    try scratch.write("tampered", text + "\n")
    #expect(try await check("tampered", "two.entry") == 2)
    #expect(try await DsarProcess.run(verify + ["two", "--entry", "two.entry"], in: scratch).status == 64)
    #expect(server.service.requests.count == asked)
  }
}
