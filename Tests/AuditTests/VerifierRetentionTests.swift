import Foundation
import Signing
import Testing

@testable import Audit

/// A log of 601 entries whose first 512 are over their time.
@Suite("Verifying a log whose oldest entries were deleted", .longWork)
struct VerifierRetentionTests {
  let scratch: Scratch
  var log: TestLog

  init() throws {
    scratch = try Scratch()
    log = try TestLog(in: scratch)
    try log.publish(upTo: 100)
    try log.publish(upTo: 600)
    try log.writer.seal(now: SealingTests.midnight)
    try log.append(AuditRecord(action: .logEntriesExpired, codes: ["first_kept": "512", "policy": "2026-1"]))
    try log.writer.publish([log.entries[600]])
    try log.writer.expire(before: 512, policy: "2026-1", time: SealingTests.midnight)
  }

  private func note(
    _ firstKept: UInt64, origin: LogOrigin? = nil, policy: String = "2026-1", by signer: NoteSigner? = nil
  ) throws {
    let text = try RetentionNote(origin: origin ?? log.origin, firstKept: firstKept, time: 1, policy: policy).text
    try log.write("retention", Array(SignedNote.signing(text, by: signer ?? log.signer).text.utf8))
  }

  private func checks() throws -> [String] { try log.verify().findings.map(\.check) }

  @Test("deleted bundles are accepted, their hashes come from the tiles, and the report counts them")
  func accepted() throws {
    for workers in [1, 2] {
      let report = try log.verify(workers: workers)
      #expect(report.findings == [])
      #expect(report.expired == 512)
      #expect(report.entries == 89)
      #expect(report.size == 601)
      #expect(report.manifests == 1)
    }
  }

  @Test("without its note, or with one that allows less, a deleted bundle is missing")
  func withoutNote() throws {
    try note(256)
    #expect(try checks().contains("missing"))
    try log.remove("retention")
    #expect(try Set(checks()) == ["missing"])
  }

  @Test("a bundle that is not over is missing all the same")
  func tooMuch() throws {
    try log.remove("tile/entries/002.p/89")
    #expect(try checks().contains("missing"))
  }

  @Test("the chain is verified across the border, and changed hashes of deleted entries are found")
  func border() throws {
    var tile = try log.read("tile/0/001")
    tile[8191] ^= 1
    try log.write("tile/0/001", tile)
    let found = try Set(checks())
    #expect(found.contains("chain"))
    #expect(found.contains("tile"))
    #expect(found.contains("digest"))
  }

  @Test("the note must be this log's, signed by its key, and say what an entry says")
  func wrongNotes() throws {
    try note(512, by: SignedNoteTests.signer())
    #expect(try checks() == ["signature"])
    try note(512, origin: LogOrigin(host: "audit.example.com", tenant: UUID()))
    #expect(try checks().first == "retention")
    try note(513)
    #expect(try checks().first == "retention")
    try note(1024)
    #expect(try checks().first == "retention")
    try note(512, policy: "another")
    #expect(try checks() == ["retention"])
    try log.write("retention", Array("garbage".utf8))
    #expect(try checks().first == "parsing")
    try note(512)
    #expect(try checks() == [])
  }

  @Test("however many entries say what was deleted, and in whatever order, the one that the note repeats counts")
  mutating func manyAnnouncements() async throws {
    let bodies = try ["256", "512"].map { number in
      try AuditRecord(action: .logEntriesExpired, codes: ["first_kept": number, "policy": "2026-2"]).body()
    }
    for number in 0..<4_200 { try log.append(body: bodies[number % 2], time: TestLog.time(log.entries.count)) }
    try log.writer.publish(Array(log.entries[601...]))
    let report = try log.verify()
    #expect(report.findings == [])
    #expect(report.size == 4_801)
    if PythonVerifier.isAvailable {
      #expect(try await PythonVerifier.verify(log.folder, keys: log.keys).checks == [])
    }
  }

  @Test("entries that never were can't be announced as deleted")
  mutating func impossibleAnnouncement() throws {
    try log.append(AuditRecord(action: .logEntriesExpired, codes: ["first_kept": "768", "policy": "2026-1"]))
    try log.writer.publish([log.entries[601]])
    let findings = try log.verify().findings
    #expect(findings.map(\.check) == ["retention"])
    #expect(findings.first?.sequence == 601)
  }

  @Test("a log that says it is over without being closed is refused")
  func notClosed() throws {
    try note(601)
    #expect(try Set(checks()) == ["retention"])
  }

  @Test("a closed log of which every entry was deleted is verified by its tiles")
  mutating func closed() throws {
    try log.append(AuditRecord(action: .logClosed))
    try log.writer.publish([log.entries[601]])
    try log.writer.seal(now: SealingTests.midnight + SealingTests.day)
    try log.writer.expire(before: 602, policy: "2026-1", time: SealingTests.midnight + SealingTests.day)
    let report = try log.verify()
    #expect(report.findings == [])
    #expect(report.expired == 602)
    #expect(report.entries == 0)
  }

  @Test("the ledger's lines from the time of deleted entries aren't asked for any more")
  func ledger() throws {
    let ledger = ErasureLedger(path: scratch.path + "/ledger")
    func add(_ subject: UInt8, _ time: Int64) throws {
      let other = ErasureLedgerTests.record(subject)
      try ledger.append(
        ErasureRecord(tenant: other.tenant, subject: other.subject, commitment: other.commitment, time: time))
    }
    try add(1, TestLog.time(100))
    #expect(try log.verify(ledger: ledger).findings == [])
    try add(2, TestLog.time(550))
    #expect(try log.verify(ledger: ledger).findings.map(\.check) == ["ledger"])
  }
}
