import Foundation
import Signing
import StrictJSON
import Testing

@testable import dsar

@Suite("the program and a service")
struct OnlineCommandTests {
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

  /// Starts a service and logs in to it.
  private func serve(_ route: @escaping FakeService.Route) async throws -> LoopbackServer {
    let server = try LoopbackServer(identity, route)
    try scratch.write("token", try identity.token())
    try scratch.write("key.pem", String(decoding: try identity.key.privatePEM(), as: UTF8.self))
    let login = try await dsar(
      "login", "--server", server.origin, "--token-file", "token", "--key-file", "key.pem")
    try #require(login.status == 0)
    return server
  }

  private static func request(_ state: String, type: String = "access") -> String {
    #"{"id":"\#(id)","type":"\#(type)","state":"\#(state)","profile_id":"p","opened_at":"t","note":"private""#
      + #","erasure":{"step":"certified","certificate":"issued"}}"#
  }

  @Test("opening, verifying, approving and executing send what the service expects")
  func requests() async throws {
    let server = try await serve { request in
      let type = request.target.hasSuffix(":execute") ? "erasure" : "access"
      return .ok(Self.request("received", type: type))
    }
    try scratch.write("note", "called back\n")
    let open = try await dsar(
      "request", "open", "--type", "erasure", "--profile", Self.id.uppercased(), "--jurisdiction", "DE",
      "--note-file", "note")
    #expect(open.status == 0)
    #expect(open.output.hasPrefix("request      \(Self.id)\ntype         access\nstate        received\n"))
    #expect(!open.output.contains("private"))
    #expect(try await dsar("request", "verify", Self.id, "--method", "in_person").status == 0)
    #expect(try await dsar("request", "approve", Self.id).status == 0)
    #expect(try await dsar("request", "execute", Self.id, "--wait").status == 0)
    let shown = try await dsar("request", "show", Self.id, "--note", "--json")
    #expect(shown.output.contains("\"note\": \"private\""))

    let sent = server.service.requests
    #expect(
      sent.map { "\($0.method) \($0.target)" } == [
        "POST /privacy/data", "POST /privacy/data/\(Self.id):verify", "POST /privacy/data/\(Self.id):approve",
        "POST /privacy/data/\(Self.id):execute", "GET /privacy/data/\(Self.id)", "GET /privacy/data/\(Self.id)",
      ])
    let body: JSONValue = [
      "type": "erasure", "profile_id": .string(Self.id), "jurisdiction": "DE", "note": "called back",
    ]
    #expect(try JSONValue(parsing: sent[0].body) == body)
    #expect(try JSONValue(parsing: sent[1].body) == ["method": "in_person"])
    #expect(sent[2].body.isEmpty)
  }

  @Test("a list shows one page, or all of them")
  func lists() async throws {
    let server = try await serve { request in
      let next = request.target.contains("cursor=") ? "null" : #""AbC-_""#
      return .ok(#"{"items":[\#(Self.request("received"))],"next":\#(next)}"#)
    }
    let page = try await dsar("request", "list", "--state", "needs_approval", "--type", "erasure", "--limit", "7")
    #expect(page.status == 0)
    #expect(page.output.split(separator: "\n").count == 2)
    #expect(page.notes == "there are more: --all\n")
    let all = try await dsar("request", "list", "--all")
    #expect(all.output.split(separator: "\n").count == 3)
    #expect(all.notes.isEmpty)
    let json = try await dsar("request", "list", "--json")
    #expect(try JSONValue(parsing: Array(json.output.utf8))["next"]?.string == "AbC-_")
    #expect(
      server.service.requests.map(\.target) == [
        "/privacy/data?limit=7&state=needs_approval&type=erasure", "/privacy/data?limit=50",
        "/privacy/data?limit=50&cursor=AbC-_", "/privacy/data?limit=50",
      ])
  }

  @Test("a package that doesn't match its manifest ends with 3, and nothing is written")
  func packages() async throws {
    let sum = SHA256Digest.hash(Array("ab".utf8)).hex
    let good =
      #"{"schema":"access-package/v1","request_id":"\#(Self.id)","files":{"a.txt":"ab"},"#
      + #""manifest":[{"name":"a.txt","bytes":2,"sha256":"\#(sum)"}]}"#
    let spoiled = Self.id.replacing("7a0d", with: "7a0e")
    let server = try await serve { request in
      .ok(
        request.target.contains(spoiled)
          ? good.replacing(Self.id, with: spoiled).replacing("\"ab\"", with: "\"aB\"") : good)
    }
    let exported = try await dsar("export", Self.id, "--out", "package", "--json")
    #expect(exported.status == 0)
    #expect(try scratch.text("package/a.txt") == "ab")
    let differs = try await dsar("export", spoiled, "--out", "other")
    #expect(differs.status == 3)
    #expect(
      differs.notes == "dsar: the package doesn't match its manifest\n  a.txt: its SHA-256 differs\n")
    #expect(!scratch.exists("other"))
    #expect(try await dsar("export", Self.id, "--out", "package").status == 1)
    #expect(server.service.requests.count == 2)
  }

  @Test("a log is exported, brought up to date and verified; a certificate is downloaded once")
  func audit() async throws {
    var log = try SampleLog(archive: scratch.file("archive"))
    try log.appendErasure()
    try log.publish(upTo: 300)
    let certificate = try log.certificate(at: 1).json
    let route = log.route
    let server = try await serve { request in
      request.target.hasSuffix("/certificate") ? .ok(certificate) : try route(request)
    }
    let first = try await dsar("audit", "export", "--out", "copy", "--key", try log.key.text)
    #expect(first.status == 0)
    #expect(first.output.contains("held before  (nothing)"))
    try log.publish(upTo: 310)
    let second = try await dsar("audit", "export", "--out", "copy", "--json")
    #expect(try JSONValue(parsing: Array(second.output.utf8))["held_before"]?.integer == 300)
    let verified = try await dsar("audit", "verify", "copy", "--key", try log.key.text, "--held", "archive/held")
    #expect(verified.status == 1)
    #expect(try await dsar("audit", "verify", "copy", "--key", try log.key.text).status == 0)

    #expect(try await dsar("certificate", "download", Self.id, "--out", "c.json").status == 0)
    #expect(try Array(scratch.text("c.json").utf8) == certificate)
    #expect(try scratch.mode("c.json") == 0o600)
    #expect(try await dsar("certificate", "download", Self.id, "--out", "c.json").status == 1)
    #expect(try await dsar("certificate", "show", Self.id, "--json").output.contains("\"erasure-certificate/v2\""))
    #expect(!server.service.requests.isEmpty)
  }

  @Test("one request: the body whatever the status, the fields when asked, the exit status by the answer")
  func api() async throws {
    let server = try await serve { request in
      request.target == "/gone"
        ? .problem(404, "not-found", "There is no such resource.")
        : Answer(
          status: 200, headers: [("Content-Type", "application/json"), ("ETag", "\"2\"")], body: Array("[1]".utf8))
    }
    let changed = try await dsar(
      "api", "patch", "/profiles/x?y=1", "--if-match", "\"1\"", "--body", "{}", "--include", "--raw")
    #expect(changed.status == 0)
    #expect(changed.output.hasPrefix("HTTP 200\n"))
    #expect(changed.output.contains("ETag: \"2\"\n"))
    #expect(changed.output.hasSuffix("\n\n[1]"))
    let sent = server.service.requests[0]
    #expect(sent.headers.contains { $0 == ("If-Match", "\"1\"") })
    #expect(sent.method == "PATCH")
    #expect(sent.body == Array("{}".utf8))
    #expect(try await dsar("api", "GET", "/x").output == "[\n  1\n]\n")
    let gone = try await dsar("api", "GET", "/gone")
    #expect(gone.status == 1)
    #expect(gone.output.contains("urn:lethe:problem:not-found"))
    #expect(gone.notes == "dsar: 404 not-found: There is no such resource.\n")
  }

  @Test("a token that the service doesn't take ends with 4, a redirect is not followed")
  func refused() async throws {
    let server = try await serve { request in
      Answer(status: 302, headers: [("Location", "http://127.0.0.1:1/")], body: [])
    }
    #expect(try await dsar("request", "list").notes == "dsar: the server answered 302\n")
    let stranger = try TestIdentity()
    try scratch.write("token", try stranger.token())
    try scratch.write("key.pem", String(decoding: try stranger.key.privatePEM(), as: UTF8.self))
    _ = try await dsar("login", "--server", server.origin, "--token-file", "token", "--key-file", "key.pem")
    let result = try await dsar("request", "list")
    #expect(result.status == 4)
    #expect(result.notes == "dsar: 401 invalid-token: The caller is not authenticated.\n")
  }
}
