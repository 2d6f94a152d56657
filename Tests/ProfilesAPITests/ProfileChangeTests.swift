import Foundation
import Profiles
import ServiceTesting
import StrictJSON
import Testing

@Suite("Changes of a profile: versions, clearing, uniqueness, status")
struct ProfileChangeTests {
  private func patch(
    _ scene: Scene, _ id: String, _ version: String?, _ body: String
  ) async throws -> RunningServer.Answer {
    try await scene.running.call(
      "PATCH", "/profiles/\(id)", as: scene.admin, body: body, headers: version.map { [("If-Match", $0)] } ?? [])
  }

  @Test("a change with the current version sets the named members, leaves the others and counts the version up")
  func change() async throws {
    try await withScene { scene in
      let id = try await scene.createdID(["email": "zoe@example.org", "phone": "+51999000111", "country": "PE"])
      let changed = try await patch(
        scene, id, "\"1\"", #"{"full_name":"Zoë Quispe","email":"Q@Example.org","language":"fr"}"#)
      #expect(changed.status == 200)
      #expect(changed.headers["etag"] == "\"2\"")
      #expect(changed.json["version"]?.integer == 2)
      #expect(changed.json["full_name"]?.string == "Zoë Quispe")
      #expect(changed.json["email"]?.string == "q@example.org")
      #expect(changed.json["phone"]?.string == "+51999000111")
      #expect(changed.json["country"]?.string == "PE")
      #expect(changed.json["language"]?.string == "fr")
      let read = try await scene.running.call("GET", "/profiles/\(id)", as: scene.admin)
      #expect(read.body == changed.body)
      let found = try await scene.running.call(
        "POST", "/profiles:search", as: scene.admin, body: #"{"email":"zoe@example.org"}"#)
      #expect(found.json["items"]?.array?.isEmpty == true)
    }
  }

  @Test("null clears every member but the name")
  func clearing() async throws {
    try await withScene { scene in
      let id = try await scene.createdID(
        [
          "email": "zoe@example.org", "phone": "+51999000111", "identity": "auth|zoe", "country": "PE",
          "language": "es",
        ])
      let cleared = try await patch(
        scene, id, "\"1\"", #"{"email":null,"phone":null,"identity":null,"country":null,"language":null}"#)
      #expect(cleared.status == 200)
      for member in ["email", "phone", "identity", "country", "language"] {
        #expect(cleared.json[member]?.isNull == true)
      }
      #expect(cleared.json["full_name"]?.string == "Zoë Ñandú")
      let tags = try await scene.installation.data.sql(
        "SELECT count(*) FROM custody.lookup_tags WHERE row_id = '\(id)'")
      #expect(tags.trimmingCharacters(in: .whitespacesAndNewlines) == "0")
      let name = try await patch(scene, id, "\"2\"", #"{"full_name":null}"#)
      name.expectProblem(422, "invalid-fields", ["/full_name type"])
    }
  }

  @Test("a change without a version is 428, with none that was given out 400, with an older or newer one 412")
  func versions() async throws {
    try await withScene { scene in
      let id = try await scene.createdID(["country": "PE"])
      let body = #"{"country":"CL"}"#
      let before = try await scene.contents()
      try await patch(scene, id, nil, body).expectProblem(428, "if-match-required")
      for value in ["1", "W/\"1\"", "*", "\"1\", \"2\"", "\"0\"", "\"-1\"", "\"x\"", "\"\"", "\"", "\" 1\"", "\"9e9\""]
      {
        try await patch(scene, id, value, body).expectProblem(400, "malformed-if-match", [], "\(value)")
      }
      let twice = try await scene.running.call(
        "PATCH", "/profiles/\(id)", as: scene.admin, body: body,
        headers: [("If-Match", "\"1\""), ("If-Match", "\"1\"")])
      twice.expectProblem(400, "malformed-if-match")
      for value in ["\"2\"", "\"9223372036854775807\""] {
        try await patch(scene, id, value, body).expectProblem(412, "stale", [], "\(value)")
      }
      #expect(try await scene.contents() == before)
      #expect(try await patch(scene, id, "\"1\"", body).status == 200)
      try await patch(scene, id, "\"1\"", body).expectProblem(412, "stale")
      #expect(try await patch(scene, id, "\"2\"", body).status == 200)
    }
  }

  @Test("of changes to one version made at once exactly one is done")
  func concurrentChanges() async throws {
    try await withScene { scene in
      let id = try await scene.createdID()
      let statuses = try await withThrowingTaskGroup(of: Int.self) { group in
        for number in 0..<10 {
          group.addTask { try await patch(scene, id, "\"1\"", #"{"full_name":"Name \#(number)"}"#).status }
        }
        return try await group.reduce(into: []) { $0.append($1) }
      }
      #expect(statuses.count(of: 200) == 1)
      #expect(statuses.count(of: 412) == 9)
    }
  }

  @Test("a change to a value that is somebody else's is refused with its pointer, and may be made once it is free")
  func uniqueness() async throws {
    try await withScene { scene in
      let zoe = try await scene.createdID(["email": "zoe@example.org", "phone": "+51999000111"])
      let ana = try await scene.createdID(["email": "ana@example.org"])
      for (field, value) in [("email", "ZOE@example.org"), ("phone", "+51 999 000 111")] {
        let taken = try await patch(scene, ana, "\"1\"", #"{"full_name":"Thief","\#(field)":"\#(value)"}"#)
        taken.expectProblem(409, "taken", ["/\(field) taken"])
      }
      let read = try await scene.running.call("GET", "/profiles/\(ana)", as: scene.admin)
      #expect(read.json["full_name"]?.string == "Zoë Ñandú")
      #expect(read.json["version"]?.integer == 1)

      let moved = try await patch(scene, zoe, "\"1\"", #"{"email":"new@example.org","phone":null}"#)
      #expect(moved.status == 200)
      let taken = try await patch(scene, ana, "\"1\"", #"{"email":"zoe@example.org","phone":"+51999000111"}"#)
      #expect(taken.status == 200)
      let found = try await scene.running.call(
        "POST", "/profiles:search", as: scene.admin, body: #"{"email":"zoe@example.org"}"#)
      #expect(found.ids == [ana])
      // Its own value in another spelling is no conflict.
      let own = try await patch(scene, ana, "\"2\"", #"{"email":"Zoe@Example.ORG"}"#)
      #expect(own.status == 200)
    }
  }

  /// How to get a new profile into a status, and where each transition leads from it: `nil` where there is none.
  private static let machine: [(status: String, path: [String], targets: [String: String])] = [
    ("pending", [], ["activate": "active", "deactivate": "inactive"]),
    ("active", ["activate"], ["lock": "locked", "deactivate": "inactive"]),
    ("locked", ["activate", "lock"], ["unlock": "active", "deactivate": "inactive"]),
    ("inactive", ["deactivate"], ["activate": "active"]),
  ]

  @Test(
    "of all pairs of status and transition those of the state machine lead on, the others are 409",
    arguments: ["pending", "active", "locked", "inactive"], ["activate", "lock", "unlock", "deactivate"])
  func transitions(status: String, transition: String) async throws {
    let rows = Self.machine.filter { $0.status == status }
    let row = try #require(rows.first)
    try await withScene { scene in
      let id = try await scene.createdID(["email": "zoe@example.org"])
      for step in row.path {
        let moved = try await scene.running.call("POST", "/profiles/\(id):\(step)", as: scene.admin)
        #expect(moved.status == 200)
      }
      let before = try await scene.running.call("GET", "/profiles/\(id)", as: scene.admin)
      #expect(before.json["status"]?.string == status)
      let answer = try await scene.running.call("POST", "/profiles/\(id):\(transition)", as: scene.admin)
      let after = try await scene.running.call("GET", "/profiles/\(id)", as: scene.admin)
      if let target = row.targets[transition] {
        #expect(answer.status == 200)
        #expect(answer.json["status"]?.string == target)
        #expect(answer.headers["etag"] == "\"\(row.path.count + 2)\"")
        #expect(after.body == answer.body)
      } else {
        answer.expectProblem(409, "no-such-transition")
        #expect(answer.json["detail"]?.string == "status: \(status)")
        #expect(after.body == before.body)
      }
    }
  }

  @Test("the table of transitions above is the whole state machine")
  func wholeMachine() {
    #expect(Self.machine.map(\.status) == ProfileStatus.allCases.map(\.rawValue))
    #expect(ProfileTransition.allCases.map(\.rawValue) == ["activate", "lock", "unlock", "deactivate"])
  }
}
