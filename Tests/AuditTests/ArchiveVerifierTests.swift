import Foundation
import Signing
import Testing

@testable import Audit

@Suite("Verifying an archive offline", .longWork)
struct ArchiveVerifierTests {
  let scratch: Scratch
  var log: TestLog

  init() throws {
    scratch = try Scratch()
    log = try TestLog(in: scratch)
  }

  /// The checks that failed, in order.
  private func checks(
    held: SignedNote? = nil, ledger: ErasureLedger? = nil, workers: Int = 1
  ) throws -> [String] {
    try log.verify(held: held, ledger: ledger, workers: workers).findings.map(\.check)
  }

  @Test("flipped bytes all over a 20-entry archive are detected, in the file where they are")
  mutating func flips() throws {
    try log.publish(upTo: 8)
    try log.publish(upTo: 20)
    #expect(try log.verify().findings.isEmpty)
    let verifier = ArchiveVerifier(folder: log.folder, keys: try log.keys)
    for file in try log.allFiles() {
      let bytes = try log.read(file)
      #expect(chmod(log.folder + "/" + file, 0o644) == 0)
      let handle = open(log.folder + "/" + file, O_WRONLY)
      defer { close(handle) }
      for position in stride(from: 0, to: bytes.count, by: 7) {
        var flipped = bytes[position] ^ 1 << UInt8(position % 8)
        #expect(pwrite(handle, &flipped, 1, position) == 1)
        let report = verifier.verify()
        if report.findings.first?.file != file {
          Issue.record("byte \(position) of \(file): \(report.findings)")
        }
        flipped = bytes[position]
        #expect(pwrite(handle, &flipped, 1, position) == 1)
      }
    }
    #expect(try log.verify().findings.isEmpty)
  }

  @Test("a flipped byte of an entry is located at that entry, whichever it is", arguments: [0, 1, 99, 255, 256, 299])
  mutating func locatesEntry(index: Int) throws {
    try log.publish(upTo: 300)
    let file = index < 256 ? "tile/entries/000" : "tile/entries/001.p/44"
    var bundle = try log.read(file)
    let range = try #require(EntryBundle.ranges(in: bundle, width: index % 256 + 1)?.last)
    bundle[range.upperBound - 4] ^= 0x01
    try log.write(file, bundle)
    for workers in [1, 2] {
      let findings = try log.verify(workers: workers).findings
      #expect(findings.map(\.check) == ["leaf"])
      #expect(findings.first?.sequence == UInt64(index))
      #expect(findings.first?.file == file)
    }
  }

  @Test("a flipped byte of a tile is located in that tile", arguments: [0, 1, 255, 256, 299])
  mutating func locatesTile(index: Int) throws {
    try log.publish(upTo: 300)
    let file = index < 256 ? "tile/0/000" : "tile/0/001.p/44"
    var tile = try log.read(file)
    tile[32 * (index % 256) + 5] ^= 0x01
    try log.write(file, tile)
    let findings = try log.verify().findings
    #expect(findings.map(\.check) == ["tile"])
    #expect(findings.first?.sequence == UInt64(index))
    #expect(findings.first?.file == file)
  }

  @Test("a flipped byte of an upper tile is located there")
  mutating func upperTile() throws {
    try log.publish(upTo: 520)
    var tile = try log.read("tile/1/000.p/2")
    tile[40] ^= 0x80
    try log.write("tile/1/000.p/2", tile)
    let findings = try log.verify().findings
    #expect(findings.map(\.check) == ["tile"])
    #expect(findings.first?.file == "tile/1/000.p/2")
  }

  @Test("an archive cut short behind its checkpoint is noticed")
  mutating func truncated() throws {
    try log.publish(upTo: 300)
    try log.remove("tile/entries/001.p")
    #expect(try checks() == ["missing"])
    try log.remove("tile/0/001.p")
    #expect(try checks() == ["missing", "missing"])
  }

  @Test("missing files are named", arguments: ["tile/0/000", "tile/entries/000", "tile/1/000.p/1"])
  mutating func missing(_ file: String) throws {
    try log.publish(upTo: 300)
    try log.remove(file)
    let findings = try log.verify().findings
    #expect(findings.map(\.check) == ["missing"])
    #expect(findings.first?.file == file)
  }

  @Test("a log without a checkpoint is no valid log")
  func noCheckpoint() throws {
    #expect(try checks() == ["missing"])
  }

