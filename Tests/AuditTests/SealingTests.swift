import Foundation
import Signing
import Testing

@testable import Audit

@Suite("Sealing segments", .longWork)
struct SealingTests {
  static let day: Int64 = 86_400_000_000
  /// Midnight after the day of the first test entries.
  static let midnight: Int64 = 1_767_225_600_000_000

  let scratch: Scratch
  var log: TestLog

  init() throws {
    scratch = try Scratch()
    log = try TestLog(in: scratch)
  }

  func problems() throws -> [String] { try ArchiveOracle(folder: log.folder, keys: log.keys).problems() }

  /// Appends small entries of that time until there are `count`, and publishes them.
  mutating func grow(to count: Int, time: Int64) throws {
    let published = Int(try log.writer.lastCheckpoint()?.size ?? 0)
    while log.entries.count < count { try log.append(body: Array("{}".utf8), time: time) }
    try log.writer.publish(Array(log.entries[published..<count]))
  }

  @Test("nothing is sealed before its day is over; then all that is published, and once")
  mutating func days() throws {
    #expect(try log.writer.seal(now: Self.midnight).isEmpty)
    #expect(try log.writer.sealedUpTo() == 0)
    for count in [0, 3, 300] { try log.publish(upTo: count) }
    #expect(try log.writer.seal(now: Self.midnight - 1).isEmpty)
    #expect(!log.exists("segments"))
    let first = try log.writer.seal(now: Self.midnight)
    #expect(first.map { [$0.number, $0.first, $0.end] } == [[0, 0, 300]])
    #expect(first.map(\.checkpointCount) == [3])
    #expect(try log.writer.seal(now: Self.midnight + 5 * Self.day).isEmpty)
    #expect(try log.writer.sealedUpTo() == 300)
    try grow(to: 301, time: Self.midnight)
    try grow(to: 520, time: Self.midnight + Self.day)
    #expect(try log.writer.seal(now: Self.midnight + Self.day - 1).isEmpty)
    let second = try log.writer.seal(now: Self.midnight + Self.day)
    #expect(second.map { [$0.number, $0.first, $0.end] } == [[1, 300, 520]])
    #expect(second.map(\.checkpointCount) == [2])
    #expect(second[0].previous == first[0].hash)
    #expect(try problems() == [])
    #expect(try log.writer.reader.manifestCount() == 2)
    #expect(try log.verify().findings.isEmpty)
  }

  @Test("65,536 entries are sealed at once and end at a multiple of that; wider tiles take a partial one's place")
  mutating func full() throws {
    try grow(to: 1_000, time: Self.midnight - 1)
    #expect(try log.writer.seal(now: Self.midnight).map(\.end) == [1_000])
    // One publication far beyond two boundaries: the partial tiles of the boundaries never were.
    try grow(to: 131_100, time: Self.midnight)
    let first = try log.writer.seal(now: Self.midnight, limit: 1)
    #expect(first.map { [$0.number, $0.first, $0.end] } == [[1, 1_000, 65_536]])
    #expect(first.map(\.checkpointCount) == [0])
    let second = try log.writer.seal(now: Self.midnight)
    #expect(second.map { [$0.number, $0.first, $0.end] } == [[2, 65_536, 131_072]])
    let third = try log.writer.seal(now: Self.midnight + Self.day)
    #expect(third.map { [$0.number, $0.first, $0.end] } == [[3, 131_072, 131_100]])
    #expect(third.map(\.checkpointCount) == [1])
    #expect(log.exists("tile/2/000.p/2") && !log.exists("tile/2/000.p/1"))
    #expect(first[0].files.map(\.place.text).contains("tile/2/000.p/1"))
    #expect(try problems() == [])
  }

  @Test("a closed log is sealed without waiting for its day")
  mutating func closed() throws {
    try log.publish(upTo: 10)
    #expect(try log.writer.seal(now: TestLog.time(10)).isEmpty)
    try log.append(AuditRecord(action: .logClosed))
    try log.writer.publish([log.entries[10]])
    #expect(try log.writer.seal(now: TestLog.time(11)).map(\.end) == [11])
    #expect(try problems() == [])
  }

  @Test("what a partial file was sealed as still holds when the full one has taken its place")
  mutating func superseded() throws {
    try log.publish(upTo: 100)
    try log.writer.seal(now: Self.midnight)
    #expect(log.exists("tile/entries/000.p/100"))
    try grow(to: 700, time: Self.midnight)
    #expect(!log.exists("tile/entries/000.p/100"))
    try log.writer.seal(now: Self.midnight + Self.day)
    #expect(try problems() == [])
  }

