import Foundation
import Signing
import Testing

@testable import Audit

/// A log with three segments: 0 to 300, 300 to 520, 520 to 900; then 900 to 950 unsealed.
@Suite("Verifying sealed segments", .longWork)
struct VerifierManifestTests {
  let scratch: Scratch
  var log: TestLog

  init() throws {
    scratch = try Scratch()
    log = try TestLog(in: scratch)
    for (day, count) in [300, 520, 900].enumerated() {
      try log.publish(upTo: count - 10)
      try log.publish(upTo: count)
      try log.writer.seal(now: SealingTests.midnight + Int64(day) * SealingTests.day)
    }
    try log.publish(upTo: 950)
  }

  private func verify(
    digests: Bool = false, workers: Int = 1, since: SignedNote? = nil, held: SignedNote? = nil
  ) throws -> VerificationReport {
    var options = VerifierOptions(workers: workers)
    options.digests = digests
    return ArchiveVerifier(folder: log.folder, keys: try log.keys, held: held, since: since, options: options).verify()
  }

  private func checks() throws -> [String] { try verify().findings.map(\.check) }

  /// Replaces a manifest by one that the log's own key signed.
  private func forge(_ number: UInt64, _ change: (Manifest) throws -> Manifest) throws {
    let note = try SignedNote(
      parsing: log.read(Manifest.path(number)), maximumBytes: Manifest.maximumBytes)
    let manifest = try change(Manifest(parsing: note.body))
    let signed = try SignedNote.signing(manifest.text, by: log.signer, maximumBytes: Manifest.maximumBytes)
    try log.write(Manifest.path(number), Array(signed.text.utf8))
  }

  @Test("segments that were sealed one after the other are verified, with and without the bundles' digests")
  func valid() throws {
    for digests in [false, true] {
      for workers in [1, 2] {
        let report = try verify(digests: digests, workers: workers)
        #expect(report.findings == [])
        #expect(report.manifests == 3)
        #expect(report.sealed == 900)
        #expect(report.checkpoints == 7)
      }
    }
  }

  @Test("a manifest that was taken out is missing, and so are neighbouring ones")
  func deleted() throws {
    let names = (0..<3).map { Manifest.path($0) }
    let bytes = try names.map(log.read)
    try log.remove(names[1])
    #expect(try checks() == ["missing", "manifest"])
    #expect(try verify().findings.first?.file == names[1])
    try log.remove(names[0])
    #expect(try checks() == ["missing", "manifest"])
    try log.write(names[0], bytes[0])
    try log.remove(names[2])
    // The end is nobody's promise: a manifest less, and the log is less sealed.
    #expect(try verify().sealed == 300)
  }

  @Test("manifests in each other's place, of another key, or beyond the log are refused")
  func exchanged() throws {
    let (first, second) = (try log.read(Manifest.path(0)), try log.read(Manifest.path(1)))
    try log.write(Manifest.path(0), second)
    #expect(try checks().first == "manifest")
    try log.write(Manifest.path(0), first)
    let note = try SignedNote(parsing: second)
    let foreign = try SignedNote.signing(note.body, by: SignedNoteTests.signer())
    try log.write(Manifest.path(1), Array(foreign.text.utf8))
    #expect(try checks() == ["signature"])
    try log.write(Manifest.path(1), second)
    try log.write("checkpoint", log.read(ArchiveWriter.checkpointName(890)))
    #expect(try Set(checks()) == ["rollback"])
  }

