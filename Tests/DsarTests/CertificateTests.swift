import Audit
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
    #expect(value("log entry") == "1")
  }
}
