import Audit
import Certificates
import Foundation
import Glibc
import Profiles
import ProfilesAPI
import ServiceTesting
import SubjectRights
import Testing

@testable import Custody

extension House {
  /// The newest certificate of an erasure; asserts that it verifies with the log's key.
  fileprivate func certificate(of request: UUID) async throws -> ErasureCertificate {
    let signed = try SignedCertificate(parsing: try await rights.certificate(of: request, somebody()))
    let key = try server.checkpointer.signer(of: tenant).verifierKey()
    #expect(signed.verify(keys: [key]) == [])
    return signed.certificate
  }

  /// A person who is erased and certified; the request.
  fileprivate func certifiedErasure(_ name: String = "Zoë Ñandú") async throws -> UUID {
    let request = try await orderedErasure(of: try await profile(name))
    let reached = try await runner().run(request, tenant: tenant)
    #expect(reached == .certified)
    return request
  }

  /// Replaces the epoch by the next one, up to the destruction of its key.
  fileprivate func rotate() async throws {
    let outcome = try await installation.rotate(custody)
    guard case .retired = outcome else {
      Issue.record("the rotation ended as \(outcome)")
      return
    }
  }
}

@Suite("Certificates that become final", .serialized)
struct FinalityTests {
  @Test("issued with the promised day, final with the day on which the epoch was retired, once")
  func bothStages() async throws {
    try await withHouse { house in
      let request = try await house.certifiedErasure()
      let promise = try await house.custody.keyBackupsDeadBy(epoch: 1)
      let issued = try await house.certificate(of: request)
      #expect(issued.stage == .issued)
      #expect(issued.keyEpoch == 1)
      #expect(issued.keyBackupsDeadBy == promise)
      #expect(issued.keyCopiesOutstanding == 0)
      var progress = try #require(try await house.rights.erasure(of: request, house.somebody()))
      #expect(progress.certificate == .issued)
      #expect(progress.keyEpoch == 1)
      #expect(progress.keyBackupsDeadBy == promise)

      let (early, nothing) = try await house.added { try await house.runner().finalise(house.tenant) }
      #expect(early == 0)
      #expect(nothing.isEmpty)

      try await house.rotate()
      let (count, lines) = try await house.added { try await house.runner().finaliseAll() }
      #expect(count == 1)
      #expect(lines.map(\.action) == [.certificateIssued])
      #expect(lines.first?.record.codes["stage"] == "final")
      #expect(lines.first?.record.codes["key_epoch"] == "1")
      #expect(lines.first?.record.codes["request"] == request.uuidString.lowercased())
      let retired = try #require(try await house.custody.retiredEpochs().first { $0.epoch == 1 })
      let day = String(
        Date(timeIntervalSince1970: Double(retired.retiredAt / 1_000_000)).formatted(.iso8601).prefix(10))
      var final = try await house.certificate(of: request)
      #expect(final.stage == .final)
      #expect(final.keyBackupsDeadBy == day)
      progress = try #require(try await house.rights.erasure(of: request, house.somebody()))
      #expect(progress.certificate == .final)
      #expect(progress.keyBackupsDeadBy == day)
      // Nothing else changed, the place in the log included.
      final.stage = .issued
      final.keyBackupsDeadBy = promise
      #expect(final == issued)

      let (again, more) = try await house.added { try await house.runner().finaliseAll() }
      #expect(again == 0)
      #expect(more.isEmpty)
      try await house.server.checkpointer.publish(house.tenant)
      let report = try house.verifiedArchive()
      #expect(report.findings == [])
    }
  }

  @Test("the log names the epoch with the completion, and the stage with each certificate")
  func codes() async throws {
    try await withHouse { house in
      _ = try await house.certifiedErasure()
      let lines = try await house.log()
      let completed = lines.filter { $0.action == .erasureCompleted }
      #expect(completed.map { $0.record.codes["key_epoch"] } == ["1"])
      let issued = lines.filter { $0.action == .certificateIssued }
      #expect(issued.map { $0.record.codes["stage"] } == ["issued"])
    }
  }

  @Test("an erasure waits for the newest epoch of its time, and for no later one")
  func epochs() async throws {
    try await withHouse { house in
      let first = try await house.certifiedErasure("First")
      try await house.rotate()
      let second = try await house.certifiedErasure("Second")
      #expect(try await house.certificate(of: second).keyEpoch == 2)
      let count = try await house.runner().finalise(house.tenant)
      #expect(count == 1)
      #expect(try await house.certificate(of: first).stage == .final)
      #expect(try await house.certificate(of: second).stage == .issued)
      try await house.rotate()
      let last = try await house.runner().finalise(house.tenant)
      #expect(last == 1)
      #expect(try await house.certificate(of: second).stage == .final)
    }
  }