  @Test("a manifest that the signing key itself made wrong is refused: chain, list, lengths, hashes, checkpoints")
  func forged() throws {
    let good = try log.read(Manifest.path(2))
    func change(
      previous: SHA256Digest? = nil, first: UInt64? = nil, count: Int? = nil, root: SHA256Digest? = nil,
      files: (([ManifestFile]) -> [ManifestFile])? = nil
    ) throws -> [String] {
      try forge(2) { old in
        Manifest(
          origin: old.origin, number: old.number, previous: previous ?? old.previous, first: first ?? old.first,
          end: old.end, time: old.time, checkpointCount: count ?? old.checkpointCount,
          checkpointRoot: root ?? old.checkpointRoot, files: files?(old.files) ?? old.files)
      }
      defer { try? log.write(Manifest.path(2), good) }
      return try checks()
    }
    #expect(try change() == [])
    #expect(try change(previous: MerkleTree.emptyRoot) == ["manifest"])
    #expect(try change(first: 521) == ["manifest"])
    #expect(try change(count: 1) == ["digest"])
    #expect(try change(root: MerkleTree.emptyRoot) == ["digest"])
    #expect(try change { $0.dropLast() } == ["manifest"])
    #expect(try change { [$0[1], $0[0]] + $0.dropFirst(2) } == ["manifest"])
    #expect(
      try change { [ManifestFile(place: $0[0].place, length: 7, hash: $0[0].hash)] + $0.dropFirst() } == ["digest"])
    let last = try #require(Manifest.places(first: 520, end: 900).last)
    #expect(
      try change { $0.dropLast() + [ManifestFile(place: last, length: 31, hash: MerkleTree.emptyRoot)] }
        == ["manifest"])
    #expect(
      try change { files in
        files.dropLast()
          + [ManifestFile(place: last, length: files[files.count - 1].length, hash: MerkleTree.emptyRoot)]
      } == ["digest"])
    // The hash of a bundle is looked at only when asked for.
    try forge(0) { old in
      let file = ManifestFile(place: old.files[0].place, length: old.files[0].length, hash: MerkleTree.emptyRoot)
      return Manifest(
        origin: old.origin, number: old.number, previous: old.previous, first: old.first, end: old.end, time: old.time,
        checkpointCount: old.checkpointCount, checkpointRoot: old.checkpointRoot, files: [file] + old.files.dropFirst())
    }
    #expect(try checks() == ["manifest"])
    #expect(try Set(verify(digests: true).findings.map(\.check)) == ["manifest", "digest"])
  }

  @Test("a checkpoint that is gone, or was added, isn't what the segment counts")
  func checkpoints() throws {
    try log.remove(ArchiveWriter.checkpointName(510))
    let findings = try verify().findings
    #expect(findings.map(\.check) == ["digest"])
    #expect(findings.first?.file == Manifest.path(1))
  }

  @Test("a flipped byte of a manifest is found in that manifest")
  func flips() throws {
    let name = Manifest.path(1)
    let bytes = try log.read(name)
    for position in stride(from: 0, to: bytes.count, by: 7) {
      var flipped = bytes
      flipped[position] ^= 1 << UInt8(position % 8)
      try log.write(name, flipped)
      let report = try verify()
      if report.findings.first?.file != name { Issue.record("byte \(position): \(report.findings)") }
    }
  }

  @Test("an audit that goes on from a held checkpoint reads only what is new, and finds what is wrong there")
  mutating func since() throws {
    let held = try log.writer.reader.checkpoint(size: 520)
    let report = try verify(since: held)
    #expect(report.findings == [])
    #expect(report.skipped == 512)
    #expect(report.entries == 438)
    // Those of the segment that the held checkpoint ends in, and the later ones.
    #expect(report.checkpoints == 5)
    #expect(report.manifests == 2)
    #expect(report.sealed == 900)
    #expect(report.notices.count == 2)
    // What lies before isn't read.
    var bundle = try log.read("tile/entries/000")
    bundle[100] ^= 1
    try log.write("tile/entries/000", bundle)
    #expect(try verify(since: held).findings == [])
    #expect(try checks() == ["leaf"])
    // What comes after is.
    var later = try log.read("tile/entries/002")
    later[10_000] ^= 1
    try log.write("tile/entries/002", later)
    #expect(try verify(since: held).findings.map(\.check) == ["leaf"])
  }

  @Test(
    "going on is possible from any size, and ends at the same root",
    arguments: [1, 255, 256, 257, 510, 512, 949, 950])
  mutating func sinceAnySize(_ size: Int) throws {
    let root = MerkleTree.root(of: log.entries[..<size].map(MerkleTree.leafHash))
    let body = Checkpoint(origin: log.origin.text, size: UInt64(size), root: root).text
    let held = try SignedNote.signing(body, by: log.signer)
    #expect(try verify(since: held).findings == [])
    let wrong = Checkpoint(origin: log.origin.text, size: UInt64(size), root: MerkleTree.emptyRoot).text
    let forged = try SignedNote.signing(wrong, by: log.signer)
    #expect(try verify(since: forged).findings.map(\.check) == ["consistency"])
    let foreign = try SignedNote.signing(body, by: SignedNoteTests.signer())
    #expect(try verify(since: foreign).findings.map(\.check) == ["signature"])
  }

  @Test("hashes that are passed over still have to lead to the held root and the signed one")
  func sinceTiles() throws {
    let held = try log.writer.reader.checkpoint(size: 520)
    let tile = try log.read("tile/1/000.p/3")
    var flipped = tile
    flipped[5] ^= 1
    try log.write("tile/1/000.p/3", flipped)
    #expect(try !verify(since: held).isValid)
    try log.write("tile/1/000.p/3", tile)
    var leaves = try log.read("tile/0/001")
    leaves[8000] ^= 1
    try log.write("tile/0/001", leaves)
    let findings = try verify(since: held).findings
    #expect(findings.first?.check == "tile")
    #expect(findings.first?.file == "tile/0/001")
  }
}
