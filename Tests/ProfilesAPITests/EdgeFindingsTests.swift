import Custody
import Foundation
import ServiceTesting
import StrictJSON
import Testing
import Tokens

@Suite("What an attacker found once")
struct EdgeFindingsTests {
  @Test(
    "an odd Content-Type is 415 and the server goes on",
    arguments: ["", ";", " ", ";;", "; charset=utf-8", "text/plain;"])
  func contentType(value: String) async throws {
    try await withRunningServer { running, installation, tenant in
      let person = try installation.issuer.person("admin", in: tenant)
      for (method, path) in [("GET", "/me"), ("POST", "/profiles"), ("PATCH", "/profiles/\(UUID().uuidString)")] {
        let proof = try person.signer.proof(
          method: method, url: Installation.origin + path, accessToken: person.token, now: UnixClock.now())
        let answer = try await running.send(
          method, path,
          headers: [
            ("Authorization", "DPoP \(person.token)"), ("DPoP", proof), ("Content-Type", value),
            ("Idempotency-Key", UUID().uuidString),
          ], body: Array("{}".utf8))
        #expect(answer.status == 415, "\(method) '\(value)'")
      }
      let alive = try await running.send("GET", "/health/live", headers: [])
      #expect(alive.status == 200)
    }
  }

  @Test("who may write and not read gets no value of a profile back from a change")
  func writeOnly() async throws {
    try await withRunningServer { running, installation, tenant in
      let admin = try installation.issuer.person("admin", in: tenant)
      let created = try await running.call(
        "POST", "/profiles", as: admin, body: #"{"full_name":"Zoë Kanari","email":"kanari@example.org"}"#)
      let id = try #require(created.json["id"]?.string)
      let writer = try installation.issuer.person("writer", in: tenant, scopes: [.profilesWrite])
      let patched = try await running.call(
        "PATCH", "/profiles/\(id)", as: writer, body: "{}", headers: [("If-Match", "\"1\"")])
      let activated = try await running.call("POST", "/profiles/\(id):activate", as: writer)
      for answer in [patched, activated] {
        #expect(answer.status == 200)
        #expect(answer.json["id"]?.string == id)
        #expect(answer.json["version"]?.integer != nil)
        #expect(answer.json["full_name"] == nil)
        #expect(!answer.text.contains("anari"))
      }
      let read = try await running.call("GET", "/profiles/\(id)", as: writer)
      #expect(read.status == 403)
    }
  }

  @Test("an Idempotency-Key is visible ASCII", arguments: ["a b", "clé", "a\tb"])
  func keys(key: String) async throws {
    try await withRunningServer { running, installation, tenant in
      let admin = try installation.issuer.person("admin", in: tenant)
      let answer = try await running.call(
        "POST", "/profiles", as: admin, body: #"{"full_name":"x"}"#, headers: [("Idempotency-Key", key)])
      #expect(answer.status == 400)
      #expect(answer.problem == "malformed-idempotency-key")
    }
  }

  @Test("a change between canonical equivalents is a change, by name, in the log; an identity is visible ASCII")
  func canonicalEquivalents() async throws {
    try await withRunningServer { running, installation, tenant in
      let admin = try installation.issuer.person("admin", in: tenant)
      let created = try await running.call(
        "POST", "/profiles", as: admin, body: "{\"full_name\":\"Jos\u{E9}\",\"identity\":\"idp-1\"}")
      let id = try #require(created.json["id"]?.string)
      let changed = try await running.call(
        "PATCH", "/profiles/\(id)", as: admin, body: "{\"full_name\":\"Jose\u{301}\"}", headers: [("If-Match", "\"1\"")]
      )
      #expect(changed.status == 200)
      let named = try await installation.data.sql(
        """
        SELECT count(*) FROM audit.entries WHERE convert_from(entry, 'UTF8') LIKE
          '%"action":"profile.updated"%"fields":["full_name"]%'
        """)
      #expect(named.trimmingCharacters(in: .whitespacesAndNewlines) == "1")
      let refused = try await running.call(
        "POST", "/profiles", as: admin, body: #"{"full_name":"x","identity":"éX"}"#)
      #expect(refused.errors == ["/identity format"])
    }
  }

  @Test("an access package that races an erasure leaves no key behind")
  func packageKeyAfterErasure() async throws {
    try await withInstallation { installation in
      let tenant = TenantID(UUID())
      let server = try await installation.server(tenant: tenant)
      let context = AccessContext.operation(tenant)
      let subject = try await server.custody.write(context, subjects: .creating) { try $0.newSubject() }
      let commitment = try await server.custody.keyCommitment(of: subject, context).commitment
      _ = try await server.custody.destroyKey(of: subject, commitment: commitment, context)
      await #expect(throws: CustodyError(.erased)) {
        _ = try await server.custody.sealExpiring(
          [1, 2, 3], as: .accessPackage, id: UUID(), of: subject, expires: .max, context)
      }
      let left = try await installation.vault.sql("SELECT count(*) FROM vault.keys WHERE subject_id IS NOT NULL")
      #expect(left.trimmingCharacters(in: .whitespacesAndNewlines) == "0")
      await server.close()
    }
  }
}
