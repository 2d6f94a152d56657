import Certificates
import Custody
import Foundation
import ServiceTesting
import StrictJSON
import Testing

@Suite("The stages of a certificate in the API")
struct CertificateStageTests {
  private func certificate(_ request: String, _ scene: Scene) async throws -> ErasureCertificate {
    let answer = try await scene.running.call("GET", "/privacy/data/\(request)/certificate", as: scene.admin)
    try #require(answer.status == 200)
    return try SignedCertificate(parsing: answer.body).certificate
  }

  private func erasure(_ request: String, _ scene: Scene) async throws -> JSONValue {
    let answer = try await scene.running.call("GET", "/privacy/data/\(request)", as: scene.admin)
    try #require(answer.status == 200)
    return answer.json["erasure"] ?? .null
  }

  @Test("a request shows its certificate's stage, alone and in the list; the certificate is the newest")
  func stages() async throws {
    try await withScene { scene in
      let second = try scene.person("second")
      let profile = try await scene.createdID(["email": "zoe@example.org"])
      let waiting = try await scene.openedRequest("erasure", about: profile, by: scene.admin)
      #expect(try await erasure(waiting, scene) == .null)
      let request = try await scene.erase(profile, by: scene.admin, approvedBy: second)

      let issued = try await certificate(request, scene)
      #expect(issued.stage == .issued)
      let shown = try await erasure(request, scene)
      #expect(shown["certificate"]?.string == "issued")
      #expect(shown["key_epoch"]?.integer == 1)
      #expect(shown["key_backups_dead_by"]?.string == issued.keyBackupsDeadBy)
      #expect(
        shown.members?.map(\.name).sorted() == [
          "certificate", "erased_at", "key_backups_dead_by", "key_epoch", "log_sequence", "step",
        ])
      let list = try await scene.running.call("GET", "/privacy/data?type=erasure", as: scene.admin)
      let items = list.json["items"]?.array ?? []
      let listed = items.first { $0["id"]?.string == request }
      #expect(listed?["erasure"] == shown)
      let unordered = items.first { $0["id"]?.string == waiting }
      #expect(unordered != nil)
      #expect(unordered?["erasure"] == nil)

      let outcome = try await scene.installation.rotate(scene.running.server.custody)
      guard case .retired = outcome else {
        Issue.record("the rotation ended as \(outcome)")
        return
      }
      // The background work finds by itself what has become final.
      let final = try await eventually {
        let shown = try await erasure(request, scene)
        // `nil` alone would be the JSON value null.
        return shown["certificate"]?.string == "final" ? JSONValue?.some(shown) : JSONValue?.none
      }
      let newest = try await certificate(request, scene)
      #expect(newest.stage == .final)
      #expect(newest.log == issued.log)
      #expect(final["key_backups_dead_by"]?.string == newest.keyBackupsDeadBy)
      #expect(newest.keyBackupsDeadBy != nil)
      #expect(final["step"]?.string == "certified")
    }
  }

  @Test("an approved request about a person who is erased by another one is completed when it is executed")
  func alreadyErased() async throws {
    try await withScene { scene in
      let second = try scene.person("second")
      let profile = try await scene.createdID()
      let late = try await scene.openedRequest("erasure", about: profile, by: scene.admin, approvedBy: second)
      let unapproved = try await scene.openedRequest("erasure", about: profile, by: scene.admin)
      try await scene.erase(profile, by: scene.admin, approvedBy: second)
      let key = [("Idempotency-Key", "late")]
      let done = try await scene.running.call(
        "POST", "/privacy/data/\(late):execute", as: scene.admin, headers: key)
      #expect(done.status == 200)
      #expect(done.json["state"]?.string == "completed")
      #expect(done.json["completed_at"]?.string != nil)
      let again = try await scene.running.call(
        "POST", "/privacy/data/\(late):execute", as: scene.admin, headers: key)
      #expect(again.status == 200)
      #expect(again.headers["idempotency-replayed"] == "true")
      #expect(again.body == done.body)
      let other = try await scene.running.call("POST", "/privacy/data/\(late):execute", as: scene.admin)
      other.expectProblem(409, "wrong-state")
      let none = try await scene.running.call("GET", "/privacy/data/\(late)/certificate", as: scene.admin)
      none.expectProblem(409, "not-ready")
      // Only what was approved is.
      let early = try await scene.running.call("POST", "/privacy/data/\(unapproved):execute", as: scene.admin)
      early.expectProblem(409, "wrong-state")
    }
  }
}