  @Test(
    "an erasure that a rotation overtakes names an epoch that no copy of its key can be later than",
    arguments: [ErasureStep.ledgered, .keyDestroyed])
  func overtaken(after step: ErasureStep) async throws {
    try await withHouse { house in
      let profile = try await house.profile()
      let request = try await house.orderedErasure(of: profile)
      let killed = KilledRunner(house, request, after: step)
      await #expect(processExitsWith: .signal(SIGKILL)) { [killed = killed as KilledRunner] in
        try await killed.run()
      }
      try await house.rotate()
      let reached = try await house.runner().run(request, tenant: house.tenant)
      #expect(reached == .certified)
      let certificate = try await house.certificate(of: request)
      #expect(certificate.keyEpoch == 2)
      let count = try await house.runner().finalise(house.tenant)
      #expect(count == 0)
      try await house.expectErasedOnce(request, of: profile.subject)
    }
  }

  @Test("copies of the keyring are on both certificates, and a final one follows each attestation")
  func copies() async throws {
    try await withHouse { house in
      let one = try await house.custody.registerKeyringCopy("safe, second floor")
      let two = try await house.custody.registerKeyringCopy("bank")
      let request = try await house.certifiedErasure()
      #expect(try await house.certificate(of: request).keyCopiesOutstanding == 2)
      try await house.rotate()
      try await house.custody.attestDestruction(of: one.id, by: "board")
      let runner = house.runner()
      var issued = try await runner.finalise(house.tenant)
      #expect(issued == 1)
      let first = try await house.certificate(of: request)
      #expect(first.stage == .final)
      #expect(first.keyCopiesOutstanding == 1)
      issued = try await runner.finalise(house.tenant)
      #expect(issued == 0)
      // A copy that was made later does not hold the epoch.
      _ = try await house.custody.registerKeyringCopy("new safe")
      try await house.custody.attestDestruction(of: two.id, by: "board")
      issued = try await runner.finaliseAll()
      #expect(issued == 1)
      var second = try await house.certificate(of: request)
      #expect(second.keyCopiesOutstanding == 0)
      second.keyCopiesOutstanding = 1
      #expect(second == first)
      issued = try await runner.finaliseAll()
      #expect(issued == 0)
    }
  }

  @Test("any number of runners issue one final certificate")
  func together() async throws {
    try await withHouse { house in
      for number in 0..<3 { _ = try await house.certifiedErasure("Person \(number)") }
      try await house.rotate()
      let count = try await withThrowingTaskGroup(of: Int.self) { group in
        for _ in 0..<4 { group.addTask { try await house.runner().finalise(house.tenant) } }
        return try await group.reduce(0, +)
      }
      #expect(count == 3)
      let final = try await house.log().filter { $0.record.codes["stage"] == "final" }
      #expect(final.count == 3)
      #expect(Set(final.map(\.record.subject)).count == 3)
    }
  }

  enum Change: CaseIterable { case anotherCertificate, epoch, noCertificate }

  @Test("what was changed in the database is not signed again, and holds up nobody else", arguments: Change.allCases)
  func tampered(_ change: Change) async throws {
    try await withHouse { house in
      let bad = try await house.certifiedErasure("Bad")
      let good = try await house.certifiedErasure("Good")
      // One that nobody has signed: the other person's, with one letter of the system's name changed.
      let text = String(decoding: try await house.rights.certificate(of: bad, house.somebody()), as: UTF8.self)
      switch change {
      case .anotherCertificate:
        let forged = Array(text.replacing("lethe-data", with: "lethe-dato").utf8)
        try await house.tamper("UPDATE subject_rights.erasures SET certificate = \(forged) WHERE request_id = \(bad)")
      case .epoch:
        // As if it had been erased before the epoch that it was erased in.
        try await house.rotate()
        let later = try await house.certifiedErasure("Later")
        try await house.tamper("UPDATE subject_rights.erasures SET key_epoch = 1 WHERE request_id = \(later)")
        let issued = try await house.runner().finalise(house.tenant)
        #expect(issued == 2)
        #expect(try await house.certificate(of: later).stage == .issued)
        return
      case .noCertificate:
        try await house.tamper("UPDATE subject_rights.erasures SET certificate = NULL WHERE request_id = \(bad)")
      }
      try await house.rotate()
      let issued = try await house.runner().finalise(house.tenant)
      #expect(issued == 1)
      #expect(try await house.certificate(of: good).stage == .final)
      let left = try await house.number(
        "SELECT count(*) FROM subject_rights.erasures WHERE final_certificate IS NOT NULL")
      #expect(left == 1)
      let reports = house.installation.log.lines.filter { $0.contains("a final certificate was not issued") }
      #expect(reports.count == (change == .anotherCertificate ? 1 : 0))
    }
  }

  @Test("nobody's final certificate is lost among many")
  func many() async throws {
    try await withHouse { house in
      let request = try await house.certifiedErasure()
      // More than one page of erasures like it, of which only the first can be signed: the others come before and
      // after it, and are somebody else's by their ids.
      try await house.tamper(
        """
        INSERT INTO subject_rights.erasures (tenant_id, request_id, subject_id, actor_id, key_commitment, step,
          ordered_at, destroyed_at, completed_seq, certificate, key_epoch, key_copies)
        SELECT tenant_id, gen_random_uuid(), gen_random_uuid(), actor_id, key_commitment, 'certified', ordered_at,
          destroyed_at, completed_seq, '\\x00', 1, 0
        FROM subject_rights.erasures, generate_series(1, 1100)
        """)
      try await house.rotate()
      let issued = try await house.runner().finalise(house.tenant)
      #expect(issued == 1)
      #expect(try await house.certificate(of: request).stage == .final)
    }
  }
}
