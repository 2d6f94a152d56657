import Foundation
import Signing
import Testing

@testable import Audit

/// A log of 1,200 entries whose key was replaced by entry 720; the auditor knows it up to 1,000, and so reads from
/// entry 768 on.
@Suite("Going on with a log whose signing key was replaced before", .longWork)
struct VerifierSinceKeyTests {
  let scratch: Scratch
  var log: TestLog
  let signers: [NoteSigner]
  let keys: [NoteKey]

  init() throws {
    scratch = try Scratch()
    log = try TestLog(in: scratch)
    let next = NoteSigner(name: log.origin.text, key: try SigningKey(ed25519Seed: Array(repeating: 2, count: 32)))
    signers = [log.signer, next]
    keys = try signers.map { try $0.verifierKey() }
    for size in [300, 700] { try log.publish(upTo: size) }
    try log.writer.seal(now: SealingTests.midnight)
    let writer = ArchiveWriter(folder: log.folder, origin: log.origin, signers: signers)
    while log.entries.count < 720 { try log.append() }
    try log.append(KeyRotation(old: keys[0], new: keys[1]).record)
    var published = 700
    for size in [800, 1_000, 1_200] {
      while log.entries.count < size { try log.append() }
      try writer.publish(Array(log.entries[published..<size]))
      published = size
    }
  }

  private func verify(_ keys: [NoteKey], held: UInt64? = nil, since: UInt64 = 1_000) throws -> VerificationReport {
    let reader = log.writer.reader
    return ArchiveVerifier(
      folder: log.folder, keys: keys, held: try held.map { try reader.checkpoint(size: $0) },
      since: try reader.checkpoint(size: since), options: VerifierOptions(workers: 1)
    ).verify()
  }

  @Test("what the old key signed is verified with it, whether it was given or stands in vkey", arguments: [0, 1])
  func oldKey(first: Int) throws {
    let report = try verify(Array(keys[first...]))
    #expect(report.findings == [])
    #expect(report.skipped == 768)
    #expect(report.manifests == 1)
    #expect(report.checkpoints == 5)
    #expect(report.notices.contains { $0.contains("from the file `vkey` only") } == (first == 1))
    #expect(try verify(Array(keys[first...]), held: 300).findings == [])
  }

  @Test("with the old key alone, the entries that lead to the new one are read after all")
  func onlyOldKey() throws {
    let report = try verify([keys[0]])
    #expect(report.findings == [])
    #expect(report.skipped == 0)
    #expect(report.keys == 2)
    #expect(report.entries == 1_200)
    // The head may also be the one that both keys signed.
    try log.write("checkpoint", log.read(ArchiveWriter.checkpointName(800)))
    for name in [1_000, 1_200].map({ ArchiveWriter.checkpointName($0) }) { try log.remove(name) }
    for known in [keys, [keys[0]], [keys[1]]] {
      let reports = try [verify(known, since: 800), verify(known, since: 700)]
      #expect(reports.map(\.findings) == [[], []])
      #expect(reports.map(\.size) == [800, 800])
    }
  }

  @Test("without vkey, what a key signed that nobody names is counted, and said not to be verified")
  func unknownKey() throws {
    try log.remove("vkey")
    let report = try verify([keys[1]])
    #expect(report.findings == [])
    #expect(report.manifests == 0)
    #expect(report.checkpoints == 3)
    #expect(report.notices.contains { $0.contains("nothing here names: counted, not verified") })
    #expect(report.notices.contains { $0.hasPrefix(Manifest.path(0)) })
  }

  @Test("the old key signs nothing beyond the entries that were passed over, and its lines have to verify")
  func limits() throws {
    let name = ArchiveWriter.checkpointName(1_000)
    let (sound, since) = (try log.read(name), try log.writer.reader.checkpoint(size: 800))
    let root = MerkleTree.root(of: log.entries[..<1_000].map(MerkleTree.leafHash))
    let body = Checkpoint(origin: log.origin.text, size: 1_000, root: root).text
    try log.write(name, Array(SignedNote.signing(body, by: signers[0]).text.utf8))
    for known in [keys, [keys[1]]] {
      let report = ArchiveVerifier(
        folder: log.folder, keys: known, since: since, options: VerifierOptions(workers: 1)
      ).verify()
      #expect(report.skipped == 768)
      #expect(report.findings.contains { $0.check == "signature" && $0.file == name })
    }
    try log.write(name, sound)
    var manifest = try SignedNote(parsing: log.read(Manifest.path(0)), maximumBytes: Manifest.maximumBytes)
    let line = manifest.signatures[0]
    manifest = try SignedNote(
      body: manifest.body,
      signatures: [NoteSignature(name: line.name, keyID: line.keyID, value: line.value.map { $0 ^ 1 })],
      maximumBytes: Manifest.maximumBytes)
    try log.write(Manifest.path(0), Array(manifest.text.utf8))
    let findings = try verify([keys[1]]).findings
    #expect(findings.map(\.check) == ["signature"])
    #expect(findings.first?.file == Manifest.path(0))
  }
}
