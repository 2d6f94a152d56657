import Foundation
import Signing
import Testing

@testable import Audit

@Suite("Deleting entries whose time is over", .longWork)
struct RetentionTests {
  static let midnight = SealingTests.midnight
  static let day = SealingTests.day

  let scratch: Scratch
  var log: TestLog

  init() throws {
    scratch = try Scratch()
    log = try TestLog(in: scratch)
  }

  func bundles() throws -> [String] { try log.allFiles().filter { $0.hasPrefix("tile/entries/") } }

  @Test("bundles of sealed segments go, everything else stays, and the note says so")
  mutating func expires() throws {
    for count in [100, 600] { try log.publish(upTo: count) }
    try log.writer.seal(now: Self.midnight)
    try log.append(AuditRecord(action: .logEntriesExpired, codes: ["first_kept": "512", "policy": "2026-1"]))
    try log.writer.publish([log.entries[600]])
    #expect(try log.writer.expirable(before: Self.midnight) == 0)
    #expect(try log.writer.expirable(before: Self.midnight + 1) == 512)
    let files = try log.allFiles()
    try log.writer.expire(before: 512, policy: "2026-1", time: Self.midnight + 7)
    let gone = ["tile/entries/000", "tile/entries/001"]
    #expect(try log.allFiles() == (files.filter { !gone.contains($0) } + ["retention"]).sorted())
    let note = try #require(try log.writer.reader.retention())
    try note.verified(by: log.keys)
    #expect(
      try RetentionNote(parsing: note.body)
        == RetentionNote(origin: log.origin, firstKept: 512, time: Self.midnight + 7, policy: "2026-1"))
    // Proofs of what is gone still come out of the tiles, and the log goes on.
    let receipt = try log.writer.inclusionReceipt(sequence: 7)
    #expect(try receipt.verify(entry: log.entries[7], keys: log.keys).size == 601)
    #expect(AuditError.code { _ = try log.writer.reader.entry(at: 511) } == .missing)
    #expect(try log.writer.reader.entry(at: 512) == log.entries[512])
    try log.append()
    try log.writer.publish([log.entries[601]])
    #expect(try log.writer.seal(now: Self.midnight + Self.day).map { [$0.first, $0.end] } == [[600, 602]])
    #expect(try log.verify().findings.isEmpty)
  }

  @Test("repeating it finishes what was interrupted, and less than before is refused")
  mutating func repeats() throws {
    try log.publish(upTo: 800)
    try log.writer.seal(now: Self.midnight)
    let bundle = try log.read("tile/entries/000")
    try log.writer.expire(before: 512, policy: "p", time: 1)
    let note = try log.read("retention")
    try log.write("tile/entries/000", bundle)
    try log.writer.expire(before: 512, policy: "q", time: 2)
    #expect(!log.exists("tile/entries/000"))
    #expect(try log.read("retention") == note)
    #expect(AuditError.code { try log.writer.expire(before: 256, policy: "p", time: 3) } == .rollback)
    #expect(try log.read("retention") == note)
    try log.writer.expire(before: 768, policy: "p", time: 4)
    #expect(try bundles() == ["tile/entries/003.p/32"])
  }

  @Test("whatever an interrupted call has left goes when it is repeated, wherever it lies")
  mutating func interrupted() throws {
    try log.publish(upTo: 1_000)
    try log.writer.seal(now: Self.midnight)
    let paths = (0..<3).map { "tile/entries/00\($0)" }
    let contents = try paths.map { try log.read($0) }
    try log.writer.expire(before: 768, policy: "p", time: 1)
    #expect(try bundles() == ["tile/entries/003.p/232"])
    for left in [[0], [1], [2], [0, 2], [1, 2], [0, 1, 2]] {
      for index in left { try log.write(paths[index], contents[index]) }
      // A partial one that its writer had no time to remove.
      try log.write("tile/entries/001.p/17", [1])
      try log.writer.expire(before: 768, policy: "p", time: 1)
      #expect(try bundles() == ["tile/entries/003.p/232"], "\(left)")
    }
  }

  @Test("only whole bundles below the seal and below the last entry can go")
  mutating func refused() throws {
    func code(_ number: UInt64, _ policy: String = "p") -> AuditError.Code? {
      AuditError.code { try log.writer.expire(before: number, policy: policy, time: 1) }
    }
    #expect(code(0) == .missing)
    try log.publish(upTo: 512)
    #expect(code(256) == .outOfRange)
    try log.writer.seal(now: Self.midnight)
    for number in [1, 255, 257, 512, 768, .max] as [UInt64] { #expect(code(number) == .outOfRange) }
    #expect(code(256, "not a code") == .notNeutral)
    #expect(try log.writer.expirable(before: .max) == 256)
    #expect(!log.exists("retention"))
    #expect(try bundles().count == 2)
    #expect(code(256) == nil)
  }

  @Test("segments are let go by the time they were sealed")
  mutating func cutoffs() throws {
    for (index, count) in [300, 600, 900, 1_200].enumerated() {
      let time = Self.midnight + Int64(index) * Self.day
      while log.entries.count < count { try log.append(body: Array("{}".utf8), time: time) }
      let published = Int(try log.writer.lastCheckpoint()?.size ?? 0)
      try log.writer.publish(Array(log.entries[published...]))
      #expect(try log.writer.seal(now: time + Self.day).map(\.end) == [UInt64(count)])
    }
    for (days, number) in [(0, 0), (1, 0), (2, 256), (3, 512), (4, 768), (5, 1_024)] as [(Int64, UInt64)] {
      #expect(try log.writer.expirable(before: Self.midnight + days * Self.day) == number)
    }
    #expect(try log.writer.expirable(before: .max) == 1_024)
  }

  @Test("all entries of a closed log go, the last ones too, and it still has its checkpoint")
  mutating func closed() throws {
    try log.publish(upTo: 299)
    try log.append(AuditRecord(action: .logClosed))
    try log.writer.publish([log.entries[299]])
    #expect(AuditError.code { try log.writer.expire(before: 300, policy: "p", time: 1) } == .outOfRange)
    try log.writer.seal(now: TestLog.time(300))
    for _ in 0..<2 {
      try log.writer.expire(before: 300, policy: "p", time: 1)
      #expect(try bundles() == [])
      #expect(!log.exists("tile/entries/001.p"))
    }
    #expect(try log.writer.publish([]) == log.writer.reader.checkpoint())
    #expect(try log.writer.seal(now: Self.midnight + Self.day).isEmpty)
    #expect(try log.writer.inclusionReceipt(sequence: 3).verify(entry: log.entries[3], keys: log.keys).size == 300)
    #expect(try log.verify().findings.isEmpty)
  }

  @Test("a retention note that is not this log's stops everything")
  mutating func foreign() throws {
    try log.publish(upTo: 600)
    try log.writer.seal(now: Self.midnight)
    let other = try RetentionNote(origin: #require(LogOrigin("elsewhere/x")), firstKept: 256, time: 1, policy: "p")
    try log.write("retention", Array(SignedNote.signing(other.text, by: log.signer).text.utf8))
    #expect(AuditError.code { try log.writer.expire(before: 512, policy: "p", time: 1) } == .inconsistent)
    let stranger = NoteSigner(name: log.origin.text, key: try SigningKey(ed25519Seed: Array(repeating: 9, count: 32)))
    let forged = try RetentionNote(origin: log.origin, firstKept: 256, time: 1, policy: "p")
    try log.write("retention", Array(SignedNote.signing(forged.text, by: stranger).text.utf8))
    #expect(AuditError.code { try log.writer.expire(before: 512, policy: "p", time: 1) } == .signature)
    #expect(try bundles().count == 3)
  }
}
