import Foundation
import Signing
import Testing

@testable import Audit

@Suite("Replacing the signing key", .longWork)
struct KeyRotationTests {
  let scratch: Scratch
  var log: TestLog

  init() throws {
    scratch = try Scratch()
    log = try TestLog(in: scratch)
  }

  func signer(_ seed: UInt8) throws -> NoteSigner {
    NoteSigner(name: log.origin.text, key: try SigningKey(ed25519Seed: Array(repeating: seed, count: 32)))
  }

  func writer(_ signers: [NoteSigner]) -> ArchiveWriter {
    ArchiveWriter(folder: log.folder, origin: log.origin, signers: signers)
  }

  func rotation(_ old: NoteSigner, _ new: NoteSigner) throws -> AuditRecord {
    KeyRotation(old: try old.verifierKey(), new: try new.verifierKey()).record
  }

  func keyFile(_ signers: NoteSigner...) throws -> [UInt8] {
    try signers.flatMap { Array((try $0.verifierKey().text + "\n").utf8) }
  }

  func signedBy(_ note: SignedNote, _ signers: NoteSigner...) throws -> Bool {
    try note.signatures.map(\.keyID) == signers.map { try $0.verifierKey().keyID }
  }

  /// Whether the log is found whole by who knows no other key.
  func verifies(_ signer: NoteSigner) -> Bool {
    guard let key = try? signer.verifierKey() else { return false }
    return ArchiveVerifier(folder: log.folder, keys: [key]).verify().findings.isEmpty
  }

  @Test("the checkpoint that covers the announcement carries both lines, the old one first; the next one only the new")
  mutating func rotates() throws {
    let new = try signer(2)
    try log.publish(upTo: 5)
    try log.append(rotation(log.signer, new))
    try log.append()
    let both = try writer([log.signer]).publish(Array(log.entries[5...]), successor: new)
    #expect(try signedBy(both, log.signer, new))
    #expect(try both.verified(by: [log.signer.verifierKey(), new.verifierKey()]).keyID == log.keys[0].keyID)
    #expect(try log.read("vkey") == keyFile(log.signer, new))
    try log.append()
    let alone = try writer([log.signer, new]).publish([log.entries[7]])
    #expect(try signedBy(alone, new))
    try log.append()
    #expect(try signedBy(writer([new]).publish([log.entries[8]]), new))
    #expect(try log.read("vkey") == keyFile(log.signer, new))
    #expect(verifies(log.signer) && verifies(new))
    #expect(try !verifies(signer(3)))
    #expect(try VerifierKeys(parsing: log.read("vkey")).keys == [log.signer.verifierKey(), new.verifierKey()])
  }

  @Test("a key that is out of its range never signs: not the old one afterwards, not the new one before")
  mutating func ranges() throws {
    let new = try signer(2)
    try log.publish(upTo: 5)
    try log.append()
    #expect(AuditError.code { _ = try writer([new]).publish([log.entries[5]]) } == .signature)
    // At hand, but not announced.
    let note = try writer([log.signer, new]).publish([log.entries[5]], successor: new)
    #expect(try signedBy(note, log.signer))
    try log.append(rotation(log.signer, new))
    #expect(AuditError.code { _ = try writer([log.signer]).publish([log.entries[6]]) } == .unsuitableKey)
    #expect(try log.writer.lastCheckpoint()?.size == 6)
    try writer([log.signer, new]).publish([log.entries[6]])
    try log.append()
    #expect(AuditError.code { _ = try writer([log.signer]).publish([log.entries[7]]) } == .unsuitableKey)
    #expect(try writer([log.signer]).lastCheckpoint()?.size == 7)
    try writer([new]).publish([log.entries[7]])
    #expect(AuditError.code { _ = try writer([log.signer]).lastCheckpoint() } == .signature)
    let files = try log.allFiles().filter { $0.hasPrefix("checkpoints/") }
    #expect(files.count == 4)
  }

