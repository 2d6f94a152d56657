import Foundation
import ServiceTesting
import StrictJSON
import Testing

@Suite("Late data over HTTP")
struct LateDataTests {
  private func importing(_ scene: Scene, _ members: String, key: String = UUID().uuidString) async throws
    -> RunningServer.Answer
  {
    try await scene.running.call(
      "POST", "/profiles", as: scene.admin, body: #"{"full_name":"Zoë Ñandú","origin":"import",\#(members)}"#,
      headers: [("Idempotency-Key", key)])
  }

  @Test("an import doesn't bring an erased person back; a later one, and a sign-up, are somebody new")
  func erased() async throws {
    try await withScene { scene in
      let (officer, second) = try (scene.person("officer"), scene.person("officer2"))
      let first = try await scene.createdID(["email": "zoe@example.org", "identity": "auth|zoe"])
      let before = Date.now.addingTimeInterval(-3_600).formatted(.iso8601)
      try await scene.erase(first, by: officer, approvedBy: second)

      let key = UUID().uuidString
      let undated = try await importing(scene, #""email":"ZOE@example.org""#, key: key)
      undated.expectProblem(409, "suppressed", ["/email suppressed"])
      #expect(!undated.text.lowercased().contains("zoe"))
      let replayed = try await importing(scene, #""email":"ZOE@example.org""#, key: key)
      #expect(replayed.headers["idempotency-replayed"] == "true")
      #expect(replayed.body == undated.body)
      let dated = try await importing(scene, #""email":"zoe@example.org","collected_at":"\#(before)""#)
      dated.expectProblem(409, "suppressed", ["/email suppressed"])
      let identity = try await importing(scene, #""identity":"auth|zoe","email":"new@example.org""#)
      identity.expectProblem(409, "suppressed", ["/identity suppressed"])

      let signUp = try await scene.running.call(
        "POST", "/profiles", as: scene.admin,
        body: #"{"full_name":"Zoë","email":"zoe@example.org","origin":"sign_up"}"#)
      #expect(signUp.status == 201)
      #expect(signUp.json["id"]?.string != first)
      #expect(signUp.json["identity"]?.isNull == true)
      #expect(signUp.json["origin"] == nil)
      // The time has whole seconds here: one has to pass.
      let later = try await eventually {
        let now = Date.now.addingTimeInterval(-0.5).formatted(.iso8601)
        let answer = try await importing(scene, #""identity":"auth|zoe","collected_at":"\#(now)""#)
        return answer.status == 201 ? answer : nil
      }
      #expect(later.json["identity"]?.string == "auth|zoe")
    }
  }

  @Test("an import of somebody who was never erased is a profile like any other")
  func ordinary() async throws {
    try await withScene { scene in
      for members in [
        #""email":"a@example.org""#, #""email":"b@example.org","collected_at":"2001-02-03T04:05:06+01:00""#,
      ] {
        let answer = try await importing(scene, members)
        #expect(answer.status == 201)
        #expect(answer.json["status"]?.string == "pending")
      }
      let taken = try await importing(scene, #""email":"a@example.org""#)
      taken.expectProblem(409, "taken", ["/email taken"])
    }
  }

  @Test(
    "an origin and a time that make no sense are refused by their pointers, and without their values",
    arguments: [
      (#""origin":"webhook""#, ["/origin not_allowed"]),
      (#""origin":null"#, ["/origin type"]),
      (#""origin":"import","collected_at":"yesterday""#, ["/collected_at format"]),
      (#""origin":"import","collected_at":"2026-02-29T00:00:00Z""#, ["/collected_at format"]),
      (#""origin":"import","collected_at":"2026-01-01T00:00:00""#, ["/collected_at format"]),
      (#""origin":"import","collected_at":1767225600"#, ["/collected_at type"]),
      (#""origin":"import","collected_at":"9999-01-01T00:00:00Z""#, ["/collected_at range"]),
      (#""origin":"sign_up","collected_at":"2001-01-01T00:00:00Z""#, ["/collected_at not_allowed"]),
      (#""collected_at":"2001-01-01T00:00:00Z""#, ["/collected_at not_allowed"]),
    ])
  func faults(members: String, errors: [String]) async throws {
    try await withScene { scene in
      let answer = try await scene.running.call(
        "POST", "/profiles", as: scene.admin, body: #"{"full_name":"Zoë",\#(members)}"#)
      answer.expectProblem(422, "invalid-fields", errors)
      #expect(!answer.text.contains("yesterday") && !answer.text.contains("webhook"))
    }
  }

  @Test("a change has neither origin nor time")
  func patch() async throws {
    try await withScene { scene in
      let id = try await scene.createdID()
      let answer = try await scene.running.call(
        "PATCH", "/profiles/\(id)", as: scene.admin,
        body: #"{"origin":"import","collected_at":"2001-01-01T00:00:00Z"}"#,
        headers: [("If-Match", "\"1\"")])
      answer.expectProblem(422, "invalid-fields", ["/origin unknown", "/collected_at unknown"])
    }
  }
}
