import Foundation
import Profiles
import ServiceTesting
import StrictJSON
import Testing
import Tokens

@Suite("Profiles over HTTP: creation, reading, search")
struct ProfileTests {
  @Test("a profile is created pending, in normalised form, and read back the same with its version as ETag")
  func createAndRead() async throws {
    try await withScene { scene in
      let created = try await scene.create(
        [
          "email": "  Zoe.Nandu@Example.ORG ", "phone": "+51 (999) 000-111", "identity": "auth|zoe", "country": "PE",
          "language": "es",
        ])
      let id = try #require(created.json["id"]?.string)
      #expect(UUID(uuidString: id) != nil)
      #expect(id == id.lowercased())
      #expect(created.headers["location"] == "/profiles/\(id)")
      #expect(created.headers["etag"] == "\"1\"")
      #expect(created.headers["content-type"] == "application/json")
      #expect(created.headers["x-content-type-options"] == "nosniff")
      let expected = [
        "status": "pending", "full_name": "Zoë Ñandú", "email": "zoe.nandu@example.org", "phone": "+51999000111",
        "identity": "auth|zoe", "country": "PE", "language": "es",
      ]
      for (name, value) in expected { #expect(created.json[name]?.string == value) }
      #expect(created.json["version"]?.integer == 1)

      let read = try await scene.running.call("GET", "/profiles/\(id)", as: scene.admin)
      #expect(read.status == 200)
      #expect(read.body == created.body)
      #expect(read.headers["etag"] == "\"1\"")
      let upper = try await scene.running.call("GET", "/profiles/\(id.uppercased())", as: scene.admin)
      #expect(upper.body == created.body)
    }
  }

  @Test("only the name is needed; what was not given is null, and a name may have 140 characters of any script")
  func leastProfile() async throws {
    try await withScene { scene in
      for name in ["山田 花子", "فاطمة الزهراء", "O'Neil; DROP TABLE --", String(repeating: "😀", count: 140)] {
        let created = try await scene.create(name: name)
        #expect(created.json["full_name"]?.string == name)
        for member in ["email", "phone", "identity", "country", "language"] {
          #expect(created.json[member]?.isNull == true)
        }
      }
    }
  }

  @Test(
    "a value that must be unique is refused for the second profile, with its pointer, and nothing of it is kept",
    arguments: [
      ("email", "one@example.org", "ONE@example.org"), ("phone", "+51999000111", "+51 999 000 111"),
      ("identity", "auth|1", "auth|1"),
    ])
  func unique(field: String, first: String, second: String) async throws {
    try await withScene { scene in
      try await scene.create([field: first])
      let before = try await scene.installation.data.sql(
        "SELECT (SELECT count(*) FROM custody.subjects), (SELECT max(seq) FROM audit.entries)")
      let again = try await scene.running.call(
        "POST", "/profiles", as: scene.admin, body: #"{"full_name":"Another","\#(field)":"\#(second)"}"#)
      again.expectProblem(409, "taken", ["/\(field) taken"])
      #expect(!again.text.contains(first))
      let after = try await scene.installation.data.sql(
        "SELECT (SELECT count(*) FROM custody.subjects), (SELECT max(seq) FROM audit.entries)")
      #expect(before == after)
    }
  }

  @Test("a search finds one profile by its address or number, however it is written")
  func search() async throws {
    try await withScene { scene in
      let id = try await scene.createdID(["email": "zoe@example.org", "phone": "+51999000111"])
      _ = try await scene.createdID(["email": "ana@example.org", "phone": "+56222222222"])
      for body in [
        #"{"email":"zoe@example.org"}"#, #"{"email":" ZOE@EXAMPLE.org "}"#, #"{"phone":"+51999000111"}"#,
        #"{"phone":"+51 999-000-111"}"#,
      ] {
        let found = try await scene.running.call(
          "POST", "/profiles:search", as: scene.admin, body: body, once: false)
        #expect(found.status == 200)
        #expect(found.ids == [id])
      }
      for body in [
        #"{"email":"zo@example.org"}"#, #"{"email":"zoe+1@example.org"}"#, #"{"phone":"+51999000112"}"#,
      ] {
        let missed = try await scene.running.call("POST", "/profiles:search", as: scene.admin, body: body)
        #expect(missed.status == 200)
        #expect(missed.json == .object([JSONMember("items", .array([]))]))
      }
    }
  }

  @Test("a search names exactly one of address and number")
  func searchNeedsOne() async throws {
    try await withScene { scene in
      let none = try await scene.running.call("POST", "/profiles:search", as: scene.admin, body: "{}")
      none.expectProblem(422, "invalid-fields", ["/email required"])
      let both = try await scene.running.call(
        "POST", "/profiles:search", as: scene.admin, body: #"{"email":"zoe@example.org","phone":"+51999000111"}"#)
      both.expectProblem(422, "invalid-fields", ["/email not_allowed"])
      #expect(!both.text.contains("zoe@example.org"))
      let name = try await scene.running.call(
        "POST", "/profiles:search", as: scene.admin, body: #"{"full_name":"Zoë"}"#)
      name.expectProblem(422, "invalid-fields", ["/email required", "/full_name unknown"])
    }
  }

  @Test("a search is in the log, hit or miss, and so is every reading")
  func searchesAreLogged() async throws {
    try await withScene { scene in
      let id = try await scene.createdID(["email": "zoe@example.org"])
      func size() async throws -> Int {
        Int(
          try await scene.installation.data.sql("SELECT count(*) FROM audit.entries")
            .trimmingCharacters(in: .whitespacesAndNewlines)) ?? -1
      }
      var before = try await size()
      for (method, path, body) in [
        ("POST", "/profiles:search", #"{"email":"zoe@example.org"}"#),
        ("POST", "/profiles:search", #"{"email":"nobody@example.org"}"#), ("GET", "/profiles/\(id)", nil),
        ("GET", "/profiles", nil),
      ] {
        let answer = try await scene.running.call(method, path, as: scene.admin, body: body)
        #expect(answer.status == 200)
        let after = try await size()
        #expect(after == before + 1, "\(method) \(path)")
        before = after
      }
    }
  }

  @Test("the caller's own profile is the one whose identity is the token's sub; without one there is none")
  func own() async throws {
    try await withScene { scene in
      let id = try await scene.createdID(["identity": "auth|zoe"])
      _ = try await scene.createdID(["identity": "auth|ana"])
      let zoe = try scene.person("auth|zoe", scopes: [.profilesRead])
      let own = try await scene.running.call("GET", "/me", as: zoe)
      #expect(own.status == 200)
      #expect(own.json["id"]?.string == id)
      #expect(own.headers["etag"] == "\"1\"")
      let stranger = try await scene.running.call("GET", "/me", as: try scene.person("auth|Zoe"))
      stranger.expectProblem(404, "not-found")
      let (_, elsewhere) = try await scene.otherTenant("auth|zoe")
      let other = try await scene.running.call("GET", "/me", as: elsewhere)
      other.expectProblem(404, "not-found")
    }
  }
}
