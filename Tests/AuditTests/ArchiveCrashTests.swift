import Foundation
import Signing
import Testing

@testable import Audit

@Suite("A writer that dies at any of its steps", .longWork)
struct ArchiveCrashTests {
  static let midnight = SealingTests.midnight
  static let day = SealingTests.day

  let scratch: MemoryScratch
  var log: TestLog
  let new: NoteSigner

  init() throws {
    scratch = try MemoryScratch()
    log = try TestLog(in: Scratch())
    new = NoteSigner(name: log.origin.text, key: try SigningKey(ed25519Seed: Array(repeating: 2, count: 32)))
    // One day of 258 entries; the next one with a new key; the third one lets the first go.
    while log.entries.count < 258 { try log.append() }
    let rotation = KeyRotation(old: try log.signer.verifierKey(), new: try new.verifierKey()).record
    try log.append(body: rotation.body(), time: Self.midnight)
    try log.append(body: Array("{}".utf8), time: Self.midnight)
    let expired = AuditRecord(action: .logEntriesExpired, codes: ["first_kept": "256", "policy": "p"])
    try log.append(body: expired.body(), time: Self.midnight + Self.day)
  }

  /// Everything that a writer does, each part going on from what the archive holds.
  func work(_ sink: FaultySink) throws {
    let writer = ArchiveWriter(
      sink: sink, origin: log.origin, signers: [log.signer, new], immutability: ImmutableAttribute())
    let parts: [(size: Int, now: Int64)] = [
      (100, 0), (258, Self.midnight), (260, Self.midnight + Self.day), (261, 0),
    ]
    if try writer.lastCheckpoint() == nil {
      // A log that was never published begins with the newest of its keys.
      try ArchiveWriter(sink: sink, origin: log.origin, signers: [log.signer]).publish([])
    }
    for part in parts {
      let size = Int(try writer.lastCheckpoint()?.size ?? 0)
      if size > part.size { continue }
      try writer.publish(Array(log.entries[size..<part.size]))
      if part.now > 0 { try writer.seal(now: part.now) }
    }
    try writer.expire(before: 256, policy: "p", time: Self.midnight + Self.day)
  }

  func content(_ folder: String) throws -> [String: [UInt8]] {
    let names = try FileManager.default.subpathsOfDirectory(atPath: folder)
    return Dictionary(
      uniqueKeysWithValues: names.compactMap { name in
        // Folders have no contents.
        (try? Data(contentsOf: URL(fileURLWithPath: folder + "/" + name))).map { (name, Array($0)) }
      })
  }

  @Test("the next one completes the same archive, byte for byte, and no checkpoint was ever ahead of its entries")
  func everyStep() throws {
    let whole = FaultySink(root: scratch.path + "/whole")
    try work(whole)
    let expected = try content(scratch.path + "/whole")
    #expect(expected.keys.filter { $0.hasPrefix("segments/") }.count == 2)
    #expect(expected["tile/entries/000"] == nil && expected["tile/entries/001.p/5"] != nil)
    #expect(whole.protected.contains("segments/00000000000000000001"))
    #expect(whole.protected.contains("tile/0/000") && !whole.protected.contains("tile/entries/000"))
    let keys = [try log.signer.verifierKey(), try new.verifierKey()]
    #expect(try ArchiveOracle(folder: scratch.path + "/whole", keys: keys).problems() == ["missing tile/entries/000"])
    #expect(ArchiveVerifier(folder: scratch.path + "/whole", keys: keys).verify().findings.isEmpty)
    #expect(whole.steps > 50)
    for fatal in 0..<whole.steps {
      for fate in FaultySink.Fate.allCases {
        let folder = scratch.path + "/\(fatal)-\(fate)"
        #expect(AuditError.code { try work(FaultySink(root: folder, fatal: fatal, fate: fate)) } == .inputOutput)
        try expectCovered(folder)
        let second = FaultySink(root: folder)
        try work(second)
        let found = try content(folder)
        #expect(found.keys.sorted() == expected.keys.sorted(), "step \(fatal), \(fate)")
        #expect(found == expected, "step \(fatal), \(fate)")
        try FileManager.default.removeItem(atPath: folder)
      }
    }
  }

  /// Whatever checkpoint is there, every entry that it covers is too, unless the retention note says otherwise.
  private func expectCovered(_ folder: String) throws {
    let reader = ArchiveReader(folder: folder)
    guard let note = try reader.checkpoint() else { return }
    try note.verified(by: [log.signer.verifierKey(), new.verifierKey()])
    let head = try Checkpoint(parsing: note.body)
    let kept = try RetentionNote.firstKept(reader)
    let entries = try reader.entries(in: kept..<head.size, size: head.size)
    #expect(entries == Array(log.entries[Int(kept)..<Int(head.size)]))
    #expect(try reader.root(size: head.size) == head.root)
  }
}

/// A folder in memory where there is one, since thousands of synchronisations are slow elsewhere; it goes with the test.
final class MemoryScratch: Sendable {
  let path: String

  init() throws {
    let memory = FileManager.default.isWritableFile(atPath: "/dev/shm") ? "/dev/shm/" : NSTemporaryDirectory()
    path = memory + "audit-tests-" + UUID().uuidString.lowercased()
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }
}
