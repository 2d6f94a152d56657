import Audit
import Foundation
import ServiceTesting
import Signing
import StrictJSON
import Testing
import Tokens

@Suite("The log over HTTP")
struct LogRouteTests {
  private func items(_ answer: RunningServer.Answer) -> [JSONValue] { answer.json["items"]?.array ?? [] }

  private func actions(_ answer: RunningServer.Answer) -> [String] {
    items(answer).compactMap { $0["action"]?.string }
  }

  private func auditor(_ scene: Scene) throws -> TestPerson {
    try scene.person("auditor", scopes: [.auditRead])
  }

  @Test("a listing is newest first, pages with its cursor, and is itself the newest entry of the next one")
  func listing() async throws {
    try await withScene { scene in
      let auditor = try auditor(scene)
      _ = try await scene.running.call("GET", "/audit/entries", as: auditor)
      _ = try await scene.createdID(["email": "zoe@example.org"])
      let first = try await scene.running.call("GET", "/audit/entries?limit=3", as: auditor)
      #expect(first.status == 200)
      #expect(first.headers["cache-control"] == "no-store")
      #expect(actions(first) == ["profile.created", "key.created", "key.created"])
      let entry = try #require(items(first).first)
      #expect(entry["fields"]?.array?.compactMap(\.string) == ["full_name", "email"])
      #expect(entry["purpose"]?.string == "profile_administration")
      #expect(entry["outcome"]?.string == "ok")
      #expect(entry["subject"]?.string?.utf8.count == 36)
      #expect(entry["values"] == nil)
      #expect(entry["policy"]?.isNull == true)
      #expect(!first.text.contains("zoe"))

      let cursor = try #require(first.json["next"]?.string)
      let second = try await scene.running.call("GET", "/audit/entries?limit=200&cursor=\(cursor)", as: auditor)
      #expect(actions(second) == ["log.read", "key.created", "log.started"])
      #expect(second.json["next"]?.isNull == true)
      let sequences = (items(first) + items(second)).compactMap { $0["seq"]?.integer }
      #expect(sequences == [5, 4, 3, 2, 1, 0])

      let third = try await scene.running.call("GET", "/audit/entries?limit=1", as: auditor)
      let look = try #require(items(third).first)
      #expect(look["action"]?.string == "log.read")
      #expect(look["codes"]?["entries"]?.string == "3")
      #expect(look["purpose"]?.string == "audit")
      #expect(look["time"]?.string?.count == "2026-11-21T09:42:53.000001Z".count)
    }
  }

