import Foundation
import ServiceTesting
import Signing
import StrictJSON
import Testing

@Suite("Another tenant's resources answer as if they were missing")
struct EndpointIsolationTests {
  /// Ids of one tenant, in every state that an endpoint could tell apart.
  private struct Resources {
    let ids: [(what: String, id: String)]
    let profiles: [String]
  }

  /// A tenant's profiles and requests: live and erased, waiting for approval, approved, with package and certificate.
  private func fill(_ scene: Scene, _ officer: TestPerson, _ second: TestPerson) async throws -> Resources {
    let live = try await scene.createdID(["email": "zoe@example.org", "phone": "+51999000111"], as: officer)
    let gone = try await scene.createdID(as: officer)
    let erasure = try await scene.erase(gone, by: officer, approvedBy: second)
    let access = try await scene.openedRequest("access", about: live, by: officer)
    let executed = try await scene.running.call("POST", "/privacy/data/\(access):execute", as: officer)
    try #require(executed.json["state"]?.string == "completed")
    let waiting = try await scene.openedRequest("erasure", about: live, by: officer)
    let approved = try await scene.openedRequest("erasure", about: live, by: officer, approvedBy: second)
    let opened = try await scene.running.call(
      "POST", "/privacy/data", as: officer, body: #"{"type":"access","profile_id":"\#(live)","note":"x"}"#)
    let received = try #require(opened.json["id"]?.string)
    return Resources(
      ids: [
        ("a profile", live), ("an erased profile", gone), ("a certified erasure", erasure),
        ("a package", access), ("an erasure to approve", waiting), ("an approved erasure", approved),
        ("a new request", received),
      ], profiles: [live, gone])
  }

  @Test("for every endpoint with an id: the same status, fields and body as for an id of nothing, nothing written")
  func ids() async throws {
    try await withScene { scene in
      let (tenant, owner) = try await scene.otherTenant("owner")
      let second = try scene.installation.issuer.person("second", in: tenant)
      let theirs = try await fill(scene, owner, second)
      _ = try await scene.running.call("POST", "/profiles/\(UUID().uuidString):lock", as: scene.admin)
      let before = try await scene.contents()
      var compared = 0
      for route in ListedRoute.all where route.hasID {
        let missing = try await route.call(scene.running, UUID().uuidString.lowercased(), as: scene.admin)
        missing.expectProblem(404, "not-found", [], "\(route.testDescription)")
        for (what, id) in theirs.ids {
          let answer = try await route.call(scene.running, id, as: scene.admin)
          let comment: Comment = "\(route.testDescription) of \(what)"
          #expect(answer.status == missing.status, comment)
          #expect(answer.withoutInstance == missing.withoutInstance, comment)
          #expect(answer.body.count == missing.body.count, comment)
          #expect(answer.comparable == missing.comparable, comment)
          compared += 1
        }
      }
      #expect(compared == 12 * 7)
      #expect(try await scene.contents() == before)
      // The owner does see them: they were there to be found.
      let owned = try await scene.running.call("GET", "/profiles/\(theirs.ids[0].id)", as: owner)
      #expect(owned.status == 200)
      let package = try await scene.running.call("GET", "/privacy/data/\(theirs.ids[3].id)/package", as: owner)
      #expect(package.status == 200)
    }
  }

  @Test("a request about another tenant's profile is refused like one about nobody's")
  func bodies() async throws {
    try await withScene { scene in
      let (tenant, owner) = try await scene.otherTenant("owner")
      let second = try scene.installation.issuer.person("second", in: tenant)
      let live = try await scene.createdID(as: owner)
      let gone = try await scene.createdID(as: owner)
      try await scene.erase(gone, by: owner, approvedBy: second)
      func open(_ profile: String) async throws -> RunningServer.Answer {
        try await scene.running.call(
          "POST", "/privacy/data", as: scene.admin, body: #"{"type":"erasure","profile_id":"\#(profile)"}"#)
      }
      let missing = try await open(UUID().uuidString.lowercased())
      missing.expectProblem(404, "not-found")
      for profile in [live, gone] {
        let answer = try await open(profile)
        #expect(answer.status == 404)
        #expect(answer.withoutInstance == missing.withoutInstance)
        #expect(answer.comparable == missing.comparable)
      }
      let requests = try await scene.running.call("GET", "/privacy/data", as: scene.admin)
      #expect(requests.json["items"]?.array?.isEmpty == true)
    }
  }

  @Test("lists and searches know one tenant, and a value that is unique there is free elsewhere")
  func listsAndSearches() async throws {
    try await withScene { scene in
      let (_, other) = try await scene.otherTenant()
      let members = ["email": "zoe@example.org", "phone": "+51999000111", "identity": "auth|zoe"]
      let theirs = try await scene.createdID(members, as: other)
      for body in [#"{"email":"zoe@example.org"}"#, #"{"phone":"+51999000111"}"#] {
        let found = try await scene.running.call("POST", "/profiles:search", as: scene.admin, body: body)
        #expect(found.status == 200)
        #expect(found.json["items"]?.array?.isEmpty == true)
      }
      let start = StrictBase64.encode([1] + [UInt8](repeating: 0, count: 16), .url)
      for path in ["/profiles", "/profiles?limit=200", "/profiles?cursor=\(start)"] {
        let page = try await scene.running.call("GET", path, as: scene.admin)
        #expect(page.json["items"]?.array?.isEmpty == true)
        #expect(page.json["next"]?.isNull == true)
      }
      let own = try await scene.createdID(members)
      #expect(own != theirs)
      let found = try await scene.running.call(
        "POST", "/profiles:search", as: scene.admin, body: #"{"email":"zoe@example.org"}"#)
      #expect(found.ids == [own])
    }
  }

  @Test("each tenant gets its own log: key, checkpoint, tiles and ledger of the token's tenant only")
  func logs() async throws {
    try await withScene { scene in
      let (tenant, other) = try await scene.otherTenant("owner")
      let second = try scene.installation.issuer.person("second", in: tenant)
      let profile = try await scene.createdID(as: other)
      try await scene.erase(profile, by: other, approvedBy: second)
      let theirs = try await scene.running.call("GET", "/audit/ledger", as: other)
      #expect(theirs.text.split(separator: "\n").count == 1)
      let ours = try await scene.running.call("GET", "/audit/ledger", as: scene.admin)
      #expect(ours.status == 200)
      #expect(ours.body.isEmpty)
      let keys = [
        try await scene.running.call("GET", "/audit/key", as: other),
        try await scene.running.call("GET", "/audit/key", as: scene.admin),
      ]
      #expect(keys.map(\.status) == [200, 200])
      #expect(keys[0].text != keys[1].text)
      let checkpoint = try await eventually {
        let answer = try await scene.running.call("GET", "/audit/checkpoint", as: scene.admin)
        return answer.status == 200 ? answer.text : nil
      }
      #expect(checkpoint.contains(scene.tenant.description))
      #expect(!checkpoint.contains(tenant.description))
    }
  }
}

extension RunningServer.Answer {
  /// The fields that two equal answers share.
  fileprivate var comparable: [String: String] {
    headers.filter { !["request-id", "date"].contains($0.key) }
  }
}
