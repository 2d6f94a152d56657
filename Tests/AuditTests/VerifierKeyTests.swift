import Foundation
import Signing
import Testing

@testable import Audit

/// A log whose key was replaced twice: `a` signs up to size 12, `b` up to 24, `c` from there on.
@Suite("Verifying a log whose signing key was replaced", .longWork)
struct VerifierKeyTests {
  let scratch: Scratch
  var log: TestLog
  let signers: [NoteSigner]
  let keys: [NoteKey]

  init() throws {
    scratch = try Scratch()
    log = try TestLog(in: scratch)
    let origin = log.origin.text
    let others = try [2, 3].map { seed in
      NoteSigner(name: origin, key: try SigningKey(ed25519Seed: Array(repeating: seed, count: 32)))
    }
    signers = [log.signer] + others
    keys = try signers.map { try $0.verifierKey() }
    try publish(upTo: 6)
    try rotate(0, upTo: 12)
    try publish(upTo: 18)
    try rotate(1, upTo: 24)
    try publish(upTo: 30)
  }

  private var writer: ArchiveWriter { ArchiveWriter(folder: log.folder, origin: log.origin, signers: signers) }

  private mutating func publish(upTo count: Int) throws {
    let published = Int(try writer.lastCheckpoint()?.size ?? 0)
    while log.entries.count < count { try log.append() }
    // A log without a checkpoint begins with its writer's last key.
    let writer = published == 0 ? log.writer : writer
    try writer.publish(Array(log.entries[published...]))
  }

  private mutating func rotate(_ position: Int, upTo count: Int) throws {
    try log.append()
    try log.append(KeyRotation(old: keys[position], new: keys[position + 1]).record)
    try publish(upTo: count)
  }

  private func verify(_ keys: [NoteKey], held: SignedNote? = nil, since: SignedNote? = nil) -> VerificationReport {
    ArchiveVerifier(
      folder: log.folder, keys: keys, held: held, since: since, options: VerifierOptions(workers: 1)
    ).verify()
  }

  private func sign(_ file: String, size: Int, by signers: [NoteSigner]) throws {
    let root = MerkleTree.root(of: log.entries[..<size].map(MerkleTree.leafHash))
    let body = Checkpoint(origin: log.origin.text, size: UInt64(size), root: root).text
    try log.write(file, Array(SignedNote.signing(body, by: signers).text.utf8))
  }

  @Test("any one of the log's keys is enough, the oldest as well as the newest", arguments: [0, 1, 2])
  func oneKey(_ position: Int) {
    let report = verify([keys[position]])
    #expect(report.findings == [])
    #expect(report.keys == 3)
    #expect(report.checkpoints == 5)
    #expect(report.origin == log.origin.text)
    #expect(report.size == 30)
  }

  @Test("a key that the log never had leads nowhere, and nothing else is said")
  func foreignKey() throws {
    let stranger = NoteSigner(
      name: log.origin.text, key: try SigningKey(ed25519Seed: Array(repeating: 9, count: 32)))
    let report = verify([try stranger.verifierKey()])
    #expect(report.findings.map(\.check) == ["signature"])
    #expect(report.findings.first?.file == "checkpoint")
    #expect(report.origin == nil)
    #expect(report.size == 0)
  }

  @Test("without the checkpoint that both keys signed, an older key leads no further")
  func missingTransition() throws {
    try log.remove(ArchiveWriter.checkpointName(12))
    #expect(verify([keys[0]]).findings.map(\.check) == ["signature"])
    // Whoever knows the newest key still sees that the first checkpoint over the replacement isn't signed by both.
    let findings = verify([keys[2]]).findings
    #expect(findings.map(\.check) == ["signature"])
    #expect(findings.first?.file == ArchiveWriter.checkpointName(18))
  }