  @Test("conditions narrow it down, and the log says by their names alone what was asked")
  func conditions() async throws {
    try await withScene { scene in
      let auditor = try auditor(scene)
      let id = try await scene.createdID()
      _ = try await scene.running.call("GET", "/profiles/\(id)", as: scene.admin)
      let created = try await scene.running.call("GET", "/audit/entries?action=profile.created", as: auditor)
      #expect(actions(created) == ["profile.created"])
      let entry = try #require(items(created).first)
      let subject = try #require(entry["subject"]?.string)
      let actor = try #require(entry["actor"]?.string)
      let time = try #require(entry["time"]?.string)

      let byFamily = try await scene.running.call("GET", "/audit/entries?action=personal_data.*", as: auditor)
      #expect(actions(byFamily) == ["personal_data.read"])
      let bySubject = try await scene.running.call("GET", "/audit/entries?subject=\(subject)", as: auditor)
      #expect(actions(bySubject) == ["personal_data.read", "profile.created", "key.created"])
      let byActor = try await scene.running.call("GET", "/audit/entries?actor=\(actor)&subject=\(subject)", as: auditor)
      #expect(actions(byActor) == ["personal_data.read", "profile.created", "key.created"])
      let from = try await scene.running.call(
        "GET", "/audit/entries?from=\(time)&action=profile.*", as: auditor)
      #expect(actions(from) == ["profile.created"])
      let until = try await scene.running.call("GET", "/audit/entries?to=\(time)&action=profile.*", as: auditor)
      #expect(actions(until).isEmpty)
      let looks = try await scene.running.call("GET", "/audit/entries?action=log.read", as: auditor)
      let filters = items(looks).compactMap { $0["codes"]?["filters"]?.string }
      #expect(
        filters == [
          "action+to", "action+from", "subject+actor", "subject", "action", "action",
        ])
      #expect(items(looks).filter { $0["subject"]?.string == subject }.count == 2)
    }
  }

  @Test("one entry comes with its exact bytes, and its receipt verifies over them with the log's key alone")
  func entryAndReceipt() async throws {
    try await withScene { scene in
      let auditor = try auditor(scene)
      _ = try await scene.createdID()
      let answer = try await scene.running.call("GET", "/audit/entries/2", as: auditor)
      #expect(answer.status == 200)
      #expect(answer.json["seq"]?.integer == 2)
      let bytes = try #require(StrictBase64.decode(answer.json["entry"]?.string ?? "", .standard))
      #expect(answer.json["leaf_hash"]?.string == MerkleTree.leafHash(bytes).base64)
      let receipt = try await eventually {
        let answer = try await scene.running.call("GET", "/audit/receipts/2", as: auditor)
        if answer.status == 409 {
          answer.expectProblem(409, "not-published")
          #expect(answer.headers["retry-after"] == "1")
        }
        return answer.status == 200 ? answer : nil
      }
      #expect(receipt.headers["content-type"] == "text/plain; charset=utf-8")
      let keyText = try await scene.running.call("GET", "/audit/key", as: auditor).text
      let key = try #require(NoteKey(String(keyText.dropLast())))
      let head = try Receipt(parsing: receipt.text).verify(entry: bytes, key: key)
      #expect(head.origin.hasSuffix(scene.tenant.description))
      #expect(head.size > 2)
    }
  }

  @Test("numbers that no entry has are 404 alike: beyond the end, negative, with zeros before, above 2^63, text")
  func numbers() async throws {
    try await withScene { scene in
      let auditor = try auditor(scene)
      let size = 1_000_000
      for number in [
        "\(size)", "9223372036854775807", "9223372036854775808", "-1", "+1", "01", "00", "0x1", "1.0", "one", "%20",
        "1%00",
        "١",
      ] {
        for list in ["entries", "receipts"] {
          let encoded = number.addingPercentEncoding(
            withAllowedCharacters: .alphanumerics.union(.init(charactersIn: "%+-.")))
          let answer = try await scene.running.call("GET", "/audit/\(list)/\(encoded ?? "")", as: auditor)
          answer.expectProblem(404, "not-found", [], "\(list) \(number)")
        }
      }
    }
  }

  @Test(
    "a condition that can't be meant is refused by its name, never its value",
    arguments: [
      ("subject=kanari", "?subject format"), ("subject=", "?subject format"), ("actor=kanari", "?actor format"),
      ("subject=%7Bkanari%7D", "?subject format"), ("action=kanari", "?action format"), ("action=*", "?action format"),
      ("action=kanari.%22x", "?action format"), ("from=kanari", "?from format"), ("from=2026-01-01", "?from format"),
      ("to=1767139200", "?to format"), ("from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", "?to range"),
      ("limit=0", "?limit range"), ("limit=201", "?limit range"), ("limit=kanari", "?limit range"),
      ("cursor=kanari", "?cursor format"), ("cursor=", "?cursor format"), ("show=kanari", "?show not_allowed"),
      ("kanari=1", "?unknown unknown"), ("limit=1&limit=2", "?limit duplicate"),
    ])
  func badQueries(query: String, fault: String) async throws {
    try await withScene { scene in
      let auditor = try scene.person("auditor", scopes: [.auditRead, .profilesRead])
      let before = try await scene.contents()
      let answer = try await scene.running.call("GET", "/audit/entries?\(query)", as: auditor)
      answer.expectProblem(422, "invalid-fields", [fault])
      #expect(!answer.text.contains("kanari"))
      // The auditor is an actor by now; nothing else was written, and no look at the log.
      let looks = try await scene.installation.data.sql(
        "SELECT count(*) FROM audit.entries WHERE position('log.read'::bytea IN entry) > 0")
      #expect(looks.trimmingCharacters(in: .whitespacesAndNewlines) == "0")
      #expect(before != "")
    }
  }

  @Test("a cursor belongs to its list, its conditions and its tenant; elsewhere it is refused")
  func foreignCursors() async throws {
    try await withScene { scene in
      let person = try scene.person("auth|zoe")
      try await scene.create(["identity": "auth|zoe"], as: person)
      let (_, other) = try await scene.otherTenant()
      func cursor(_ path: String) async throws -> String {
        try #require(try await scene.running.call("GET", path, as: person).json["next"]?.string)
      }
      let entries = try await cursor("/audit/entries?limit=1")
      let narrowed = try await cursor("/audit/entries?limit=1&action=key.*")
      let accesses = try await cursor("/me/accesses?limit=1")
      _ = try await scene.createdID()
      let profiles = try await cursor("/profiles?limit=1")
      for (path, wrong) in [
        ("/audit/entries?", narrowed), ("/audit/entries?", accesses), ("/audit/entries?", profiles),
        ("/audit/entries?action=key.*&", entries), ("/me/accesses?", entries), ("/audit/cosignatures?", entries),
        ("/profiles?", entries),
      ] {
        let answer = try await scene.running.call("GET", path + "cursor=\(wrong)", as: person)
        answer.expectProblem(422, "invalid-fields", ["?cursor format"], "\(path)")
      }
      let theirs = try await scene.running.call("GET", "/audit/entries?cursor=\(entries)", as: other)
      theirs.expectProblem(422, "invalid-fields", ["?cursor format"])
      let own = try await scene.running.call("GET", "/audit/entries?limit=200&cursor=\(entries)", as: person)
      #expect(own.status == 200)
    }
  }

  @Test("another tenant's entries, persons and actors are not there")
  func tenants() async throws {
    try await withScene { scene in
      let (_, other) = try await scene.otherTenant("owner")
      let theirs = try await scene.createdID(as: other)
      let listed = try await scene.running.call("GET", "/audit/entries?action=profile.created", as: other)
      let entry = try #require(items(listed).first)
      let subject = try #require(entry["subject"]?.string)
      let actor = try #require(entry["actor"]?.string)
      for query in ["", "subject=\(subject)", "actor=\(actor)"] {
        let answer = try await scene.running.call("GET", "/audit/entries?limit=200&\(query)", as: scene.admin)
        #expect(answer.status == 200)
        #expect(!answer.text.contains(subject))
        #expect(!answer.text.contains(actor))
        #expect(!answer.text.contains(theirs))
      }
      // Not even by the entry that says what was asked for.
      let own = try await scene.installation.data.sql(
        """
        SELECT count(*) FROM audit.entries WHERE tenant_id = '\(scene.tenant)'
          AND position('\(subject)'::bytea IN entry) > 0
        """)
      #expect(own.trimmingCharacters(in: .whitespacesAndNewlines) == "0")
      let last = try await scene.running.call("GET", "/audit/entries/20", as: scene.admin)
      last.expectProblem(404, "not-found")
    }
  }

  // MARK: Values

  @Test("live values are shown masked to who may read profiles, as one reading in the log; erased ones as erased")
  func values() async throws {
    try await withScene { scene in
      let officer = try scene.person("officer")
      let live = try await scene.createdID(["email": "zoe@example.org", "phone": "+51999888777"], as: officer)
      let gone = try await scene.createdID(["email": "gone@example.org"], as: officer)
      try await scene.erase(gone, by: officer, approvedBy: try scene.person("second"))
      let auditor = try scene.person("auditor", scopes: [.auditRead, .profilesRead])
      let plain = try await scene.running.call("GET", "/audit/entries?action=profile.created", as: auditor)
      #expect(items(plain).allSatisfy { $0["values"] == nil && $0["erased"] == nil })
      let shown = try await scene.running.call(
        "GET", "/audit/entries?action=profile.created&show=values", as: auditor)
      #expect(shown.status == 200)
      let both = items(shown)
      #expect(both.count == 2)
      #expect(both.first?["erased"] == .bool(true))
      #expect(both.first?["values"] == nil)
      #expect(both.last?["erased"] == nil)
      #expect(both.last?["values"]?["full_name"]?.string == "Z••• Ñ•••")
      #expect(both.last?["values"]?["email"]?.string == "z•••@e•••.org")
      #expect(both.last?["values"]?["phone"]?.string == "+51•••77")
      for secret in ["zoe@", "999888", "Ñandú", "gone"] { #expect(!shown.text.contains(secret)) }

      let newest = try await scene.running.call("GET", "/audit/entries?limit=2", as: auditor)
      #expect(actions(newest) == ["personal_data.read", "log.read"])
      let read = try #require(items(newest).first)
      #expect(read["fields"]?.array?.compactMap(\.string) == ["full_name", "email", "phone"])
      #expect(read["purpose"]?.string == "audit")
      #expect(read["subject"] == both.last?["subject"])
      #expect(items(newest).last?["codes"]?["show"]?.string == "values")
      #expect(try await scene.running.call("GET", "/profiles/\(live)", as: officer).status == 200)
    }
  }

  @Test("without the scope for profiles nobody sees values, masked or not")
  func valuesNeedTheScope() async throws {
    try await withScene { scene in
      _ = try await scene.createdID()
      let auditor = try auditor(scene)
      let answer = try await scene.running.call("GET", "/audit/entries?show=values", as: auditor)
      answer.expectProblem(403, "insufficient-scope")
      #expect(answer.headers["www-authenticate"]?.contains("scope=\"profiles:read\"") == true)
    }
  }

  // MARK: A person's own list

  @Test("a person sees who read what and why, without whom; the look is on the next list")
  func ownAccesses() async throws {
    try await withScene { scene in
      let person = try scene.person("auth|zoe", scopes: [.profilesRead])
      let id = try await scene.createdID(["identity": "auth|zoe"])
      _ = try await scene.running.call("GET", "/profiles/\(id)", as: scene.admin)
      _ = try await scene.running.call("GET", "/me", as: person)
      let first = try await scene.running.call("GET", "/me/accesses", as: person)
      #expect(first.status == 200)
      #expect(
        actions(first) == ["personal_data.read", "personal_data.read", "profile.created", "key.created"])
      let reads = items(first)
      #expect(reads[0]["purpose"]?.string == "self_service")
      #expect(reads[1]["purpose"]?.string == "profile_administration")
      #expect(reads[1]["fields"]?.array?.compactMap(\.string) == ["full_name", "identity"])
      for item in reads {
        let names = (item.members ?? []).map(\.name).sorted()
        #expect(names == ["action", "fields", "outcome", "purpose", "role", "time"])
      }
      let second = try await scene.running.call("GET", "/me/accesses?limit=2", as: person)
      #expect(actions(second) == ["log.read", "personal_data.read"])
      let cursor = try #require(second.json["next"]?.string)
      let third = try await scene.running.call("GET", "/me/accesses?limit=200&cursor=\(cursor)", as: person)
      #expect(actions(third) == ["personal_data.read", "profile.created", "key.created"])
      #expect(third.json["next"]?.isNull == true)
    }
  }

  @Test("nobody's own list is 404, an erased person's 410")
  func ownAccessesOfNobody() async throws {
    try await withScene { scene in
      let stranger = try scene.person("auth|nobody")
      let none = try await scene.running.call("GET", "/me/accesses", as: stranger)
      none.expectProblem(404, "not-found")
      let person = try scene.person("auth|zoe")
      let id = try await scene.createdID(["identity": "auth|zoe"])
      try await scene.erase(id, by: try scene.person("officer"), approvedBy: try scene.person("second"))
      let gone = try await scene.running.call("GET", "/me/accesses", as: person)
      // The identity's tag is gone with the person: there is nobody to be found by it.
      gone.expectProblem(404, "not-found")
    }
  }

  @Test("nothing of the log is shown while the look at it can't be written")
  func failClosed() async throws {
    try await withScene { scene in
      let person = try scene.person("auth|zoe")
      _ = try await scene.createdID(["identity": "auth|zoe"])
      _ = try await scene.running.call("GET", "/me", as: person)
      try await scene.installation.data.sql("REVOKE INSERT ON audit.entries FROM lethe_app")
      for path in ["/audit/entries", "/audit/entries/0", "/audit/entries?show=values", "/me/accesses"] {
        let answer = try await scene.running.call("GET", path, as: person)
        answer.expectProblem(503, "unavailable", [], "\(path)")
        #expect(!answer.text.contains("log.started"))
      }
    }
  }
}