  @Test("announcements by another than the current key, of a retired key, or without two keys are refused")
  mutating func wrongAnnouncements() throws {
    let (second, third) = (try signer(2), try signer(3))
    try log.publish(upTo: 3)
    let keys = [log.signer, second, third]
    for record in [
      try rotation(second, third), AuditRecord(action: .logKeyRotated),
      AuditRecord(action: .logKeyRotated, codes: ["old_key": try log.keys[0].code]),
      AuditRecord(action: .logKeyRotated, codes: ["old_key": try log.keys[0].code, "new_key": "x"]),
      AuditRecord(action: .logKeyRotated, codes: ["old_key": try log.keys[0].code, "new_key": try log.keys[0].code]),
    ] {
      var attempt = log
      try attempt.append(record)
      let code = AuditError.code { _ = try writer(keys).publish([attempt.entries[3]]) }
      #expect(code == (record.codes["old_key"] == (try second.verifierKey().code) ? .inconsistent : .malformed))
    }
    try log.append(rotation(log.signer, second))
    try writer(keys).publish([log.entries[3]])
    try log.append(rotation(second, log.signer))
    #expect(AuditError.code { _ = try writer(keys).publish([log.entries[4]]) } == .unsuitableKey)
    #expect(try log.read("vkey") == keyFile(log.signer, second))
  }

  @Test("two announcements at once are published under two checkpoints")
  mutating func several() throws {
    let (second, third) = (try signer(2), try signer(3))
    try log.publish(upTo: 3)
    try log.append(rotation(log.signer, second))
    try log.append()
    try log.append(rotation(second, third))
    try log.append()
    let last = try writer([log.signer, second, third]).publish(Array(log.entries[3...]))
    #expect(try signedBy(last, second, third))
    #expect(try Checkpoint(parsing: last.body).size == 7)
    let first = try log.writer.reader.checkpoint(size: 5)
    #expect(try signedBy(first, log.signer, second))
    #expect(try log.read("vkey") == keyFile(log.signer, second, third))
    #expect(verifies(log.signer) && verifies(second) && verifies(third))
  }

  @Test("a log that was never published begins with the newest key, or with the one that its entries replace")
  mutating func unpublished() throws {
    let new = try signer(2)
    try log.append()
    let other = try Scratch()
    let fresh = ArchiveWriter(folder: other.path + "/log", origin: log.origin, signers: [log.signer, new])
    #expect(try signedBy(fresh.publish(log.entries), new))
    try log.append(rotation(log.signer, new))
    #expect(try signedBy(writer([log.signer, new]).publish(log.entries), log.signer, new))
    #expect(try log.read("vkey") == keyFile(log.signer, new))
  }

  @Test("a line in `vkey` that a crash left without its checkpoint is written again, or stays until its entry comes")
  mutating func interrupted() throws {
    let new = try signer(2)
    try log.publish(upTo: 3)
    try log.write("vkey", keyFile(log.signer, new))
    try log.append()
    try writer([log.signer]).publish([log.entries[3]])
    #expect(try log.read("vkey") == keyFile(log.signer, new))
    #expect(verifies(log.signer))
    try log.append(rotation(log.signer, new))
    try writer([log.signer, new]).publish([log.entries[4]])
    #expect(try log.read("vkey") == keyFile(log.signer, new))
  }

  @Test("a `vkey` of other keys stops the writer")
  mutating func foreignKeys() throws {
    try log.publish(upTo: 3)
    try log.append()
    for bytes in [try keyFile(signer(7)), Array("x\n".utf8), [], try keyFile(log.signer, log.signer)] {
      try log.write("vkey", bytes)
      let code = AuditError.code { _ = try log.writer.publish([log.entries[3]]) }
      #expect(code == (bytes == (try keyFile(signer(7))) ? .inconsistent : .malformed))
    }
    #expect(try log.writer.lastCheckpoint()?.size == 3)
  }

  @Test("nothing is published behind the entry that closes a log")
  mutating func closed() throws {
    try log.publish(upTo: 3)
    try log.append(AuditRecord(action: .logClosed))
    try log.append()
    #expect(AuditError.code { _ = try log.writer.publish(Array(log.entries[3...])) } == .inconsistent)
    try log.writer.publish([log.entries[3]])
    #expect(AuditError.code { _ = try log.writer.publish([log.entries[4]]) } == .inconsistent)
    #expect(try log.writer.lastCheckpoint()?.size == 4)
  }
}