  @Test("an older checkpoint in place of the latest is a rollback")
  mutating func rolledBack() throws {
    let old = try log.publish(upTo: 10)
    let new = try log.publish(upTo: 20)
    try log.write("checkpoint", Array(old.text.utf8))
    #expect(try checks() == ["rollback"])
    try log.remove("checkpoints/00000000000000000020")
    #expect(try checks() == [])
    #expect(try checks(held: new) == ["rollback"])
    #expect(try checks(held: old) == [])
  }

  @Test("a log rewritten after the auditor saw it is inconsistent with the held checkpoint")
  mutating func rewritten() throws {
    let held = try log.publish(upTo: 10)
    let elsewhere = try Scratch()
    var forged = try TestLog(in: elsewhere)
    for _ in 0..<12 { try forged.append(AuditRecord(action: .profileLocked)) }
    try forged.publish(upTo: 12)
    #expect(try forged.verify().isValid)
    let report = try forged.verify(held: held)
    #expect(report.findings.map(\.check) == ["consistency"])
    try forged.write("checkpoints/00000000000000000010", Array(held.text.utf8))
    #expect(try forged.verify().findings.map(\.check) == ["consistency"])
  }

  @Test("held checkpoints of other logs and other keys are refused")
  mutating func foreignHeld() throws {
    try log.publish(upTo: 3)
    let body = Checkpoint(origin: "elsewhere/x", size: 1, root: MerkleTree.emptyRoot).text
    #expect(try checks(held: SignedNote.signing(body, by: log.signer)) == ["origin"])
    #expect(try checks(held: SignedNote.signing(body, by: SignedNoteTests.signer())) == ["signature"])
  }

  @Test("two tenants' folders exchanged are noticed")
  mutating func swapped() throws {
    let other = UUID(uuid: (0x22, 0, 0, 0, 0, 0, 0x40, 0, 0x80, 0, 0, 0, 0, 0, 0, 1))
    var second = try TestLog(in: scratch, tenant: other)
    try log.publish(upTo: 3)
    try second.publish(upTo: 3)
    let keys = try log.keys + second.keys
    let archive = scratch.path + "/archive"
    #expect(ArchiveVerifier.verifyAll(archive: archive, keys: keys).map(\.isValid) == [true, true])
    let files = FileManager.default
    try files.moveItem(atPath: log.folder, toPath: archive + "/x")
    try files.moveItem(atPath: second.folder, toPath: log.folder)
    try files.moveItem(atPath: archive + "/x", toPath: second.folder)
    let reports = ArchiveVerifier.verifyAll(archive: archive, keys: keys)
    #expect(reports.map { $0.findings.map(\.check) } == [["origin"], ["origin"]])
  }

  @Test("another tenant's entries under a resigned checkpoint are noticed")
  mutating func foreignEntries() throws {
    var second = try TestLog(in: scratch, tenant: UUID())
    try second.publish(upTo: 3)
    let head = try #require(try second.writer.lastCheckpoint())
    for file in ["tile/0/000.p/3", "tile/entries/000.p/3"] { try log.write(file, second.read(file)) }
    let note = try SignedNote.signing(
      Checkpoint(origin: log.origin.text, size: 3, root: head.root).text, by: log.signer)
    try log.write("checkpoint", Array(note.text.utf8))
    let found = try checks()
    #expect(found.contains("chain"))
    #expect(found.filter { $0 == "origin" }.count == 3)
  }

  /// Publishes entries that no writer would have accepted, with tiles and checkpoint to match.
  private func forge(_ entries: [[UInt8]]) throws {
    if log.exists("tile") { try log.remove("tile") }
    var bundle: [UInt8] = []
    for entry in entries { EntryBundle.append(entry, to: &bundle) }
    let leaves = entries.map(MerkleTree.leafHash)
    try log.write("tile/entries/000.p/\(entries.count)", bundle)
    try log.write("tile/0/000.p/\(entries.count)", Tile.bytes(leaves))
    let head = Checkpoint(origin: log.origin.text, size: UInt64(entries.count), root: MerkleTree.root(of: leaves))
    try log.write("checkpoint", Array(SignedNote.signing(head.text, by: log.signer).text.utf8))
  }

