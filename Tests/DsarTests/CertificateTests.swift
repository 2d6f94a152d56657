import Audit
import Certificates
import Foundation
import Testing

@testable import dsar

@Suite("certificates of erasure")
struct CertificateTests {
  private let scratch: Scratch
  private var log: SampleLog
  private let file: [UInt8]

  init() throws {
    scratch = try Scratch()
    log = try SampleLog(archive: scratch.file("archive"))
    try log.appendErasure()
    try log.publish(upTo: 10)
    file = try log.certificate(at: 1).json
  }

  @Test("a certificate verifies with the log's key and with no other")
  func verdicts() throws {
    let view = try CertificateView(file, named: "c")
    let good = CertificateVerdict(view, keys: [try log.key])
    #expect(good.findings.isEmpty)
    #expect(good.json["valid"]?.bool == true)
    #expect(good.json["sequence"]?.integer == 1)
    let other = try SampleLog(archive: scratch.file("other"), seed: 2)
    let bad = CertificateVerdict(view, keys: [try other.key])
    #expect(bad.findings.map(\.check) == [.signature, .receipt])
    #expect(bad.json["valid"]?.bool == false)
  }

  @Test("a changed word is found, and what isn't a certificate is not valid")
  func changed() async throws {
    let text = String(decoding: file, as: UTF8.self)
    let changed = text.replacing("key_destroyed", with: "key_forgotten")
    #expect(changed != text)
    let verdict = CertificateVerdict(try CertificateView(Array(changed.utf8), named: "c"), keys: [try log.key])
    #expect(verdict.findings.map(\.check) == [.signature])
    #expect(await failure { _ = try CertificateView(Array("{}".utf8), named: "c") }?.status == .notValid)
  }

  @Test("a certificate shows whose it is, what was done and until when copies live")
  func view() throws {
    let pairs = try CertificateView(file, named: "c").pairs
    func value(_ name: String) -> String? { pairs.first { $0.0 == name }?.1 }
    #expect(value("subject") == SampleLog.subject.uuidString.lowercased())
    #expect(value("stage") == "issued")
    #expect(value("erased at") == "2025-12-31T00:00:00Z")
    #expect(value("system lethe-vault") == "key_destroyed 2025-12-31T00:00:00Z")
    #expect(value("key backups dead by") == "2026-06-01")
    #expect(value("key epoch") == "1")
    #expect(value("keyring copies left") == "0")
    #expect(value("log entry") == "1")
  }

  @Test(
    "a certificate says in one sentence what is promised, what was kept, and what that is subject to",
    arguments: [
      (.issued, "2026-06-01", 0, "dead in every key backup on or before 2026-06-01"),
      (.issued, nil, 0, "no date is promised for backups of the key"),
      (
        .issued, "2026-06-01", 1,
        "dead in every key backup on or before 2026-06-01, subject to 1 registered copy of the keyring that is not "
          + "attested as destroyed"
      ),
      (.final, "2026-05-30", 0, "final: dead in every key backup since 2026-05-30"),
      (
        .final, "2026-05-30", 3,
        "final: dead in every key backup since 2026-05-30, subject to 3 registered copies of the keyring that are not "
          + "attested as destroyed"
      ),
    ] as [(ErasureCertificate.Stage, String?, Int, String)])
  func sentence(stage: ErasureCertificate.Stage, day: String?, copies: Int, says: String) throws {
    let file = try log.certificate(at: 1, stage, deadBy: day, copies: copies).json
    let view = try CertificateView(file, named: "c")
    #expect(view.sentence == "erased live at 2025-12-31T00:00:00Z; \(says)")
    let verdict = CertificateVerdict(view, keys: [try log.key])
    #expect(verdict.findings == [])
    #expect(verdict.json["stage"]?.string == stage.rawValue)
    #expect(verdict.json["key_backups_dead_by"]?.string == day)
    #expect(verdict.json["key_copies_outstanding"]?.integer == Int64(copies))
    let record = Record()
    verdict.show(on: record.console)
    #expect(record.takeOutput().hasSuffix("\n\(view.sentence)\n"))
  }

  @Test("a certificate of the first version is refused by its name")
  func firstVersion() async throws {
    let text = String(decoding: file, as: UTF8.self).replacing("erasure-certificate/v2", with: "erasure-certificate/v1")
    let refusal = await failure { _ = try CertificateView(Array(text.utf8), named: "old.json") }
    #expect(refusal?.status == .notValid)
    #expect(
      refusal?.line == "old.json: erasure-certificate/v1 is not accepted, only erasure-certificate/v2")
  }
}
