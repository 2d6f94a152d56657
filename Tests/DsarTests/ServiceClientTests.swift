import Foundation
import StrictJSON
import Testing

@testable import dsar

@Suite("requests to the service")
struct ServiceClientTests {
  private let identity: TestIdentity

  init() throws { identity = try TestIdentity() }

  @Test(
    "each request has a proof of its own that the service accepts, also with a query and a colon in the path",
    arguments: [
      ("GET", "/profiles?limit=3&cursor=AbC-_"), ("GET", "/audit/tile/entries/000.p/42"),
      ("POST", "/privacy/data/7a0df9dc-9d53-40a6-9a0f-919cfb5331b4:verify"), ("PATCH", "/profiles/a%20b"),
    ])
  func proofs(method: String, target: String) async throws {
    let service = try FakeService(identity) { _ in .ok("{}") }
    let client = try service.client()
    for _ in 0..<2 { #expect(try await client.send(method, target).status == 200) }
    let proofs = service.requests.flatMap { $0.headers.filter { $0.name == "DPoP" }.map(\.value) }
    #expect(Set(proofs).count == 2)
    #expect(service.requests.map(\.target) == [target, target])
  }

  @Test(
    "a POST carries a random Idempotency-Key, a search and other methods none",
    arguments: [("POST", "/profiles", true), ("POST", "/profiles:search", false), ("GET", "/me", false)])
  func idempotency(method: String, target: String, expected: Bool) async throws {
    let service = try FakeService(identity) { _ in .ok("{}") }
    let client = try service.client()
    for _ in 0..<2 { _ = try await client.send(method, target) }
    let keys = service.requests.compactMap { $0.headers.first { $0.name == "Idempotency-Key" }?.value }
    #expect(Set(keys).count == (expected ? 2 : 0))
    #expect(keys.allSatisfy { UUID(uuidString: $0) != nil })
  }

  @Test("an Idempotency-Key that was given is the only one")
  func givenKey() async throws {
    let service = try FakeService(identity) { _ in .ok("{}") }
    _ = try await service.client().send("POST", "/profiles", headers: [("Idempotency-Key", "mine")])
    let keys = service.requests[0].headers.filter { $0.name == "Idempotency-Key" }.map(\.value)
    #expect(keys == ["mine"])
  }

  @Test("a body says what it is, nothing says nothing")
  func contentTypes() async throws {
    let service = try FakeService(identity) { _ in .ok("{}") }
    let client = try service.client()
    for (method, body) in [("POST", [1]), ("PATCH", [1]), ("POST", [])] as [(String, [UInt8])] {
      _ = try await client.send(method, "/x", body: body)
    }
    let types = service.requests.map { $0.headers.first { $0.name == "Content-Type" }?.value }
    #expect(types == ["application/json", "application/merge-patch+json", nil])
  }

  @Test("a refusal ends a command with the problem in one line, and a line for each wrong field")
  func refusals() async throws {
    let service = try FakeService(identity) { request in
      request.target == "/a"
        ? .problem(
          403, "same-officer", "Whoever opened a request can't approve it.",
          #","detail":"A second officer has to approve.""#)
        : .problem(422, "invalid-fields", "Some fields are wrong.", #","errors":[{"pointer":"/type","code":"type"}]"#)
    }
    let client = try service.client()
    let first = await failure { _ = try await client.post("/a") }
    #expect(
      first
        == Failure(
          .refused,
          "403 same-officer: Whoever opened a request can't approve it. (A second officer has to approve.)"))
    let second = await failure { _ = try await client.json("/b") }
    #expect(second == Failure(.refused, "422 invalid-fields: Some fields are wrong.", details: ["/type: type"]))
  }

  @Test("what isn't a problem document is not printed")
  func otherBodies() {
    let answer = Answer(status: 502, headers: [("Content-Type", "text/html")], body: Array("<h1>secret</h1>".utf8))
    #expect(Refusal(answer).failure == Failure(.refused, "the server answered 502"))
  }

  @Test("a token that the service doesn't take ends with status 4")
  func unauthenticated() async throws {
    let other = try TestIdentity()
    let service = try FakeService(identity) { _ in .ok("{}") }
    let session = try Session(
      name: "x", identity: nil, server: TestIdentity.server, token: try other.token(), key: other.key)
    let client = ServiceClient(session: session, transport: service.transport)
    #expect(await failure { _ = try await client.bytes("/me") }?.status == .notLoggedIn)
  }

  @Test("a resource that isn't there is none, other refusals are refusals")
  func presence() async throws {
    let service = try FakeService(identity) { request in
      request.target == "/gone" ? .problem(404, "not-found", "No.") : .problem(503, "unavailable", "Away.")
    }
    let client = try service.client()
    #expect(try await client.bytesIfPresent("/gone") == nil)
    #expect(
      await failure { _ = try await client.bytesIfPresent("/away") } == Failure(.refused, "503 unavailable: Away."))
  }

  @Test(
    "a path is sent as it is written, or not at all",
    arguments: [
      ("/profiles?limit=3", true), ("/profiles/ID:lock", true), ("/a%20b", true), ("profiles", false),
      ("//evil.example/x", false), ("/a b", false), ("/ü", false), ("/a#b", false), ("/a\\b", false), ("", false),
    ])
  func targets(path: String, accepted: Bool) {
    #expect(APICommand.isTarget(path) == accepted)
  }
}
