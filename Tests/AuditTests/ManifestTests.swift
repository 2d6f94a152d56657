import Foundation
import Signing
import Testing

@testable import Audit

@Suite("Manifests of sealed segments, and the retention note")
struct ManifestTests {
  static let example = """
    audit-manifest/v1
    audit.example.com/t1
    0
    StHlZ4k6xebG4ez75zbivJgJtexTMyGEjD22YsITuHc=
    0 3
    1767225600000000
    checkpoints 1 xqBoshIYWkqzF381gEZckQGv2Ldl03SV6Hn3hZOPcbM=
    file tile/entries/000.p/3 309 N+93G1U0JfYJuOBZAFRSlJr2Pcq/C7mV8DN4Pkrr93g=
    file tile/0/000.p/3 96 ni4n+UdVtrtb4YiJj+HUzmCvXwVpRTcQ6BzGRj09/Wo=

    """

  @Test("sealing the specification's worked example makes its manifest, byte for byte")
  func workedExample() throws {
    let scratch = try Scratch()
    let origin = try #require(LogOrigin("audit.example.com/t1"))
    let signer = NoteSigner(name: origin.text, key: try SigningKey(ed25519Seed: TestLog.seed))
    let writer = ArchiveWriter(folder: scratch.path + "/log", origin: origin, signer: signer)
    var entries: [[UInt8]] = []
    var previous = origin.genesis
    for index in 0..<3 {
      let entry = try Entry(
        origin: origin, sequence: UInt64(index), previous: previous, time: TestLog.time(index),
        body: Array("body-\(index)".utf8))
      entries.append(entry.bytes)
      previous = entry.leafHash
    }
    try writer.publish(entries)
    #expect(try writer.seal(now: 1_767_225_599_999_999).isEmpty)
    let sealed = try writer.seal(now: 1_767_225_600_000_000)
    #expect(sealed.map(\.text) == [Self.example])
    #expect(sealed.map(\.hash.base64) == ["AnklbuqOHRDHOWeL0Hz5fR/3uvJdihpukdl8RmD7XN4="])
    let line =
      "\n— audit.example.com/t1 UorTrxMb2s/7ae2pazw0AIttu/K0uoWWzSEkM6dM0/vZhgn35xAcKDBMEqSSbNXraJsf3h2mh23Gigr025kk"
      + "SSTdPAU=\n"
    let file = try Data(contentsOf: URL(fileURLWithPath: scratch.path + "/log/segments/00000000000000000000"))
    #expect(String(decoding: file, as: UTF8.self) == Self.example + line)
  }

  @Test("a manifest reads back to itself")
  func roundTrip() throws {
    let manifest = try Manifest(parsing: Self.example)
    #expect(manifest.text == Self.example)
    #expect(manifest.previous == Manifest.genesis(manifest.origin))
    #expect(manifest.files.map(\.place) == Manifest.places(first: 0, end: 3))
    #expect(manifest.files.map(\.length) == [309, 96])
    #expect((manifest.first, manifest.end, manifest.checkpointCount) == (0, 3, 1))
    #expect(Manifest.path(12) == "segments/00000000000000000012")
  }

  @Test(
    "other text is no manifest",
    arguments: [
      ("audit-manifest/v1", "audit-manifest/v2"), ("audit.example.com/t1", "a b"), ("\n0\nSt", "\n00\nSt"),
      ("\n0\nSt", "\n-1\nSt"), ("HuHc=", "HuHc"), ("ITuHc=", "ITuHd="), ("\n0 3\n", "\n0  3\n"), ("\n0 3\n", "\n0\n"),
      ("\n0 3\n", "\n0 3 4\n"), ("\n0 3\n", "\n0 03\n"), ("1767225600000000", "9223372036854775808"),
      ("1767225600000000", ""), ("checkpoints 1 ", "checkpoints  "),
      ("checkpoints 1 ", "checkpoints 9223372036854775808 "),
      ("checkpoints 1 ", "checkpoint 1 "), ("file tile/0", "fill tile/0"), ("000.p/3 96", "000.p/3 096"),
      ("000.p/3 96", "000.p/3 9223372036854775808"), ("000.p/3 96", "000.p/256 96"),
      ("file tile/0/000.p/3", "file ../0"),
      ("file tile/0/000.p/3", "file tile/0/x000/000"), ("f/Wo=\n", "f/Wo="), ("f/Wo=\n", "f/Wo=\n\n"),
      ("9/Wo=", "9/Wp="),
      ("f/Wo=\n", "f/Wo=\nmore\n"), ("\n0\nSt", "\r\n0\nSt"),
    ])
  func malformed(_ old: String, _ new: String) {
    let text = Self.example.replacing(old, with: new)
    guard text != Self.example else { return }
    #expect(AuditError.code { _ = try Manifest(parsing: text) } == .malformed)
  }

