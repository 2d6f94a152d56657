import Foundation
import ServiceTesting
import StrictJSON
import Testing

@Suite("A POST with an Idempotency-Key happens once")
struct IdempotencyTests {
  private func post(
    _ scene: Scene, _ path: String, _ body: String?, key: String, as person: TestPerson? = nil
  ) async throws -> RunningServer.Answer {
    try await scene.running.call(
      "POST", path, as: person ?? scene.admin, body: body, headers: [("Idempotency-Key", key)])
  }

  /// Asserts that two answers are one and the same, the second as a replay.
  private func expectReplay(
    _ second: RunningServer.Answer, of first: RunningServer.Answer, sourceLocation: SourceLocation = #_sourceLocation
  ) {
    #expect(second.status == first.status, sourceLocation: sourceLocation)
    #expect(second.body == first.body, sourceLocation: sourceLocation)
    for name in ["location", "etag", "content-type", "retry-after", "cache-control"] {
      #expect(second.headers[name] == first.headers[name], "\(name)", sourceLocation: sourceLocation)
    }
    #expect(first.headers["idempotency-replayed"] == nil, sourceLocation: sourceLocation)
    #expect(second.headers["idempotency-replayed"] == "true", sourceLocation: sourceLocation)
    #expect(second.headers["request-id"] != first.headers["request-id"], sourceLocation: sourceLocation)
  }

  private func count(_ query: String, _ scene: Scene) async throws -> Int {
    Int(try await scene.installation.data.sql(query).trimmingCharacters(in: .whitespacesAndNewlines)) ?? -1
  }