  @Test("a signing server's own disorder is noticed: chain, sequence, time, form")
  mutating func disorder() throws {
    for _ in 0..<4 { try log.append() }
    let good = try log.entries.map { try Entry(parsing: $0) }
    func entry(_ n: Int, sequence: UInt64? = nil, previous: SHA256Digest, time: Int64? = nil) throws -> [UInt8] {
      try Entry(
        origin: log.origin, sequence: sequence ?? UInt64(n), previous: previous, time: time ?? good[n].time,
        body: good[n].body
      ).bytes
    }
    try forge(log.entries)
    #expect(try checks() == [])
    try forge([log.entries[1], log.entries[0]])
    #expect(try Set(checks()) == ["chain", "sequence", "time"])
    try forge([try entry(0, previous: MerkleTree.emptyRoot)])
    #expect(try checks() == ["chain"])
    try forge([log.entries[0], try entry(1, previous: log.origin.genesis)])
    #expect(try checks() == ["chain"])
    try forge([log.entries[0], try entry(1, sequence: 2, previous: good[0].leafHash)])
    #expect(try checks() == ["sequence"])
    try forge([log.entries[0], try entry(1, previous: good[0].leafHash, time: 5)])
    #expect(try checks() == ["time"])
    try forge([log.entries[0], Array("garbage\n".utf8)])
    #expect(try checks() == ["parsing"])
    try forge([log.entries[0], log.entries[1].dropLast() + [0x0a, 0x0a]])
    #expect(try checks() == ["parsing"])
  }

  @Test("bundles with bytes too many or too few are refused")
  mutating func bundleLength() throws {
    try log.publish(upTo: 3)
    let bundle = try log.read("tile/entries/000.p/3")
    try log.write("tile/entries/000.p/3", bundle + [0])
    #expect(try checks() == ["parsing"])
    try log.write("tile/entries/000.p/3", bundle.dropLast())
    #expect(try checks() == ["parsing"])
    try log.write("tile/entries/000.p/3", [])
    #expect(try checks() == ["parsing"])
    try log.write("tile/entries/000.p/3", Array(repeating: 0, count: 3 * 65_537 + 1))
    #expect(try checks() == ["layout", "layout"])
  }

  @Test(
    "files that no log has are named",
    arguments: [
      "notes.txt", "tile/0/000.bak", "tile/0/000.p/300", "tile/9/000", "tile/extra/000", "tile/0/x000/000",
      "checkpoints/3", "checkpoints/000000000000000000001", "checkpoints/latest/x", "tile/entries/000.p/x",
      ".hidden/x", "tile/0/000.p/3.p/1",
    ])
  mutating func extra(_ file: String) throws {
    try log.publish(upTo: 300)
    try log.write(file, Array(repeating: 0, count: 32))
    let findings = try log.verify().findings
    #expect(findings.map(\.check) == ["layout"])
    #expect(findings.first?.file.map { file.hasPrefix($0) } == true)
  }

  @Test("a well-named file beyond the checkpoint is counted, not trusted")
  mutating func ahead() throws {
    try log.publish(upTo: 300)
    try log.write("tile/0/005", Array(repeating: 0, count: 8192))
    let report = try log.verify()
    #expect(report.isValid)
    #expect(report.unpublished == 1)
  }

  @Test("an exported checkpoint beyond the latest, or under a wrong name, is noticed")
  mutating func exported() throws {
    let note = try log.publish(upTo: 5)
    try log.write("checkpoints/00000000000000000003", Array(note.text.utf8))
    #expect(try checks() == ["layout"])
    try log.write("checkpoints/00000000000000000003", Array("garbage".utf8))
    #expect(try checks() == ["parsing"])
    try log.remove("checkpoints/00000000000000000003")
    try log.write("checkpoints/18446744073709551615", Array(note.text.utf8))
    #expect(try checks() == ["rollback"])
  }

