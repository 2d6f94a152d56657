import Audit
import Custody
import Foundation
import Policies
import ServiceTesting
import Signing
import StrictJSON
import Testing
import Tokens

@Suite("The published log as static files")
struct StaticLogTests {
  /// A scene whose log has more than a full tile, published.
  private func withLongLog(_ body: (Scene, TestPerson, UInt64) async throws -> Void) async throws {
    try await withScene { scene in
      let id = try await scene.createdID()
      let auditor = try scene.person("auditor", scopes: [.auditRead])
      _ = try await scene.running.call("GET", "/audit/key", as: auditor)
      let profiles = scene.running.server.profiles
      let profile = try #require(UUID(uuidString: id))
      try await withThrowingTaskGroup(of: Void.self) { group in
        for _ in 0..<300 {
          group.addTask {
            _ = try await profiles.profile(
              profile,
              AccessContext(
                tenant: scene.tenant, actor: ActorID(UUID()), purpose: .profileAdministration, requestID: UUID()))
          }
        }
        try await group.waitForAll()
      }
      let size = try await eventually { () -> UInt64? in
        let answer = try await scene.running.call("GET", "/audit/checkpoint", as: auditor)
        guard answer.status == 200 else { return nil }
        let size = try Checkpoint(parsing: SignedNote(parsing: answer.text).body).size
        return size > 300 ? size : nil
      }
      try await body(scene, auditor, size)
    }
  }

  @Test("full and partial tiles and bundles are immutable octets with an entity tag; a repetition costs nothing")
  func tiles() async throws {
    try await withLongLog { scene, auditor, size in
      for path in [
        "tile/0/000", "tile/entries/000", "tile/0/001.p/\(size % 256)", "tile/entries/001.p/\(size % 256)",
        "tile/1/000.p/1",
      ] {
        let answer = try await scene.running.call("GET", "/audit/\(path)", as: auditor)
        #expect(answer.status == 200, "\(path)")
        #expect(answer.headers["content-type"] == "application/octet-stream", "\(path)")
        #expect(answer.headers["cache-control"] == "private, max-age=31536000, immutable", "\(path)")
        let tag = try #require(answer.headers["etag"])
        #expect(tag == "\"\(SHA256Digest.hash(answer.body).hex.prefix(32))\"")
        for condition in [tag, "W/\(tag)", "\"other\", \(tag)", "*"] {
          let again = try await scene.running.call(
            "GET", "/audit/\(path)", as: auditor, headers: [("If-None-Match", condition)])
          #expect(again.status == 304, "\(path) \(condition)")
          #expect(again.body.isEmpty)
          #expect(again.headers["etag"] == tag)
        }
        let other = try await scene.running.call(
          "GET", "/audit/\(path)", as: auditor, headers: [("If-None-Match", "\"other\"")])
        #expect(other.body == answer.body)
      }
      let full = try await scene.running.call("GET", "/audit/tile/0/000", as: auditor)
      #expect(full.body.count == 256 * 32)
    }
  }