  @Test(
    "a file that is not what the tree says is never sealed, whatever bit of it is wrong",
    arguments: [
      "tile/entries/000", "tile/entries/001", "tile/entries/002.p/88", "tile/0/000", "tile/0/001", "tile/0/002.p/88",
      "tile/1/000.p/2", "checkpoints/00000000000000000300", "checkpoints/00000000000000000600", "checkpoint",
    ])
  mutating func corrupt(_ file: String) throws {
    for count in [300, 600] { try log.publish(upTo: count) }
    let bytes = try log.read(file)
    for position in [0, bytes.count / 2, bytes.count - 1] {
      var wrong = bytes
      wrong[position] ^= 0x10
      try log.write(file, wrong)
      #expect(AuditError.code { _ = try log.writer.seal(now: Self.midnight) } != nil, "byte \(position)")
      #expect(!log.exists("segments"))
    }
    try log.write(file, bytes.dropLast())
    #expect(AuditError.code { _ = try log.writer.seal(now: Self.midnight) } != nil)
    try log.remove(file)
    let code = AuditError.code { _ = try log.writer.seal(now: Self.midnight) }
    // The newest checkpoint is copied again, and one that is gone altogether is not there to be counted.
    if file.hasPrefix("checkpoints/") {
      #expect(code == nil)
    } else {
      #expect(code == (file == "checkpoint" ? .inconsistent : .missing))
    }
    try log.write(file, bytes)
    if !file.hasPrefix("checkpoints/") {
      #expect(try log.writer.seal(now: Self.midnight).count == 1)
      #expect(try problems() == [])
    }
  }

  @Test("a manifest that is gone, altered, or ahead of the checkpoint stops the next sealing")
  mutating func manifests() throws {
    try log.publish(upTo: 10)
    try log.writer.seal(now: Self.midnight)
    try grow(to: 20, time: Self.midnight)
    try log.writer.seal(now: Self.midnight + Self.day)
    try grow(to: 30, time: Self.midnight + Self.day)
    let (first, second) = ("segments/00000000000000000000", "segments/00000000000000000001")
    let (one, two) = (try log.read(first), try log.read(second))
    func code() -> AuditError.Code? {
      AuditError.code { _ = try log.writer.seal(now: Self.midnight + 2 * Self.day) }
    }
    try log.remove(first)
    #expect(code() == .missing)
    try log.write(first, one)
    try log.write(second, one)
    #expect(code() == .inconsistent)
    try log.write(second, [two[0] ^ 1] + two.dropFirst())
    #expect(code() == .signature)
    try log.write(second, two)
    try log.write("segments/00000000000000000005", two)
    #expect(code() == .missing)
    try log.remove("segments/00000000000000000005")
    #expect(code() == nil)
    #expect(try problems() == [])
  }

  @Test("a manifest is signed by the key whose turn it is, and older ones still count")
  mutating func rotated() throws {
    let new = NoteSigner(name: log.origin.text, key: try SigningKey(ed25519Seed: Array(repeating: 2, count: 32)))
    try log.publish(upTo: 10)
    try log.writer.seal(now: Self.midnight)
    try log.append(KeyRotation(old: log.signer.verifierKey(), new: new.verifierKey()).record)
    try log.writer.publish([log.entries[10]], successor: new)
    #expect(AuditError.code { _ = try log.writer.seal(now: Self.midnight) } == .unsuitableKey)
    // The retired key need not be at hand: its public half is in `vkey`.
    let writer = ArchiveWriter(folder: log.folder, origin: log.origin, signers: [new])
    #expect(try writer.seal(now: Self.midnight).map(\.first) == [10])
    let note = try #require(try log.writer.reader.manifest(1))
    #expect(try note.verified(by: [new.verifierKey()]).keyID == new.verifierKey().keyID)
    let oracle = ArchiveOracle(folder: log.folder, keys: try log.keys + [new.verifierKey()])
    #expect(try oracle.problems() == [])
    // Whoever knows either key verifies all of it.
    for key in [try log.keys[0], try new.verifierKey()] {
      #expect(ArchiveVerifier(folder: log.folder, keys: [key]).verify().findings.isEmpty)
    }
  }

  @Test("sealing waits for nobody: another writer at work is an error")
  mutating func busy() throws {
    try log.publish(upTo: 1)
    let writer = log.writer
    let meanwhile = try ArchiveFolder(root: log.folder).exclusively {
      [
        AuditError.code { _ = try writer.seal(now: Self.midnight) },
        AuditError.code { try writer.expire(before: 0, policy: "p", time: 0) },
      ]
    }
    #expect(meanwhile == [.busy, .busy])
    #expect(try log.writer.seal(now: Self.midnight).count == 1)
  }
}