  @Test("numbers that no segment has are refused, and make no list of files")
  func outOfRange() {
    let greatest = UInt64.max
    for (first, end) in [(3, 3), (4, 3), (0, 65_537), (0, greatest), (greatest - 1, 5)] as [(UInt64, UInt64)] {
      let text = Self.example.replacing("\n0 3\n", with: "\n\(first) \(end)\n")
      #expect(AuditError.code { _ = try Manifest(parsing: text) } == .outOfRange)
      #expect(Manifest.places(first: first, end: end).isEmpty)
    }
    #expect(Manifest.places(first: greatest - 1, end: greatest).map(\.width) == [255, 255])
    let long = Self.example + String(repeating: "x", count: Manifest.maximumBytes)
    #expect(AuditError.code { _ = try Manifest(parsing: long) } == .tooLarge)
  }

  @Test("a manifest longer than other notes is read only where that is allowed")
  func longNote() throws {
    let manifest = try Manifest(parsing: Self.example)
    let many = (0..<2_000).map { index in
      ManifestFile(place: .tile(level: 0, index: UInt64(index)), length: 8192, hash: manifest.previous)
    }
    let long = Manifest(
      origin: manifest.origin, number: 0, previous: manifest.previous, first: 0, end: 65_536, time: 0,
      checkpointCount: 0, checkpointRoot: MerkleTree.emptyRoot, files: many)
    let signer = NoteSigner(name: "audit.example.com/t1", key: try SigningKey(ed25519Seed: TestLog.seed))
    #expect(AuditError.code { _ = try SignedNote.signing(long.text, by: signer) } == .tooLarge)
    let note = try SignedNote.signing(long.text, by: signer, maximumBytes: Manifest.maximumBytes)
    let bytes = Array(note.text.utf8)
    #expect(AuditError.code { _ = try SignedNote(parsing: bytes) } == .tooLarge)
    let parsed = try SignedNote(parsing: bytes, maximumBytes: Manifest.maximumBytes)
    #expect(try Manifest(parsing: parsed.body) == long)
    try parsed.verified(by: [signer.verifierKey()])
  }

  @Test("the list of files holds every tile and bundle with something of the segment, for ranges up to 600")
  func places() {
    for end in stride(from: UInt64(1), through: 600, by: 7) {
      for first in stride(from: UInt64(0), to: end, by: end < 40 ? 1 : 37) {
        #expect(Manifest.places(first: first, end: end).map(\.text) == ArchiveOracle.places(first, end))
      }
    }
    // Computed from the specification by another program.
    for (first, end, count, hash) in [
      (300, 65_500, 511, "92b7eb06edb34809"), (65_536, 70_000, 37, "1b85330f49fd20a4"),
      (69_999, 70_000, 2, "b7e8b1586edae37f"), (60_000, 65_536, 46, "110cc5a4756e24e3"),
      (65_536, 131_072, 514, "66fefa7c644ff793"),
    ] as [(UInt64, UInt64, Int, String)] {
      let places = Manifest.places(first: first, end: end).map(\.text)
      #expect(places.count == count)
      #expect(SHA256Digest.hash(Array(places.joined(separator: "\n").utf8)).hex.prefix(16) == hash)
    }
  }

  @Test("a retention note reads back from its five lines, and from no others")
  func retention() throws {
    let origin = try #require(LogOrigin("audit.example.com/t1"))
    let note = try RetentionNote(origin: origin, firstKept: 512, time: 7, policy: "retention-2026.1")
    let text = "audit-retention/v1\naudit.example.com/t1\n512\n7\nretention-2026.1\n"
    #expect(note.text == text)
    #expect(try RetentionNote(parsing: text) == note)
    for (old, new) in [
      ("/v1", "/v2"), ("\n512", "\n0512"), ("\n512", "\n-1"), ("\n7", "\n07"), ("\n7", "\n9223372036854775808"),
      ("2026.1", "2026 1"), ("retention-2026.1", ""), ("2026.1\n", "2026.1"), ("2026.1\n", "2026.1\n\n"),
      ("2026.1\n", "2026.1\nmore\n"), ("com/t1", "com t1"),
    ] {
      let other = text.replacing(old, with: new)
      #expect(other != text)
      #expect(AuditError.code { _ = try RetentionNote(parsing: other) } == .malformed)
    }
    #expect(
      AuditError.code { _ = try RetentionNote(origin: origin, firstKept: 0, time: 0, policy: "a b") } == .notNeutral)
  }
}