  @Test("what grows is asked for anew each time; what is exported keeps its bytes")
  func checkpoints() async throws {
    try await withLongLog { scene, auditor, _ in
      for path in ["key", "checkpoint", "ledger"] {
        let answer = try await scene.running.call("GET", "/audit/\(path)", as: auditor)
        #expect(answer.status == 200, "\(path)")
        #expect(answer.headers["content-type"] == "text/plain; charset=utf-8", "\(path)")
        #expect(answer.headers["cache-control"] == "private, no-cache", "\(path)")
        #expect(answer.headers["etag"] != nil, "\(path)")
      }
      let list = try await scene.running.call("GET", "/audit/checkpoints?limit=200", as: auditor)
      let items = list.json["items"]?.array ?? []
      #expect(!items.isEmpty)
      let sizes = items.compactMap { $0["size"]?.integer }
      #expect(sizes == sizes.sorted())
      for item in items {
        let size = try #require(item["size"]?.integer)
        let digits = String(size)
        let name = String(repeating: "0", count: 20 - digits.count) + digits
        let file = try await scene.running.call("GET", "/audit/checkpoints/\(name)", as: auditor)
        #expect(file.status == 200)
        #expect(file.text == item["note"]?.string)
        #expect(file.headers["cache-control"] == "private, max-age=31536000, immutable")
      }
      let last = try #require(sizes.last)
      let one = try await scene.running.call("GET", "/audit/checkpoints?limit=1", as: auditor)
      #expect((one.json["items"]?.array ?? []).compactMap { $0["size"]?.integer } == Array(sizes.prefix(1)))
      let above = try await scene.running.call("GET", "/audit/checkpoints?above=\(sizes[0])&limit=1", as: auditor)
      #expect(
        (above.json["items"]?.array ?? []).compactMap { $0["size"]?.integer } == Array(sizes.dropFirst().prefix(1)))
      let end = try await scene.running.call("GET", "/audit/checkpoints?above=\(last + 100_000)", as: auditor)
      #expect(end.json["items"]?.array?.isEmpty == true)
      for bad in ["-1", "01", "x", "18446744073709551616", ""] {
        let answer = try await scene.running.call("GET", "/audit/checkpoints?above=\(bad)", as: auditor)
        answer.expectProblem(422, "invalid-fields", ["?above format"])
      }
    }
  }

  @Test("the ledger is its tenant's own lines, in their order")
  func ledger() async throws {
    try await withScene { scene in
      let auditor = try scene.person("auditor", scopes: [.auditRead])
      let empty = try await scene.running.call("GET", "/audit/ledger", as: auditor)
      #expect(empty.status == 200)
      #expect(empty.body.isEmpty)
      let records = [scene.tenant.uuid, UUID(), scene.tenant.uuid].enumerated().map { number, tenant in
        ErasureRecord(
          tenant: tenant, subject: UUID(), commitment: Array(repeating: UInt8(number), count: 32), time: Int64(number))
      }
      try scene.running.server.ledger.append(contentsOf: records)
      let answer = try await scene.running.call("GET", "/audit/ledger", as: auditor)
      #expect(answer.text == [records[0], records[2]].compactMap(\.line).joined())
    }
  }

  @Test("404: the partial tile of a full one, places that no tile has, ways out of the folder, another tenant's")
  func missing() async throws {
    try await withLongLog { scene, auditor, size in
      let folder = scene.running.server.checkpointer.folder(of: scene.tenant)
      #expect(FileManager.default.fileExists(atPath: folder + "/vkey"))
      let (other, _) = try await scene.otherTenant("other")
      for path in [
        "tile/0/000.p/44", "tile/entries/000.p/1", "tile/0/000.p/256", "tile/0/000.p/0", "tile/0/002",
        "tile/0/001.p/\(size % 256 + 1)", "tile/0/0", "tile/0/x000/000", "tile/00/000", "tile/64/000", "tile/-1/000",
        "tile/entries", "tile/0/000.p", "tile/0/000.p/044", "tile/0/000.p/1/1", "tile/data/000",
        "tile/%2e%2e/vkey", "tile/..%2fvkey", "tile/0/..%2f..%2f..%2fvkey", "tile/0/%2e%2e%2f000", "tile/0/000%00",
        "tile/0/000%2f", "tile/0/000%0a", "tile/%30/000%20", "\(other)/tile/0/000", "\(scene.tenant)/tile/0/000",
        "vkey",
        ".incoming", ".incoming/x", "tile/.incoming", "checkpoints/1", "checkpoints/..%2fcheckpoint00000000",
        "checkpoints/0000000000000000000x", "checkpoints/99999999999999999999", "segments/00000000000000000000",
        "segments/..%2f..%2f..%2f..%2fetc", "retention", "erasures/ledger",
      ] {
        let answer = try await scene.running.call("GET", "/audit/\(path)", as: auditor)
        answer.expectProblem(404, "not-found", [], "\(path)")
      }
      let theirs = try scene.installation.issuer.person("auditor", in: other, scopes: [.auditRead])
      for path in ["tile/0/000", "tile/entries/000"] {
        let answer = try await scene.running.call("GET", "/audit/\(path)", as: theirs)
        answer.expectProblem(404, "not-found", [], "\(path)")
      }
    }
  }
}

@Suite("Cosignatures over HTTP")
struct WitnessRouteTests {
  private struct Witness {
    let name: String
    let key: SigningKey

    func cosign(_ note: SignedNote) throws -> String {
      let time = UInt64(Date().timeIntervalSince1970)
      return try note.adding([Cosignature.sign(note.body, by: key, name: name, at: time)]).text
    }
  }

  private func post(_ scene: Scene, _ text: String, as person: TestPerson, type: String = "text/plain") async throws
    -> RunningServer.Answer
  {
    let path = "/audit/cosignatures"
    return try await scene.running.send(
      "POST", path, headers: try person.credentials("POST", path) + [("Content-Type", type)], body: Array(text.utf8))
  }