  @Test("every POST that must happen once asks for a key, and takes 1 to 255 bytes of it")
  func keys() async throws {
    try await withScene { scene in
      let id = UUID().uuidString
      let before = try await scene.running.call("POST", "/profiles/\(id):lock", as: scene.admin)
      before.expectProblem(404, "not-found")
      let contents = try await scene.contents()
      let harmless = ["/profiles:search", "/audit/cosignatures"]
      for route in ListedRoute.all where route.method == "POST" && !harmless.contains(route.template) {
        let path = route.path(id)
        let none = try await scene.running.call("POST", path, as: scene.admin, body: route.body, once: false)
        none.expectProblem(400, "idempotency-key-required", [], "\(path)")
        for key in ["", String(repeating: "k", count: 256)] {
          let answer = try await post(scene, path, route.body, key: key)
          answer.expectProblem(400, "malformed-idempotency-key", [], "\(path) \(key.count)")
        }
        let two = try await scene.running.call(
          "POST", path, as: scene.admin, body: route.body,
          headers: [("Idempotency-Key", "kanari-1"), ("Idempotency-Key", "kanari-2")])
        two.expectProblem(400, "malformed-idempotency-key", [], "\(path)")
        #expect(!two.text.contains("kanari"))
      }
      #expect(try await scene.contents() == contents)
      for key in ["k", String(repeating: "k", count: 255), "a-key;with=\"signs\""] {
        let answer = try await post(scene, "/profiles", #"{"full_name":"Zoë"}"#, key: key)
        #expect(answer.status == 201)
      }
    }
  }

  @Test("a repetition gets the first answer again, with its status, body and fields, and nothing is done twice")
  func replay() async throws {
    try await withScene { scene in
      let body = #"{"full_name":"Zoë Ñandú","email":"zoe@example.org"}"#
      let first = try await post(scene, "/profiles", body, key: "create")
      #expect(first.status == 201)
      let before = try await scene.contents()
      for _ in 0..<2 { expectReplay(try await post(scene, "/profiles", body, key: "create"), of: first) }
      let after = try await scene.contents()
      // The same but for the two entries in the log that say that the answer was read again.
      #expect(after.split(separator: "\n").prefix(7) == before.split(separator: "\n").prefix(7))

      let id = try #require(first.json["id"]?.string)
      let activated = try await post(scene, "/profiles/\(id):activate", nil, key: "activate")
      #expect(activated.status == 200)
      let locked = try await post(scene, "/profiles/\(id):lock", nil, key: "lock")
      #expect(locked.json["status"]?.string == "locked")
      // Not what the profile is now: what was answered then.
      expectReplay(try await post(scene, "/profiles/\(id):activate", nil, key: "activate"), of: activated)
      let read = try await scene.running.call("GET", "/profiles/\(id)", as: scene.admin)
      #expect(read.body == locked.body)
    }
  }

  @Test("each step of an erasure can be repeated, until the person is gone")
  func replayedErasure() async throws {
    try await withScene { scene in
      let second = try scene.person("second")
      let profile = try await scene.createdID()
      let draft = #"{"type":"erasure","profile_id":"\#(profile)"}"#
      let opened = try await post(scene, "/privacy/data", draft, key: "1")
      expectReplay(try await post(scene, "/privacy/data", draft, key: "1"), of: opened)
      let id = try #require(opened.json["id"]?.string)
      let verified = try await post(scene, "/privacy/data/\(id):verify", #"{"method":"login"}"#, key: "2")
      expectReplay(
        try await post(scene, "/privacy/data/\(id):verify", #"{"method":"login"}"#, key: "2"), of: verified)
      let approved = try await post(scene, "/privacy/data/\(id):approve", nil, key: "3", as: second)
      expectReplay(try await post(scene, "/privacy/data/\(id):approve", nil, key: "3", as: second), of: approved)
      let ordered = try await post(scene, "/privacy/data/\(id):execute", nil, key: "4")
      #expect(ordered.status == 202)
      try await eventually {
        let now = try await scene.running.call("GET", "/privacy/data/\(id)", as: scene.admin)
        return now.json["state"]?.string == "completed" ? () : nil
      }
      // The order's answer was kept under the person's key, like every other, and is gone with it.
      try await post(scene, "/privacy/data/\(id):execute", nil, key: "4").expectProblem(410, "erased")
      try await post(scene, "/privacy/data", draft, key: "1").expectProblem(410, "erased")
      #expect(try await count("SELECT count(*) FROM subject_rights.requests", scene) == 1)
      #expect(try await count("SELECT count(*) FROM subject_rights.erasures", scene) == 1)
    }
  }

  @Test("the same key with another body, query or content type is 422 and does nothing")
  func otherPayload() async throws {
    try await withScene { scene in
      let body = #"{"full_name":"Zoë"}"#
      let first = try await post(scene, "/profiles", body, key: "k")
      #expect(first.status == 201)
      let before = try await scene.contents()
      for (path, other) in [
        ("/profiles", #"{"full_name":"Ana"}"#), ("/profiles", #"{"full_name":"Zoë" }"#), ("/profiles?x=1", body),
        ("/profiles", "{}"), ("/profiles", nil),
      ] {
        let answer = try await post(scene, path, other, key: "k")
        answer.expectProblem(422, "idempotency-key-reused", [], "\(path) \(other ?? "")")
      }
      let type = try await scene.running.send(
        "POST", "/profiles",
        headers: [("Content-Type", "application/merge-patch+json"), ("Idempotency-Key", "k")]
          + scene.admin.credentials("POST", "/profiles"), body: Array(body.utf8))
      type.expectProblem(422, "idempotency-key-reused")
      #expect(try await scene.contents() == before)
      // Another path is another request.
      let id = try #require(first.json["id"]?.string)
      #expect(try await post(scene, "/profiles/\(id):activate", nil, key: "k").status == 200)
    }
  }

  @Test("of twenty equal requests at once one makes the profile; the others get its answer, or 409 to try again")
  func concurrent() async throws {
    try await withScene { scene in
      _ = try await scene.running.call("GET", "/profiles", as: scene.admin)
      let body = #"{"full_name":"Zoë Ñandú","email":"zoe@example.org"}"#
      let answers = try await withThrowingTaskGroup(of: RunningServer.Answer.self) { group in
        for _ in 0..<20 { group.addTask { try await post(scene, "/profiles", body, key: "once") } }
        return try await group.reduce(into: []) { $0.append($1) }
      }
      let made = answers.filter { $0.status == 201 }
      let fresh = made.filter { $0.headers["idempotency-replayed"] == nil }
      #expect(fresh.count == 1)
      #expect(Set(made.map(\.body)).count == 1)
      for other in answers where other.status != 201 {
        other.expectProblem(409, "in-progress")
        #expect(other.headers["retry-after"] != nil)
      }
      #expect(try await count("SELECT count(*) FROM user_profiles.profiles", scene) == 1)
      let late = try await post(scene, "/profiles", body, key: "once")
      #expect(late.status == 201)
      #expect(late.body == made.first?.body)
      #expect(late.headers["idempotency-replayed"] == "true")
    }
  }

  @Test("a refusal by a rule is the answer to repetitions, too, even when the rule would not refuse any more")
  func refusals() async throws {
    try await withScene { scene in
      let zoe = try await scene.createdID(["email": "zoe@example.org"])
      let body = #"{"full_name":"Ana","email":"zoe@example.org"}"#
      let taken = try await post(scene, "/profiles", body, key: "taken")
      taken.expectProblem(409, "taken", ["/email taken"])
      let cleared = try await scene.running.call(
        "PATCH", "/profiles/\(zoe)", as: scene.admin, body: #"{"email":null}"#, headers: [("If-Match", "\"1\"")])
      #expect(cleared.status == 200)
      expectReplay(try await post(scene, "/profiles", body, key: "taken"), of: taken)
      #expect(try await post(scene, "/profiles", body, key: "new").status == 201)

      let invalid = try await post(scene, "/profiles", #"{"full_name":""}"#, key: "invalid")
      invalid.expectProblem(422, "invalid-fields", ["/full_name too_short"])
      expectReplay(try await post(scene, "/profiles", #"{"full_name":""}"#, key: "invalid"), of: invalid)
      let missing = try await post(scene, "/profiles/\(UUID().uuidString):lock", nil, key: "missing")
      missing.expectProblem(404, "not-found")
      let early = try await post(scene, "/profiles/\(zoe):lock", nil, key: "early")
      early.expectProblem(409, "no-such-transition")
      expectReplay(try await post(scene, "/profiles/\(zoe):lock", nil, key: "early"), of: early)
    }
  }

  @Test("a refusal of the request's form, or of the approver, leaves the key free")
  func freedKeys() async throws {
    try await withScene { scene in
      let malformed = try await post(scene, "/profiles", #"{"full_name""#, key: "k")
      malformed.expectProblem(400, "malformed-json")
      let right = try await post(scene, "/profiles", #"{"full_name":"Zoë"}"#, key: "k")
      #expect(right.status == 201)
      #expect(right.headers["idempotency-replayed"] == nil)
      let profile = try #require(right.json["id"]?.string)
      let request = try await scene.openedRequest("erasure", about: profile, by: scene.admin)
      for _ in 0..<2 {
        let own = try await post(scene, "/privacy/data/\(request):approve", nil, key: "approve")
        own.expectProblem(403, "same-officer")
        #expect(own.headers["idempotency-replayed"] == nil)
      }
    }
  }

  @Test("the same key of another tenant, person or client is another request")
  func scopes() async throws {
    try await withScene { scene in
      let (_, other) = try await scene.otherTenant()
      let body = #"{"full_name":"Zoë Ñandú"}"#
      var ids: Set<String> = []
      for person in [scene.admin, other, try scene.person("somebody-else")] {
        let made = try await post(scene, "/profiles", body, key: "shared", as: person)
        #expect(made.status == 201)
        #expect(made.headers["idempotency-replayed"] == nil)
        ids.insert(made.json["id"]?.string ?? "")
      }
      #expect(ids.count == 3)
      // A new token and key of the same person is still the same person.
      let again = try await post(scene, "/profiles", body, key: "shared", as: try scene.person("admin"))
      #expect(again.headers["idempotency-replayed"] == "true")
      #expect(ids.contains(again.json["id"]?.string ?? "none"))
    }
  }

  @Test("a replayed answer about a person is a reading of that person's data, in the log before it leaves")
  func replayIsARead() async throws {
    try await withScene { scene in
      let body = #"{"full_name":"Zoë Ñandú"}"#
      let first = try await post(scene, "/profiles", body, key: "k")
      let before = try await count("SELECT count(*) FROM audit.entries", scene)
      let touched = """
        SELECT count(*) FROM audit.entry_subjects t JOIN user_profiles.profiles p USING (subject_id)
        WHERE p.id = '\(first.json["id"]?.string ?? "")'
        """
      let touchedBefore = try await count(touched, scene)
      expectReplay(try await post(scene, "/profiles", body, key: "k"), of: first)
      #expect(try await count("SELECT count(*) FROM audit.entries", scene) == before + 1)
      #expect(try await count(touched, scene) == touchedBefore + 1)
      let last = try await scene.installation.data.sql(
        "SELECT convert_from(entry, 'UTF8') FROM (SELECT entry FROM audit.entries ORDER BY seq DESC LIMIT 1) e")
      #expect(last.contains("personal_data.read"))
      #expect(last.contains("idempotency_key"))
    }
  }

  @Test("the answer about a person is gone with the person: 410, and the person is not made again")
  func erased() async throws {
    try await withScene { scene in
      let second = try scene.person("second")
      let body = #"{"full_name":"Zoë Ñandú","email":"zoe@example.org"}"#
      let first = try await post(scene, "/profiles", body, key: "k")
      let id = try #require(first.json["id"]?.string)
      let activated = try await post(scene, "/profiles/\(id):activate", nil, key: "a")
      #expect(activated.status == 200)
      try await scene.erase(id, by: scene.admin, approvedBy: second)
      try await post(scene, "/profiles", body, key: "k").expectProblem(410, "erased")
      try await post(scene, "/profiles/\(id):activate", nil, key: "a").expectProblem(410, "erased")
      #expect(try await count("SELECT count(*) FROM user_profiles.profiles", scene) == 1)
      try await scene.running.call("GET", "/profiles/\(id)", as: scene.admin).expectProblem(410, "erased")
    }
  }
}