  @Test("a retired key signs nothing any more: neither a head nor an older checkpoint in the place of another")
  func retiredKey() throws {
    let head = try log.read("checkpoint")
    try sign("checkpoint", size: 30, by: [signers[1]])
    for known in keys { #expect(verify([known]).findings.map(\.check) == ["signature"]) }
    try log.write("checkpoint", head)
    let name = ArchiveWriter.checkpointName(18)
    try sign(name, size: 18, by: [signers[0]])
    let findings = verify([keys[2]]).findings
    #expect(findings.map(\.check) == ["signature"])
    #expect(findings.first?.file == name)
  }

  @Test("a key signs nothing before the checkpoint that announces it")
  func earlyKey() throws {
    let name = ArchiveWriter.checkpointName(6)
    try sign(name, size: 6, by: [signers[1]])
    let findings = verify([keys[0]]).findings
    #expect(findings.map(\.check) == ["signature"])
    #expect(findings.first?.file == name)
  }

  @Test("the first checkpoint over a replacement needs both lines", arguments: [0, 1])
  func bothLines(_ position: Int) throws {
    let name = ArchiveWriter.checkpointName(24)
    try sign(name, size: 24, by: [signers[1 + position]])
    let findings = verify([keys[2]]).findings
    #expect(findings.map(\.check) == ["signature"])
    #expect(findings.first?.file == name)
  }

  @Test("a flipped bit in any line of any checkpoint is detected, also in a name or a key's id")
  func flips() throws {
    for size in [6, 12, 30] {
      let name = ArchiveWriter.checkpointName(UInt64(size))
      let bytes = try log.read(name)
      // The first checkpoint over a replacement has two lines: every byte of it.
      for position in stride(from: 0, to: bytes.count, by: size == 12 ? 1 : 9) {
        var flipped = bytes
        flipped[position] ^= 1 << UInt8(position % 8)
        try log.write(name, flipped)
        let report = verify([keys[2]])
        if report.findings.first?.file != name { Issue.record("byte \(position) of \(name): \(report.findings)") }
      }
      try log.write(name, bytes)
    }
    #expect(verify([keys[2]]).isValid)
  }

  @Test("vkey must list all keys in their order; one that is about to come may wait at its end")
  func keyFile() throws {
    let lines = keys.map { $0.text + "\n" }
    let next = try NoteSigner(name: log.origin.text, key: SigningKey(ed25519Seed: Array(repeating: 7, count: 32)))
    let last = try next.verifierKey().text + "\n"
    for wrong in [
      lines[0] + lines[1], lines[2], lines[1] + lines[0] + lines[2], lines[0] + lines[2] + lines[1],
      lines[0] + last + lines[1] + lines[2], last + lines.joined(), lines.joined() + "\n", lines.joined() + lines[0],
    ] {
      try log.write("vkey", Array(wrong.utf8))
      #expect(verify([keys[1]]).findings.map(\.check) == ["vkey"])
    }
    try log.write("vkey", Array((lines.joined() + last).utf8))
    let report = verify([keys[1]])
    #expect(report.findings == [])
    #expect(report.notices.count == 1)
  }

  @Test("a replacement that names no key, or one that isn't the log's, is a finding")
  mutating func wrongReplacement() throws {
    var other = try TestLog(in: Scratch())
    try other.append(AuditRecord(action: .logKeyRotated, codes: ["old_key": keys[0].code, "new_key": "nothing"]))
    // The writer refuses such an entry; a server that lies doesn't.
    try other.publishUnchecked()
    #expect(try other.verify().findings.map(\.check) == ["signature"])

    var third = try TestLog(in: Scratch())
    try third.append(KeyRotation(old: keys[0], new: keys[1]).record)
    try third.append(KeyRotation(old: keys[2], new: keys[0]).record)
    try third.publishUnchecked(by: [signers[0], signers[1]])
    #expect(try third.verify().findings.map(\.check) == ["signature"])
  }

  @Test("a checkpoint of an old key that the auditor held is compared like any other")
  func heldOfAnOldKey() throws {
    let held = try log.writer.reader.checkpoint(size: 6)
    let report = verify([keys[2]], held: held)
    #expect(report.findings == [])
    let since = verify([keys[0]], since: try log.writer.reader.checkpoint(size: 12))
    #expect(since.findings == [])
    let root = MerkleTree.emptyRoot
    let forged = try SignedNote.signing(
      Checkpoint(origin: log.origin.text, size: 6, root: root).text, by: signers[0])
    #expect(verify([keys[2]], held: forged).findings.map(\.check) == ["consistency"])
  }
}

extension TestLog {
  /// Writes all entries as one checkpoint, without any of the writer's checks.
  func publishUnchecked(by signers: [NoteSigner]? = nil) throws {
    var bundle: [UInt8] = []
    for entry in entries { EntryBundle.append(entry, to: &bundle) }
    let leaves = entries.map(MerkleTree.leafHash)
    try write("tile/entries/000.p/\(entries.count)", bundle)
    try write("tile/0/000.p/\(entries.count)", Tile.bytes(leaves))
    let head = Checkpoint(origin: origin.text, size: UInt64(entries.count), root: MerkleTree.root(of: leaves))
    try write("checkpoint", Array(SignedNote.signing(head.text, by: signers ?? [signer]).text.utf8))
  }
}
