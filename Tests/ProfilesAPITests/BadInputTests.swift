import Foundation
import ServiceTesting
import StrictJSON
import Testing

/// A body that must be refused. What must come back in no answer and no line of the log contains `kanari`.
struct BadBody: Sendable {
  let name: String
  let body: [UInt8]
  let status: Int
  let problem: String
  let errors: [String]

  /// A body that is no JSON as it is expected.
  static func malformed(_ name: String, _ body: String) -> BadBody {
    BadBody(name: name, body: Array(body.utf8), status: 400, problem: "malformed-json", errors: [])
  }

  /// A body that is no JSON as it is expected, in bytes.
  static func malformed(_ name: String, bytes: [UInt8]) -> BadBody {
    BadBody(name: name, body: bytes, status: 400, problem: "malformed-json", errors: [])
  }

  /// JSON with wrong members.
  static func invalid(_ body: String, _ errors: String...) -> BadBody {
    BadBody(
      name: String(body.prefix(60)), body: Array(body.utf8), status: 422, problem: "invalid-fields", errors: errors)
  }

  /// Bodies that no route accepts.
  static let everywhere: [BadBody] = [
    .malformed("cut short", #"{"full_name":"kanari"#),
    .malformed("a name twice", #"{"full_name":"kanari","full_name":"kanari"}"#),
    .malformed("a name twice, once escaped", #"{"full_name":"kanari","full\u005fname":"kanari"}"#),
    .malformed("a name twice, nested", #"{"full_name":{"a":"kanari","a":1}}"#),
    .malformed("text after the object", #"{"full_name":"kanari"} kanari"#),
    .malformed("two objects", #"{"full_name":"kanari"}{"full_name":"kanari"}"#),
    .malformed("a comment", #"{"full_name":"kanari"/* kanari */}"#),
    .malformed("a comma too many", #"{"full_name":"kanari",}"#),
    .malformed("single quotes", "{'full_name':'kanari'}"),
    .malformed("bare text", "kanari"),
    .malformed("form fields", "full_name=kanari&email=kanari@example.org"),
    .malformed("white space only", "  \n "),
    .malformed("a byte-order mark", bytes: [0xEF, 0xBB, 0xBF] + Array(#"{"full_name":"kanari"}"#.utf8)),
    .malformed("UTF-16", bytes: [0xFF, 0xFE] + Array(#"{"full_name":"kanari"}"#.utf16).flatMap { [UInt8($0), 0] }),
    .malformed(
      "bytes that are no UTF-8", bytes: Array(#"{"full_name":"kanari"#.utf8) + [0xC3, 0x28] + Array("\"}".utf8)),
    .malformed("an overlong form", bytes: Array(#"{"full_name":"kanari"#.utf8) + [0xC0, 0xAF] + Array("\"}".utf8)),
    .malformed("half a surrogate pair", #"{"full_name":"kanari\ud800"}"#),
    .malformed("a NUL", #"{"full_name":"kanari\u0000"}"#),
    .malformed("a raw line feed in a string", "{\"full_name\":\"kanari\n\"}"),
    .malformed("a number beyond all bounds", #"{"full_name":"kanari","x":1e999}"#),
    .malformed("an integer beyond 64 bits", #"{"full_name":"kanari","x":99999999999999999999}"#),
    .malformed("a number with a leading zero", #"{"full_name":"kanari","x":07}"#),
    .malformed("not a number", #"{"full_name":"kanari","x":NaN}"#),
    .malformed(
      "nine levels",
      #"{"x":"# + String(repeating: "[", count: 8) + #""kanari""# + String(repeating: "]", count: 8) + "}"),
    .malformed("ten thousand levels", String(repeating: "[", count: 10_000) + "\"kanari\""),
    .malformed(
      "three hundred members", "{" + (0..<300).map { "\"kanari\($0)\":1" }.joined(separator: ",") + "}"),
    .invalid(#"["kanari"]"#, " type"),
    .invalid("[]", " type"),
  ]

  /// Members of a profile that are wrong whether it is made or changed.
  static let members: [BadBody] = [
    .invalid(#"{"full_name":7319021}"#, "/full_name type"),
    .invalid(#"{"full_name":true}"#, "/full_name type"),
    .invalid(#"{"full_name":["kanari"]}"#, "/full_name type"),
    .invalid(#"{"full_name":{"kanari":"kanari"}}"#, "/full_name type"),
    .invalid(#"{"full_name":""}"#, "/full_name too_short"),
    .invalid(#"{"full_name":" \u00a0\u2003 "}"#, "/full_name too_short"),
    .invalid(#"{"full_name":"kanari\u0007"}"#, "/full_name format"),
    .invalid(#"{"full_name":"kanari\u2028kanari"}"#, "/full_name format"),
    .invalid(#"{"full_name":"kanari"# + String(repeating: "n", count: 135) + "\"}", "/full_name too_long"),
    .invalid(#"{"full_name":"kanari"# + String(repeating: "😀", count: 135) + "\"}", "/full_name too_long"),
    .invalid(#"{"full_name":"Zoë","email":7319021}"#, "/email type"),
    .invalid(#"{"full_name":"Zoë","email":""}"#, "/email too_short"),
    .invalid(#"{"full_name":"Zoë","email":"kanari"}"#, "/email format"),
    .invalid(#"{"full_name":"Zoë","email":"kanari@localhost"}"#, "/email format"),
    .invalid(#"{"full_name":"Zoë","email":"kanari@@example.org"}"#, "/email format"),
    .invalid(#"{"full_name":"Zoë","email":"kanari nari@example.org"}"#, "/email format"),
    .invalid(#"{"full_name":"Zoë","email":".kanari@example.org"}"#, "/email format"),
    .invalid(#"{"full_name":"Zoë","email":"kanari@[10.0.0.1]"}"#, "/email format"),
    .invalid(#"{"full_name":"Zoë","email":"kanari@-example.org"}"#, "/email format"),
    .invalid(#"{"full_name":"Zoë","email":"Zoë <kanari@example.org>"}"#, "/email format"),
    .invalid(#"{"full_name":"Zoë","email":"kanari@example.org\r\nBcc: kanari@example.org"}"#, "/email format"),
    .invalid(
      #"{"full_name":"Zoë","email":"kanari"# + String(repeating: "a", count: 60) + #"@example.org"}"#, "/email format"),
    .invalid(
      #"{"full_name":"Zoë","email":"kanari@"# + String(repeating: "a.", count: 160) + #"org"}"#, "/email too_long"),
    .invalid(#"{"full_name":"Zoë","phone":51999000111}"#, "/phone type"),
    .invalid(#"{"full_name":"Zoë","phone":"kanari"}"#, "/phone format"),
    .invalid(#"{"full_name":"Zoë","phone":"999731902"}"#, "/phone format"),
    .invalid(#"{"full_name":"Zoë","phone":"0051999731902"}"#, "/phone format"),
    .invalid(#"{"full_name":"Zoë","phone":"+0511999731902"}"#, "/phone format"),
    .invalid(#"{"full_name":"Zoë","phone":"+44 (0)20 7319 0211"}"#, "/phone format"),
    .invalid(#"{"full_name":"Zoë","phone":"+7319021"}"#, "/phone format"),
    .invalid(#"{"full_name":"Zoë","phone":"+7319021731902173"}"#, "/phone format"),
    .invalid(#"{"full_name":"Zoë","phone":"+51 999 000 111 ext. kanari"}"#, "/phone format"),
    .invalid(#"{"full_name":"Zoë","phone":"+5199973190211111111111111111111111"}"#, "/phone too_long"),
    .invalid(#"{"full_name":"Zoë","identity":7319021}"#, "/identity type"),
    .invalid(#"{"full_name":"Zoë","identity":" "}"#, "/identity too_short"),
    .invalid(#"{"full_name":"Zoë","identity":"kanari\t"}"#, "/identity format"),
    .invalid(
      #"{"full_name":"Zoë","identity":"kanari"# + String(repeating: "i", count: 250) + "\"}", "/identity too_long"),
    .invalid(#"{"full_name":"Zoë","country":"pe"}"#, "/country not_allowed"),
    .invalid(#"{"full_name":"Zoë","country":"ZZ"}"#, "/country not_allowed"),
    .invalid(#"{"full_name":"Zoë","country":"kanari"}"#, "/country too_long"),
    .invalid(#"{"full_name":"Zoë","country":51}"#, "/country type"),
    .invalid(#"{"full_name":"Zoë","language":"ES"}"#, "/language not_allowed"),
    .invalid(#"{"full_name":"Zoë","language":"tlh"}"#, "/language not_allowed"),
    .invalid(#"{"full_name":"Zoë","language":["kanari"]}"#, "/language type"),
    .invalid(#"{"full_name":"Zoë","zip":"kanari"}"#, "/zip unknown"),
    .invalid(#"{"full_name":"Zoë","status":"active"}"#, "/status unknown"),
    .invalid(#"{"full_name":"Zoë","tenant_id":"kanari"}"#, "/tenant_id unknown"),
    .invalid(#"{"full_name":"Zoë","Email":"kanari@example.org"}"#, " unknown"),
    .invalid(#"{"full_name":"Zoë","kanari@example.org":true}"#, " unknown"),
    .invalid(#"{"full_name":"Zoë","Zoë Kanari \"kanari\"":true}"#, " unknown"),
    .invalid(
      #"{"full_name":"","email":"kanari","phone":"kanari","identity":7319021,"country":"ZZ","language":"q","kanari 1":1}"#,
      "/full_name too_short", "/email format", "/phone format", "/identity type", "/country not_allowed",
      "/language not_allowed", " unknown"),
  ]
}

@Suite("Bad input: an exact refusal, nothing written, no value repeated")
struct BadInputTests {
  /// Sends each body to a route and asserts its refusal, that nothing was written, and that no value came back or went
  /// into the log.
  private func expectRefusals(
    _ bodies: [BadBody], _ scene: Scene, _ method: String, _ path: String, headers: [(String, String)] = []
  ) async throws {
    // The first request makes the actor, the first claim the day's key.
    let warm = try await scene.running.call(
      "POST", "/profiles/\(UUID().uuidString):lock", as: scene.admin)
    warm.expectProblem(404, "not-found")
    let before = try await scene.contents()
    for bad in bodies {
      let answer = try await send(bad.body, scene, method, path, headers)
      answer.expectProblem(bad.status, bad.problem, bad.errors, "\(bad.name)")
      for canary in ["kanari", "7319", "ZZ", "tlh"] {
        let comment: Comment = "\(bad.name): \(canary)"
        let isRepeated = answer.withoutInstance.text.contains(canary)
        #expect(!isRepeated, comment)
        #expect(!answer.hasField(mentioning: "kanari"), comment)
      }
    }
    #expect(try await scene.contents() == before)
    let kept = try await scene.installation.data.sql(
      "SELECT count(*) FROM custody.idempotency WHERE position('kanari'::bytea IN answer_plain) > 0")
    #expect(kept.trimmingCharacters(in: .whitespacesAndNewlines) == "0")
    for line in scene.installation.log.lines {
      #expect(!line.contains("kanari") && !line.contains("7319021"), "\(line)")
    }
  }

  private func send(
    _ body: [UInt8], _ scene: Scene, _ method: String, _ path: String, _ headers: [(String, String)]
  ) async throws -> RunningServer.Answer {
    try await scene.running.send(
      method, path,
      headers: headers + [("Content-Type", "application/json"), ("Idempotency-Key", UUID().uuidString)]
        + scene.admin.credentials(method, path), body: body)
  }

  @Test("a profile is not made from a body that is malformed or of which a member is wrong")
  func creation() async throws {
    try await withScene { scene in
      try await expectRefusals(
        BadBody.everywhere + BadBody.members + [
          .invalid("{}", "/full_name required"),
          .invalid(#"{"full_name":null}"#, "/full_name type"),
          .invalid(#"{"email":"kanari@example.org"}"#, "/full_name required"),
          .invalid(#"{"full_name":"Zoë","email":null}"#, "/email type"),
          .invalid(#"{"full_name":"Zoë","id":"kanari"}"#, "/id unknown"),
        ], scene, "POST", "/profiles")
      let empty = try await send([], scene, "POST", "/profiles", [])
      empty.expectProblem(400, "malformed-json")
    }
  }

  @Test("a profile is not changed by a body that is malformed or of which a member is wrong")
  func change() async throws {
    try await withScene { scene in
      let id = try await scene.createdID(["email": "zoe@example.org"])
      try await expectRefusals(
        BadBody.everywhere + BadBody.members + [
          .invalid(#"{"full_name":null}"#, "/full_name type"),
          .invalid(#"{"version":2}"#, "/version unknown"),
          .invalid(#"{"email":null,"phone":"kanari"}"#, "/phone format"),
        ], scene, "PATCH", "/profiles/\(id)", headers: [("If-Match", "\"1\"")])
    }
  }

  @Test("a search for what can't be an address or a number is refused")
  func search() async throws {
    try await withScene { scene in
      try await expectRefusals(
        BadBody.everywhere.filter { $0.status == 400 } + [
          .invalid("[]", " type", "/email required"),
          .invalid(#"{"email":"kanari"}"#, "/email format"),
          .invalid(#"{"email":7319021}"#, "/email type"),
          .invalid(#"{"phone":"7319021"}"#, "/phone format"),
          .invalid(#"{"email":"kanari@example.org","like":"kanari%"}"#, "/like unknown"),
          .invalid(#"{"kanari@example.org":"kanari"}"#, "/email required", " unknown"),
        ], scene, "POST", "/profiles:search")
    }
  }

  @Test("a request of a data subject is not opened from a body that is wrong")
  func opening() async throws {
    try await withScene { scene in
      let id = try await scene.createdID()
      try await expectRefusals(
        BadBody.everywhere.filter { $0.status == 400 } + [
          .invalid("[]", " type"),
          .invalid("{}", "/type required", "/profile_id required"),
          .invalid(#"{"type":"kanari","profile_id":"\#(id)"}"#, "/type not_allowed"),
          .invalid(#"{"type":"Erasure","profile_id":"\#(id)"}"#, "/type not_allowed"),
          .invalid(#"{"type":7319021,"profile_id":"\#(id)"}"#, "/type type"),
          .invalid(#"{"type":"access","profile_id":"kanari"}"#, "/profile_id format"),
          .invalid(#"{"type":"access","profile_id":"{\#(id)}"}"#, "/profile_id format"),
          .invalid(#"{"type":"access","profile_id":7319021}"#, "/profile_id type"),
          .invalid(#"{"type":"access","profile_id":"\#(id)","jurisdiction":"ZZ"}"#, "/jurisdiction not_allowed"),
          .invalid(#"{"type":"access","profile_id":"\#(id)","jurisdiction":"kanari"}"#, "/jurisdiction too_long"),
          .invalid(#"{"type":"access","profile_id":"\#(id)","note":7319021}"#, "/note type"),
          .invalid(
            #"{"type":"access","profile_id":"\#(id)","note":"\#(String(repeating: "kanari ", count: 286))"}"#,
            "/note too_long"),
          .invalid(#"{"type":"access","profile_id":"\#(id)","state":"completed"}"#, "/state unknown"),
        ], scene, "POST", "/privacy/data")
    }
  }

  @Test("a verification names one of the ways there are")
  func verification() async throws {
    try await withScene { scene in
      let profile = try await scene.createdID()
      let opened = try await scene.running.call(
        "POST", "/privacy/data", as: scene.admin, body: #"{"type":"access","profile_id":"\#(profile)"}"#)
      let id = try #require(opened.json["id"]?.string)
      try await expectRefusals(
        BadBody.everywhere.filter { $0.status == 400 } + [
          .invalid("{}", "/method required"),
          .invalid(#"{"method":"kanari"}"#, "/method not_allowed"),
          .invalid(#"{"method":["document"]}"#, "/method type"),
          .invalid(#"{"method":"document","by":"kanari"}"#, "/by unknown"),
        ], scene, "POST", "/privacy/data/\(id):verify")
      let empty = try await send([], scene, "POST", "/privacy/data/\(id):verify", [])
      empty.expectProblem(400, "malformed-json")
    }
  }

  @Test(
    "where no body is meant, nothing and an empty object pass and everything else is refused",
    arguments: ["/profiles/{profile}:activate", "/privacy/data/{request}:approve", "/privacy/data/{request}:execute"])
  func noBody(template: String) async throws {
    try await withScene { scene in
      let profile = try await scene.createdID()
      let request = try await scene.openedRequest("erasure", about: profile, by: scene.admin)
      let path = template.replacing("{profile}", with: profile).replacing("{request}", with: request)
      try await expectRefusals(
        BadBody.everywhere + [
          .invalid(#"{"reason":"kanari"}"#, "/reason unknown"), .invalid(#"{"kanari@example.org":1}"#, " unknown"),
        ], scene, "POST", path)
      let object = try await send(Array("{}".utf8), scene, "POST", path, [])
      #expect(![400, 415, 422].contains(object.status))
    }
  }

  @Test(
    "a body of another type, or of none, is 415",
    arguments: ["text/plain", "application/x-www-form-urlencoded", "application/json5", "text/json", "kanari", ""])
  func contentType(type: String) async throws {
    try await withScene { scene in
      let before = try await scene.contents()
      for (method, path) in [("POST", "/profiles"), ("POST", "/profiles:search")] {
        let answer = try await scene.running.send(
          method, path,
          headers: (type.isEmpty ? [] : [("Content-Type", type)]) + [("Idempotency-Key", UUID().uuidString)]
            + scene.admin.credentials(method, path), body: Array(#"{"full_name":"Zoë"}"#.utf8))
        answer.expectProblem(415, "unsupported-media-type")
        #expect(!answer.text.contains("kanari"))
      }
      let twice = try await scene.running.send(
        "POST", "/profiles",
        headers: [
          ("Content-Type", "application/json"), ("Content-Type", "application/json"),
          ("Idempotency-Key", UUID().uuidString),
        ] + scene.admin.credentials("POST", "/profiles"), body: Array(#"{"full_name":"Zoë"}"#.utf8))
      twice.expectProblem(415, "unsupported-media-type")
      #expect(try await scene.contents().split(separator: "\n")[3] == before.split(separator: "\n")[3])
    }
  }

  @Test("parameters and the merge-patch type are accepted, in any case")
  func acceptedTypes() async throws {
    try await withScene { scene in
      for type in ["application/json; charset=utf-8", "Application/JSON", "application/merge-patch+json"] {
        let answer = try await scene.running.send(
          "POST", "/profiles",
          headers: [("Content-Type", type), ("Idempotency-Key", UUID().uuidString)]
            + scene.admin.credentials("POST", "/profiles"), body: Array(#"{"full_name":"Zoë"}"#.utf8))
        #expect(answer.status == 201, "\(type)")
      }
    }
  }

  @Test("a body larger than 65,536 bytes is 413, one of exactly that many is read")
  func tooLarge() async throws {
    try await withScene { scene in
      func body(_ count: Int) -> [UInt8] {
        let frame = #"{"full_name":"Zoë","kanari 1":""}"#
        return Array(#"{"full_name":"Zoë","kanari 1":""#.utf8)
          + [UInt8](repeating: UInt8(ascii: "k"), count: count - frame.utf8.count) + Array("\"}".utf8)
      }
      let fits = try await send(body(65_536), scene, "POST", "/profiles", [])
      fits.expectProblem(422, "invalid-fields", [" unknown"])
      for count in [65_537, 300_000] {
        let answer = try await send(body(count), scene, "POST", "/profiles", [])
        answer.expectProblem(413, "too-large", [], "\(count)")
      }
      // The server goes on.
      try await scene.create()
    }
  }

  @Test("ids of nothing and text that is no id answer the same 404 on every route with an id")
  func unknownIDs() async throws {
    try await withScene { scene in
      _ = try await scene.running.call("POST", "/profiles/\(UUID().uuidString):lock", as: scene.admin)
      let before = try await scene.contents()
      for route in ListedRoute.all where route.hasID {
        let unknown = try await route.call(scene.running, UUID().uuidString.lowercased(), as: scene.admin)
        unknown.expectProblem(404, "not-found", [], "\(route.testDescription)")
        for id in [
          "kanari", "1", "%00", "kanari%40example.org", "{00000000-0000-4000-8000-000000000000}".percentEncoded,
          "00000000000040008000000000000000", "00000000-0000-4000-8000-00000000000g",
          "00000000-0000-4000-8000-000000000000%20", "%2e%2e%2fme", "..%2F..%2Fme", "'%20OR%201=1--",
        ] {
          let answer = try await route.call(scene.running, id, as: scene.admin)
          answer.expectProblem(404, "not-found", [], "\(route.testDescription) \(id)")
          #expect(answer.withoutInstance == unknown.withoutInstance, "\(route.testDescription) \(id)")
        }
      }
      #expect(try await scene.contents() == before)
      #expect(!scene.installation.log.mentions("kanari"))
    }
  }

  @Test("a path that is no route, or not by that method, is a 404 problem document")
  func unknownRoutes() async throws {
    try await withScene { scene in
      let id = try await scene.createdID()
      for (method, path) in [
        ("GET", "/"), ("GET", "/kanari"), ("GET", "/kanari@example.org"), ("GET", "/profile"),
        ("GET", "/profiles/\(id)/kanari"), ("POST", "/profiles/\(id):kanari"), ("POST", "/profiles/\(id)"),
        ("PUT", "/profiles/\(id)"), ("DELETE", "/profiles/\(id)"), ("DELETE", "/profiles"), ("PATCH", "/profiles"),
        ("GET", "/profiles:search"), ("GET", "/profiles/\(id):activate"), ("POST", "/me"), ("PUT", "/privacy/data"),
        ("GET", "/privacy"), ("POST", "/privacy/data/\(id)"), ("POST", "/privacy/data/\(id)/certificate"),
        ("POST", "/audit/key"), ("GET", "/audit/tile"), ("OPTIONS", "/profiles"), ("TRACE", "/profiles"),
        ("POST", "/health/live"),
      ] {
        let answer = try await scene.running.call(method, path, as: scene.admin)
        answer.expectProblem(404, "not-found", [], "\(method) \(path)")
        #expect(!answer.text.contains("kanari"))
      }
      #expect(!scene.installation.log.mentions("kanari"))
    }
  }

  @Test("a path with an empty segment is 400, and one that climbs leads nowhere")
  func oddPaths() async throws {
    try await withScene { scene in
      for path in ["//profiles", "/profiles//", "/privacy//data", "//", "/audit/tile//0/000"] {
        let answer = try await scene.running.call("GET", path, as: scene.admin)
        answer.expectProblem(400, "path", [], "\(path)")
      }
      for path in [
        "/audit/tile/%2e%2e/%2e%2e/signing-key.pem", "/audit/tile/..%2F..%2F..%2Fkeyring", "/audit/tile/0/kanari",
        "/audit/tile/0/%00", "/audit/tile/0/999999999999999999999", "/audit/tile/0/000.p/0", "/audit/tile/0/000%00",
        "/audit/tile/entries/../0/000",
      ] {
        let answer = try await scene.running.call("GET", path, as: scene.admin)
        #expect(answer.status == 404, "\(path)")
        #expect(answer.problem == "not-found", "\(path)")
      }
    }
  }
}

extension String {
  /// Percent-encoded for a path.
  fileprivate var percentEncoded: String { addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? "" }
}

extension JSONValue {
  /// The canonical text.
  var text: String { (try? canonicalBytes()).map { String(decoding: $0, as: UTF8.self) } ?? "" }
}
