import Audit
import Certificates
import Custody
import Foundation
import ServiceTesting
import StrictJSON
import Testing

@Suite("One erasure request, end to end, over HTTP")
struct StoryTests {
  @Test("a person is created, read, exported, erased by two officers, and certified; the log verifies")
  func story() async throws {
    try await withRunningServer { running, installation, tenant in
      let admin = try installation.issuer.person("admin", in: tenant)
      let officer = try installation.issuer.person("officer", in: tenant)
      let second = try installation.issuer.person("officer2", in: tenant)

      let created = try await running.call(
        "POST", "/profiles", as: admin,
        body:
          #"{"full_name":"Zoë Ñandú","email":"Zoe@Example.ORG","phone":"+51 999 000 111","country":"PE","language":"es"}"#
      )
      #expect(created.status == 201)
      let id = try #require(created.json["id"]?.string)
      #expect(created.headers["location"] == "/profiles/\(id)")
      #expect(created.json["email"]?.string == "zoe@example.org")

      let read = try await running.call("GET", "/profiles/\(id)", as: admin)
      #expect(read.status == 200)
      #expect(read.json["full_name"]?.string == "Zoë Ñandú")
      #expect(read.headers["cache-control"] == "no-store")

      // Access.
      let access = try await running.call(
        "POST", "/privacy/data", as: officer, body: #"{"type":"access","profile_id":"\#(id)"}"#)
      #expect(access.status == 201)
      let accessID = try #require(access.json["id"]?.string)
      let early = try await running.call("POST", "/privacy/data/\(accessID):execute", as: officer)
      #expect(early.status == 409)
      #expect(early.problem == "wrong-state")
      #expect(
        try await running.call(
          "POST", "/privacy/data/\(accessID):verify", as: officer, body: #"{"method":"document"}"#
        ).status == 200)
      let executed = try await running.call("POST", "/privacy/data/\(accessID):execute", as: officer)
      #expect(executed.json["state"]?.string == "completed")
      let package = try await running.call("GET", "/privacy/data/\(accessID)/package", as: officer)
      #expect(package.status == 200)
      #expect(package.json["files"]?["profile.json"]?.string?.contains("Zoë Ñandú") == true)
      #expect(package.json["files"]?["accesses.json"]?.string?.contains("personal_data.read") == true)

      // Erasure.
      let erasure = try await running.call(
        "POST", "/privacy/data", as: officer, body: #"{"type":"erasure","profile_id":"\#(id)","note":"asked by phone"}"#
      )
      let erasureID = try #require(erasure.json["id"]?.string)
      let verified = try await running.call(
        "POST", "/privacy/data/\(erasureID):verify", as: officer, body: #"{"method":"callback"}"#)
      #expect(verified.json["state"]?.string == "needs_approval")
      let own = try await running.call("POST", "/privacy/data/\(erasureID):approve", as: officer)
      #expect(own.status == 403)
      #expect(own.problem == "same-officer")
      let approved = try await running.call("POST", "/privacy/data/\(erasureID):approve", as: second)
      #expect(approved.json["state"]?.string == "approved")
      let ordered = try await running.call("POST", "/privacy/data/\(erasureID):execute", as: officer)
      #expect(ordered.status == 202)
      #expect(ordered.headers["location"] == "/privacy/data/\(erasureID)")

      let certificate = try await eventually {
        let answer = try await running.call("GET", "/privacy/data/\(erasureID)/certificate", as: officer)
        return answer.status == 200 ? answer : nil
      }
      let request = try await running.call("GET", "/privacy/data/\(erasureID)", as: officer)
      #expect(request.json["state"]?.string == "completed")
      #expect(request.json["erasure"]?["step"]?.string == "certified")

      // Gone.
      #expect(try await running.call("GET", "/profiles/\(id)", as: admin).status == 410)
      let search = try await running.call(
        "POST", "/profiles:search", as: admin, body: #"{"email":"zoe@example.org"}"#)
      #expect(search.json["items"]?.array?.count == 0)
      #expect(try await running.call("GET", "/privacy/data/\(accessID)/package", as: officer).status == 410)

      // Verified by somebody who trusts nothing on the server.
      let key = try await running.call("GET", "/audit/key", as: admin)
      let note = try #require(NoteKey(key.text.trimmingCharacters(in: .newlines)))
      await running.stop()
      let signed = try SignedCertificate(parsing: certificate.body)
      #expect(signed.verify(keys: [note]).isEmpty)
      let report = ArchiveVerifier(
        folder: installation.settings.archivePath + "/\(tenant)", keys: [note], held: nil,
        ledger: ErasureLedger(path: installation.settings.archivePath + "/erasures/ledger")
      ).verify { _, _ in }
      #expect(report.findings == [])
      #expect(report.isValid)
      #expect(report.erasures == 1)
    }
  }
}

/// Asks again until there is an answer; fails after twenty seconds.
func eventually<Value>(_ ask: () async throws -> Value?) async throws -> Value {
  for _ in 0..<900 {
    if let value = try await ask() { return value }
    try await Task.sleep(for: .milliseconds(100))
  }
  throw NotInTime()
}

struct NotInTime: Error {}
