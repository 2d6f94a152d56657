import Foundation
import Signing
import Testing

@testable import Audit

@Suite("Publishing into the archive")
struct ArchiveWriterTests {
  let scratch: Scratch
  var log: TestLog

  init() throws {
    scratch = try Scratch()
    log = try TestLog(in: scratch)
  }

  @Test("the first publication writes bundle, tile, key, checkpoint and its copy")
  mutating func first() throws {
    let note = try log.publish(upTo: 3)
    #expect(
      try log.allFiles() == [
        "checkpoint", "checkpoints/00000000000000000003", "tile/0/000.p/3", "tile/entries/000.p/3", "vkey",
      ])
    let leaves = log.entries.map(MerkleTree.leafHash)
    #expect(
      try Checkpoint(parsing: note.body)
        == Checkpoint(origin: log.origin.text, size: 3, root: MerkleTree.root(of: leaves)))
    #expect(try log.read("checkpoint") == Array(note.text.utf8))
    #expect(try log.read("vkey") == Array((log.signer.verifierKey().text + "\n").utf8))
    #expect(try log.read("tile/0/000.p/3") == leaves.flatMap(\.bytes))
    let bundle = log.entries.flatMap { [UInt8($0.count >> 8), UInt8($0.count & 0xff)] + $0 }
    #expect(try log.read("tile/entries/000.p/3") == bundle)
    #expect(try log.verify().findings.isEmpty)
  }

  @Test("tiles and checkpoints are read-only")
  mutating func modes() throws {
    try log.publish(upTo: 2)
    for file in ["tile/0/000.p/2", "tile/entries/000.p/2", "checkpoints/00000000000000000002", "vkey"] {
      let attributes = try FileManager.default.attributesOfItem(atPath: log.folder + "/" + file)
      #expect((attributes[.posixPermissions] as? NSNumber)?.intValue == 0o444)
    }
  }

  @Test("publishing nothing signs an empty log once, and answers the last checkpoint afterwards")
  mutating func nothing() throws {
    let empty = try log.writer.publish([])
    #expect(
      try Checkpoint(parsing: empty.body)
        == Checkpoint(origin: log.origin.text, size: 0, root: MerkleTree.emptyRoot))
    #expect(try log.verify().isValid)
    let note = try log.publish(upTo: 5)
    #expect(try log.writer.publish([]) == note)
    #expect(try log.verify().checkpoints == 2)
  }

  @Test(
    "any way of cutting the same entries gives the same root and a valid archive",
    arguments: [[1, 1, 1, 1], [255, 1, 1], [256, 1], [1, 256, 256], [300, 212, 1], [600]])
  mutating func steps(_ steps: [Int]) throws {
    var size = 0
    for step in steps {
      size += step
      let note = try log.publish(upTo: size)
      let root = MerkleTree.root(of: log.entries.map(MerkleTree.leafHash))
      #expect(try Checkpoint(parsing: note.body).root == root)
      #expect(try log.writer.lastCheckpoint()?.size == UInt64(size))
    }
    for workers in [1, 3] {
      let report = try log.verify(workers: workers)
      #expect(report.findings.isEmpty)
      #expect(report.entries == UInt64(size))
      #expect(report.checkpoints == UInt64(steps.count))
      #expect(report.unpublished == 0)
    }
  }

  @Test("partial tiles go when the full one is there")
  mutating func superseded() throws {
    try log.publish(upTo: 100)
    try log.publish(upTo: 200)
    #expect(log.exists("tile/0/000.p/100") && log.exists("tile/entries/000.p/200"))
    try log.publish(upTo: 256)
    #expect(!log.exists("tile/0/000.p") && !log.exists("tile/entries/000.p"))
    #expect(try log.allFiles().filter { $0.hasPrefix("tile") } == ["tile/0/000", "tile/1/000.p/1", "tile/entries/000"])
  }

  @Test("70,000 entries lie in the published tiles, across the 65,536 boundary")
  mutating func large() throws {
    for size in [65_535, 65_537, 70_000] { try log.publish(upTo: size) }
    let files = try log.allFiles()
    let zero = files.filter { $0.hasPrefix("tile/0/") }
    #expect(zero.filter { !$0.contains(".p/") }.count == 273)
    #expect(zero.filter { $0.contains(".p/") } == ["tile/0/273.p/112"])
    #expect(log.exists("tile/1/000") && log.exists("tile/1/001.p/17") && log.exists("tile/2/000.p/1"))
    #expect(files.filter { $0.hasPrefix("tile/1/") && !$0.contains(".p/") } == ["tile/1/000"])
    #expect(files.filter { $0.hasPrefix("tile/2/") } == ["tile/2/000.p/1"])
    let report = try log.verify(workers: 2)
    #expect(report.findings.isEmpty)
    #expect(report.entries == 70_000)

    let receipt = try log.writer.inclusionReceipt(sequence: 65_536)
    #expect(receipt.path.count == 14)
    #expect(try receipt.verify(entry: log.entries[65_536], keys: log.keys).size == 70_000)
    let old = MerkleTree.root(of: Array(log.entries[..<65_537].map(MerkleTree.leafHash)))
    let head = try #require(try log.writer.lastCheckpoint())
    #expect(
      MerkleTree.verifyConsistency(
        from: 65_537, to: 70_000, oldRoot: old, newRoot: head.root,
        proof: try log.writer.consistencyProof(from: 65_537, to: 70_000)))
  }

  @Test("every receipt and consistency proof out of the tiles verifies")
  mutating func proofs() throws {
    try log.publish(upTo: 300)
    let leaves = log.entries.map(MerkleTree.leafHash)
    for index in stride(from: 0, to: 300, by: 7) {
      let receipt = try log.writer.inclusionReceipt(sequence: UInt64(index))
      #expect(receipt.path == MerkleTree.inclusionProof(index: UInt64(index), of: leaves))
      #expect(try Receipt(parsing: receipt.text) == receipt)
      try receipt.verify(entry: log.entries[index], keys: log.keys)
      #expect(try log.writer.reader.entry(at: UInt64(index)) == log.entries[index])
      #expect(try log.writer.reader.leafHash(at: UInt64(index)) == leaves[index])
      #expect(
        try log.writer.consistencyProof(from: UInt64(index), to: 300)
          == MerkleTree.consistencyProof(from: UInt64(index), to: leaves))
    }
    #expect(try log.writer.reader.root(size: 300) == MerkleTree.root(of: leaves))
    #expect(AuditError.code { _ = try log.writer.inclusionReceipt(sequence: 300) } == .outOfRange)
    #expect(AuditError.code { _ = try log.writer.consistencyProof(from: 1, to: 301) } == .outOfRange)
    #expect(AuditError.code { _ = try log.writer.consistencyProof(from: 2, to: 1) } == .outOfRange)
    #expect(AuditError.code { _ = try log.writer.reader.entry(at: 300) } == .outOfRange)
  }

  @Test("gaps, forks, strangers and times that go back are refused, and nothing is published")
  mutating func refused() throws {
    try log.publish(upTo: 5)
    for _ in 0..<3 { try log.append() }
    let next = try Entry(parsing: log.entries[5])
    func variant(
      origin: LogOrigin? = nil, sequence: UInt64? = nil, previous: SHA256Digest? = nil, time: Int64? = nil
    ) throws -> [UInt8] {
      try Entry(
        origin: origin ?? next.origin, sequence: sequence ?? next.sequence, previous: previous ?? next.previous,
        time: time ?? next.time, body: next.body
      ).bytes
    }
    let wrong = [
      log.entries[6], log.entries[4], try variant(origin: LogOrigin(host: "audit.example.com", tenant: UUID())),
      try variant(sequence: 6), try variant(previous: log.origin.genesis), try variant(time: TestLog.time(3)),
    ]
    for entry in wrong {
      #expect(AuditError.code { _ = try log.writer.publish([entry]) } == .inconsistent)
    }
    #expect(AuditError.code { _ = try log.writer.publish([Array("garbage\n".utf8)]) } == .malformed)
    #expect(try log.writer.lastCheckpoint()?.size == 5)
    #expect(try log.verify().isValid)
    #expect(try log.writer.publish([variant()]).body.hasPrefix("\(log.origin.text)\n6\n"))
  }

  @Test("a publication that died before its checkpoint is completed by the next one", arguments: [40, 256, 300])
  mutating func crashBeforeCheckpoint(size: Int) throws {
    try log.publish(upTo: 10)
    let before = try log.read("checkpoint")
    try log.publish(upTo: size)
    // All tiles of the new size are there, the checkpoint and its copy are not; a temporary file lies about.
    try log.write("checkpoint", before)
    try log.remove("checkpoints/\(String(repeating: "0", count: size < 100 ? 18 : 17))\(size)")
    try log.write(".incoming/tile-0-000.p-11", [1, 2, 3])
    let report = try log.verify()
    #expect(report.findings.isEmpty)
    #expect(report.size == 10)
    #expect(report.unpublished > 0)

    try log.publish(upTo: size + 20)
    #expect(try log.verify().findings.isEmpty)
    #expect(try log.writer.lastCheckpoint()?.size == UInt64(size + 20))
    #expect(!log.exists(".incoming/tile-0-000.p-11"))
  }

  @Test("a crash between the checkpoint and its copy is made good")
  mutating func crashBeforeCopy() throws {
    try log.publish(upTo: 10)
    try log.remove("checkpoints/00000000000000000010")
    #expect(try log.verify().isValid)
    try log.publish(upTo: 11)
    #expect(log.exists("checkpoints/00000000000000000010"))
    #expect(try log.verify().checkpoints == 2)
  }

  @Test("other entries than those an interrupted publication left are a fork, and refused")
  mutating func fork() throws {
    try log.publish(upTo: 10)
    let before = try log.read("checkpoint")
    var other = log
    try log.publish(upTo: 256)
    try log.write("checkpoint", before)
    while other.entries.count < 256 { try other.append(AuditRecord(action: .profileLocked)) }
    let forked = Array(other.entries[10...])
    #expect(AuditError.code { _ = try log.writer.publish(forked) } == .inconsistent)
  }

  @Test("an archive whose edge does not hash to its checkpoint is not extended")
  mutating func corruptEdge() throws {
    try log.publish(upTo: 10)
    try log.append()
    let next = log.entries[10]
    let tile = try log.read("tile/0/000.p/10")
    try log.write("tile/0/000.p/10", [tile[0] ^ 1] + tile.dropFirst())
    #expect(AuditError.code { _ = try log.writer.publish([next]) } == .inconsistent)
    try log.write("tile/0/000.p/10", tile)
    var bundle = try log.read("tile/entries/000.p/10")
    bundle[10] ^= 1
    try log.write("tile/entries/000.p/10", bundle)
    #expect(AuditError.code { _ = try log.writer.publish([next]) } == .inconsistent)
    try log.remove("tile/entries/000.p/10")
    #expect(AuditError.code { _ = try log.writer.publish([next]) } == .missing)
  }

  @Test("a checkpoint by another key, of another log, or gone, stops the writer")
  mutating func foreignCheckpoint() throws {
    try log.publish(upTo: 4)
    let stranger = try TestLog(in: scratch, seed: Array(repeating: 9, count: 32))
    #expect(AuditError.code { _ = try stranger.writer.lastCheckpoint() } == .signature)
    #expect(AuditError.code { _ = try stranger.writer.publish([]) } == .signature)
    let note = try SignedNote.signing(
      Checkpoint(origin: "elsewhere/x", size: 4, root: MerkleTree.emptyRoot).text, by: log.signer)
    try log.write("checkpoint", Array(note.text.utf8))
    #expect(AuditError.code { _ = try log.writer.lastCheckpoint() } == .inconsistent)
    try log.remove("checkpoint")
    #expect(AuditError.code { _ = try log.writer.publish(log.entries) } == .inconsistent)
  }

  @Test("a second writer is turned away while the first one publishes")
  mutating func busy() throws {
    try log.publish(upTo: 1)
    let writer = log.writer
    let meanwhile = try ArchiveFolder(root: log.folder).exclusively {
      AuditError.code { _ = try writer.publish([]) }
    }
    #expect(meanwhile == .busy)
    #expect(AuditError.code { _ = try log.writer.publish([]) } == nil)
  }

  @Test("a log that was never published has no checkpoint and no proofs")
  func unpublished() throws {
    #expect(try log.writer.lastCheckpoint() == nil)
    #expect(AuditError.code { _ = try log.writer.inclusionReceipt(sequence: 0) } == .missing)
    #expect(AuditError.code { _ = try log.writer.consistencyProof(from: 0, to: 0) } == .missing)
    #expect(AuditError.code { _ = try log.writer.reader.entry(at: 0) } == .missing)
  }
}