  @Test(
    "links are not followed, wherever they point",
    arguments: ["tile/0/000.p/3", "checkpoint", "tile/entries", "vkey"])
  mutating func links(_ file: String) throws {
    try log.publish(upTo: 3)
    let path = log.folder + "/" + file
    try FileManager.default.moveItem(atPath: path, toPath: scratch.path + "/elsewhere")
    try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: scratch.path + "/elsewhere")
    let findings = try log.verify().findings
    #expect(findings.first?.check == "layout")
    #expect(findings.first?.file == file)
  }

  @Test("a pipe in a file's place does not stop the verifier")
  mutating func pipe() throws {
    try log.publish(upTo: 3)
    try log.remove("tile/0/000.p/3")
    #expect(mkfifo(log.folder + "/tile/0/000.p/3", 0o600) == 0)
    #expect(try checks() == ["layout", "layout"])
  }

  @Test("a checkpoint that claims more than memory holds ends in findings")
  mutating func claimedSize() throws {
    try log.publish(upTo: 3)
    let head = Checkpoint(origin: log.origin.text, size: .max, root: MerkleTree.emptyRoot)
    try log.write("checkpoint", Array(SignedNote.signing(head.text, by: log.signer).text.utf8))
    let report = try log.verify()
    #expect(!report.isValid)
    #expect(report.findings.count == VerificationReport.maximumFindings)
    #expect(report.omitted > 0)
  }

  @Test("a root that the entries do not have is noticed")
  mutating func wrongRoot() throws {
    try log.publish(upTo: 3)
    let head = Checkpoint(origin: log.origin.text, size: 3, root: MerkleTree.emptyRoot)
    try log.write("checkpoint", Array(SignedNote.signing(head.text, by: log.signer).text.utf8))
    #expect(try checks() == ["root"])
  }

  @Test("a verifier key beside the log that is not the signer's is noticed")
  mutating func foreignKey() throws {
    try log.publish(upTo: 3)
    try log.write("vkey", Array((SignedNoteTests.signer().verifierKey().text + "\n").utf8))
    #expect(try checks() == ["vkey"])
  }

  @Test("without the right key nothing is believed")
  mutating func unknownKey() throws {
    try log.publish(upTo: 3)
    let report = ArchiveVerifier(folder: log.folder, keys: [try SignedNoteTests.signer().verifierKey()]).verify()
    #expect(report.findings.map(\.check) == ["signature"])
    #expect(report.origin == nil)
  }

  @Test("progress ends with all entries done")
  mutating func progress() throws {
    try log.publish(upTo: 600)
    var steps: [UInt64] = []
    _ = ArchiveVerifier(folder: log.folder, keys: try log.keys).verify { done, total in
      #expect(total == 600)
      steps.append(done)
    }
    #expect(steps == [256, 512, 600])
  }

  @Test("completed erasures and the ledger must agree")
  mutating func ledger() throws {
    let ledger = ErasureLedger(path: scratch.path + "/archive/erasures/ledger")
    let record = ErasureLedgerTests.record(1)
    try log.append(AuditRecord(action: .erasureStarted, subject: record.subject))
    try log.append(
      AuditRecord(
        action: .erasureCompleted, subject: record.subject, codes: ["key_commitment": Hex.encode(record.commitment)]))
    try log.publish(upTo: 2)
    #expect(try checks(ledger: ledger) == ["ledger"])
    try ledger.append(record)
    #expect(try checks(ledger: ledger) == [])
    #expect(try log.verify(ledger: ledger).erasures == 1)
    try ledger.append(ErasureLedgerTests.record(2))
    #expect(try checks(ledger: ledger) == ["ledger"])
    // A later line may still be on its way into the log.
    let late = ErasureLedger(path: scratch.path + "/late")
    try late.append(record)
    let third = ErasureLedgerTests.record(3)
    try late.append(
      ErasureRecord(tenant: third.tenant, subject: third.subject, commitment: third.commitment, time: .max))
    #expect(try checks(ledger: late) == [])
    let wrong = ErasureLedger(path: scratch.path + "/wrong")
    try wrong.append(ErasureLedgerTests.record(1, commitment: 0xc1))
    #expect(try checks(ledger: wrong) == ["ledger"])
  }

  @Test("a damaged ledger is a finding")
  mutating func damagedLedger() throws {
    try log.publish(upTo: 2)
    try Data("garbage\n".utf8).write(to: URL(fileURLWithPath: scratch.path + "/bad"))
    #expect(try checks(ledger: ErasureLedger(path: scratch.path + "/bad")) == ["ledger"])
  }

  @Test("an archive with something else in it, or without a held log, says so")
  mutating func wholeArchive() throws {
    let note = try log.publish(upTo: 2)
    let archive = scratch.path + "/archive"
    #expect(ArchiveVerifier.verifyAll(archive: archive, keys: try log.keys, held: [note]).map(\.isValid) == [true])
    try Data().write(to: URL(fileURLWithPath: archive + "/stray"))
    let reports = ArchiveVerifier.verifyAll(archive: archive, keys: try log.keys)
    #expect(reports.map(\.isValid) == [true, false])
    #expect(reports.last?.findings.map(\.check) == ["layout"])
    try FileManager.default.removeItem(atPath: archive + "/stray")
    try FileManager.default.removeItem(atPath: log.folder)
    let gone = ArchiveVerifier.verifyAll(archive: archive, keys: try log.keys, held: [note])
    #expect(gone.map { $0.findings.map(\.check) } == [["missing", "missing"]])
    #expect(gone.first?.findings.first?.description == "missing: the log of a held checkpoint is not in the archive")
  }
}