  @Test("a note with a cosignature of a witness whom nobody knows, or of no checkpoint, or that is no note")
  func refused() async throws {
    try await withScene { scene in
      let auditor = try scene.person("witness", scopes: [.auditRead])
      let witness = Witness(name: "stranger.example.com", key: try SigningKey.generate(.ed25519))
      let text = try await eventually {
        let answer = try await scene.running.call("GET", "/audit/checkpoint", as: auditor)
        return answer.status == 200 ? answer.text : nil
      }
      let stranger = try await post(scene, try witness.cosign(SignedNote(parsing: text)), as: auditor)
      stranger.expectProblem(403, "unknown-witness")
      for body in ["", "kanari", "kanari\n\n", text + "kanari"] {
        let answer = try await post(scene, body, as: auditor)
        answer.expectProblem(400, "malformed-note", [], "\(body.count)")
        #expect(!answer.text.contains("kanari"))
      }
      let json = try await post(scene, "{}", as: auditor, type: "application/json")
      json.expectProblem(415, "unsupported-media-type")
      let large = try await post(scene, String(repeating: "x", count: 65_537), as: auditor)
      large.expectProblem(413, "too-large")
      let list = try await scene.running.call("GET", "/audit/cosignatures", as: auditor)
      #expect(list.json["items"]?.array?.isEmpty == true)
      #expect(list.json["next"]?.isNull == true)
    }
  }

  @Test("a known witness's is 201, the same again 200; it is listed, and stands below its checkpoint")
  func taken() async throws {
    let witness = Witness(name: "witness.example.com", key: try SigningKey.generate(.ed25519))
    try await withInstallation { installation in
      var installation = installation
      installation.settings.witnesses = WitnessPolicy(
        keys: [try WitnessKey(name: witness.name, key: witness.key.publicKey)])
      // Nothing is published beside what is published here.
      installation.settings.checkpointSeconds = 3_600
      let tenant = TenantID(UUID())
      let server = try await installation.server(tenant: tenant)
      _ = try await server.checkpointer.publish(tenant)
      let running = try await RunningServer.start(server)
      do {
        let scene = Scene(
          running: running, installation: installation, tenant: tenant,
          admin: try installation.issuer.person("admin", in: tenant))
        try await story(scene, witness)
        await running.stop()
      } catch {
        await running.stop()
        throw error
      }
    }
  }

  private func story(_ scene: Scene, _ witness: Witness) async throws {
    let auditor = try scene.person("witness", scopes: [.auditRead])
    let text = try await eventually {
      let answer = try await scene.running.call("GET", "/audit/checkpoint", as: auditor)
      return answer.status == 200 ? answer.text : nil
    }
    let note = try SignedNote(parsing: text)
    let cosigned = try witness.cosign(note)
    let first = try await post(scene, cosigned, as: auditor)
    #expect(first.status == 201)
    let again = try await post(scene, cosigned, as: auditor)
    #expect(again.status == 200)
    #expect(again.json == first.json)
    let list = try await scene.running.call("GET", "/audit/cosignatures", as: auditor)
    #expect(list.json["items"] == first.json["items"])
    let item = try #require(list.json["items"]?.array?.first)
    #expect(item["witness"]?.string == "witness.example.com")
    #expect(item["size"]?.integer == Int64(try Checkpoint(parsing: note.body).size))
    #expect(item["time"]?.string?.hasSuffix("Z") == true)
    let shown = try await scene.running.call("GET", "/audit/checkpoint", as: auditor)
    #expect(shown.text == cosigned)

    var damaged = try #require(
      note.adding([Cosignature.sign(note.body, by: witness.key, name: witness.name, at: 7)]).signatures.last)
    damaged = NoteSignature(name: damaged.name, keyID: damaged.keyID, value: Array(damaged.value.dropLast()) + [0])
    let invalid = try await post(scene, try note.adding([damaged]).text, as: auditor)
    invalid.expectProblem(422, "invalid-cosignature")
    let head = try Checkpoint(parsing: note.body)
    let unpublished = try SignedNote.signing(
      Checkpoint(origin: head.origin, size: head.size + 1, root: head.root).text,
      by: NoteSigner(name: "x", key: witness.key))
    let unknown = try await post(scene, try witness.cosign(unpublished), as: auditor)
    unknown.expectProblem(409, "unknown-checkpoint")
  }
}
