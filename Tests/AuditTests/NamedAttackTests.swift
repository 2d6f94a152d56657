import Foundation
import Signing
import Testing

@testable import Audit

/// The attacks of the table in docs/audit-log-spec.md that an archive can show, and the codes the table names.
enum NamedAttack: String, CaseIterable, CustomTestStringConvertible {
  case endCutOff = "the end of the log cut off"
  case entryEdited = "an entry edited in the middle"
  case entryRemoved = "an entry removed"
  case entryInserted = "an entry inserted"
  case rewrittenTogether = "entries and tiles rewritten together"
  case wholeLogRewritten = "the whole log rewritten by who holds the signing key"
  case fork = "two logs shown to two people"
  case olderState = "an older state put back"
  case tenantsSwapped = "two tenants' logs swapped"
  case segmentsDeleted = "two neighbouring segments deleted"
  case bundleReplaced = "a bundle replaced by another of the same length"
  case tileReplaced = "a tile replaced by another of the same length"
  case checkpointReplaced = "a sealed checkpoint replaced by another signature of the same"
  case clockSetBack = "the clock set back"
  case erasureInvented = "an erasure invented"
  case erasureHidden = "an erasure hidden"
  case retiredKey = "a retired signing key stolen"

  var codes: Set<String> {
    switch self {
    case .endCutOff, .olderState: ["rollback"]
    case .entryEdited, .bundleReplaced: ["leaf"]
    case .entryRemoved, .entryInserted: ["sequence", "chain"]
    case .rewrittenTogether: ["root", "tile"]
    case .wholeLogRewritten, .fork: ["consistency"]
    case .tenantsSwapped: ["origin"]
    case .segmentsDeleted: ["missing", "manifest"]
    case .tileReplaced: ["tile", "digest"]
    case .checkpointReplaced: ["digest"]
    case .clockSetBack: ["time"]
    case .erasureInvented, .erasureHidden: ["ledger"]
    case .retiredKey: ["signature"]
    }
  }

  var testDescription: String { rawValue }
}

@Suite("Attacks by name", .longWork, .enabled(if: PythonVerifier.isAvailable, "python3 or openssl is missing"))
struct NamedAttackTests {
  let scratch: Scratch
  var log: TestLog
  private var held: SignedNote?
  private var keys: [NoteKey]
  private let ledgerPath: String

  private var ledger: ErasureLedger { ErasureLedger(path: ledgerPath) }

  init() throws {
    scratch = try Scratch()
    log = try TestLog(in: scratch)
    keys = try log.keys
    ledgerPath = scratch.path + "/archive/erasures/ledger"
  }

  @Test("both verifiers refuse it, with the code that the table names", arguments: NamedAttack.allCases)
  mutating func refused(_ attack: NamedAttack) async throws {
    try perform(attack)
    let ours = ArchiveVerifier(folder: log.folder, keys: keys, held: held, ledger: ledger).verify()
    #expect(attack.codes.isSubset(of: Set(ours.findings.map(\.check))), "ours: \(ours.findings)")
    if let held { try Data(held.text.utf8).write(to: URL(fileURLWithPath: scratch.path + "/held")) }
    let exists = FileManager.default.fileExists(atPath: ledgerPath)
    let theirs = try await PythonVerifier.verify(
      log.folder, keys: keys, held: held.map { _ in scratch.path + "/held" }, ledger: exists ? ledgerPath : nil)
    #expect(attack.codes.isSubset(of: Set(theirs.checks)), "theirs: \(theirs.findings)")
  }

  private mutating func perform(_ attack: NamedAttack) throws {
    switch attack {
    case .endCutOff:
      let older = try log.publish(upTo: 10)
      held = try log.publish(upTo: 20)
      try putBack(older, removing: 20)
    case .olderState:
      let older = try log.publish(upTo: 10)
      held = try log.publish(upTo: 20)
      try log.write("checkpoint", Array(older.text.utf8))
    case .entryEdited:
      try log.publish(upTo: 300)
      try alter("tile/entries/000") { $0[$0.count / 2] ^= 1 }
    case .bundleReplaced:
      try log.publish(upTo: 300)
      try alter("tile/entries/000") { bundle in
        // Two entries of the same length change places.
        guard let ranges = EntryBundle.ranges(in: bundle, width: 256) else { return }
        let copy = bundle
        bundle.replaceSubrange(ranges[20], with: copy[ranges[21]])
        bundle.replaceSubrange(ranges[21], with: copy[ranges[20]])
      }
    case .tileReplaced:
      try log.publish(upTo: 300)
      try log.writer.seal(now: SampleArchive.midnight)
      try alter("tile/0/000") { $0.replaceSubrange(..<64, with: $0[32..<64] + $0[..<32]) }
    case .checkpointReplaced:
      try log.publish(upTo: 3)
      try log.writer.seal(now: SampleArchive.midnight)
      let other = NoteSigner(name: "elsewhere", key: try SigningKey(ed25519Seed: Array(repeating: 9, count: 32)))
      let body = try SignedNote(parsing: log.read("checkpoint")).body
      let note = try SignedNote.signing(body, by: [log.signer, other])
      try log.write("checkpoints/00000000000000000003", Array(note.text.utf8))
    case .entryRemoved:
      for _ in 0..<5 { try log.append() }
      try forge(Array(log.entries[..<2] + log.entries[3...]))
    case .entryInserted:
      for _ in 0..<5 { try log.append() }
      let stranger = try Entry(
        origin: log.origin, sequence: 2, previous: MerkleTree.leafHash(log.entries[1]), time: TestLog.time(2),
        body: Array("b".utf8))
      try forge(log.entries[..<2] + [stranger.bytes] + log.entries[2...])
    case .rewrittenTogether:
      try log.publish(upTo: 300)
      let elsewhere = try Scratch()
      var forged = try TestLog(in: elsewhere)
      for _ in 0..<300 { try forged.append(AuditRecord(action: .profileLocked)) }
      try forged.publish(upTo: 300)
      for file in ["tile/entries/000", "tile/entries/001.p/44", "tile/0/000", "tile/0/001.p/44"] {
        try log.write(file, forged.read(file))
      }
    case .wholeLogRewritten:
      held = try log.publish(upTo: 10)
      try rewrite(from: 0, upTo: 12)
    case .fork:
      try log.publish(upTo: 6)
      held = try log.publish(upTo: 10)
      try rewrite(from: 6, upTo: 12)
    case .tenantsSwapped:
      var other = try TestLog(in: scratch, tenant: UUID())
      try log.publish(upTo: 3)
      try other.publish(upTo: 3)
      let files = FileManager.default
      try files.removeItem(atPath: log.folder)
      try files.moveItem(atPath: other.folder, toPath: log.folder)
      keys += try other.keys
    case .segmentsDeleted:
      for size in [10, 20, 30, 40] {
        try log.publish(upTo: size)
        try log.writer.seal(now: SampleArchive.midnight)
      }
      for number in [1, 2] { try log.remove(Manifest.path(UInt64(number))) }
      try log.remove("tile/entries")
    case .clockSetBack:
      for _ in 0..<3 { try log.append() }
      let last = try Entry(
        origin: log.origin, sequence: 3, previous: MerkleTree.leafHash(log.entries[2]), time: TestLog.time(0),
        body: Array("b".utf8))
      try forge(log.entries + [last.bytes])
    case .erasureInvented:
      try log.append(
        AuditRecord(
          action: .erasureCompleted, subject: UUID(),
          codes: ["key_commitment": String(repeating: "ab", count: 32)]))
      try log.publish(upTo: 2)
      try ledger.append(ErasureLedgerTests.record(1))
    case .erasureHidden:
      try log.publish(upTo: 2)
      try ledger.append(
        ErasureRecord(
          tenant: TestLog.tenant, subject: UUID(), commitment: Array(repeating: 1, count: 32), time: TestLog.time(0)))
    case .retiredKey:
      try log.publish(upTo: 5)
      let new = NoteSigner(name: log.origin.text, key: try SigningKey(ed25519Seed: Array(repeating: 2, count: 32)))
      try log.append(KeyRotation(old: log.signer.verifierKey(), new: new.verifierKey()).record)
      let writer = ArchiveWriter(folder: log.folder, origin: log.origin, signers: [log.signer, new])
      try writer.publish([log.entries[5]])
      try log.append()
      let body = try writer.publish([log.entries[6]]).body
      let stolen = try SignedNote.signing(body, by: log.signer)
      for file in ["checkpoint", "checkpoints/00000000000000000007"] { try log.write(file, Array(stolen.text.utf8)) }
    }
  }

  private func alter(_ file: String, _ change: (inout [UInt8]) -> Void) throws {
    var bytes = try log.read(file)
    change(&bytes)
    try log.write(file, bytes)
  }

  /// The files of a log as it was before some entries came.
  private func putBack(_ head: SignedNote, removing size: Int) throws {
    try log.write("checkpoint", Array(head.text.utf8))
    for file in ["checkpoints/000000000000000000\(size)", "tile/entries/000.p/\(size)", "tile/0/000.p/\(size)"] {
      try log.remove(file)
    }
  }

  /// The log once more, signed by the right key, with other entries from `index` on.
  private mutating func rewrite(from index: Int, upTo count: Int) throws {
    let kept = Array(log.entries[..<index])
    try log.remove("")
    log = try TestLog(in: scratch)
    for entry in kept {
      let old = try Entry(parsing: entry)
      try log.append(body: old.body, time: old.time)
    }
    while log.entries.count < count { try log.append(AuditRecord(action: .profileLocked)) }
    try log.publish(upTo: count)
  }

  /// Publishes entries that no writer would have accepted, with tile and checkpoint to match.
  private func forge(_ entries: [[UInt8]]) throws {
    let leaves = entries.map(MerkleTree.leafHash)
    var bundle: [UInt8] = []
    for entry in entries { EntryBundle.append(entry, to: &bundle) }
    try log.writer.publish([])
    try log.write("tile/entries/000.p/\(entries.count)", bundle)
    try log.write("tile/0/000.p/\(entries.count)", Tile.bytes(leaves))
    let head = Checkpoint(origin: log.origin.text, size: UInt64(entries.count), root: MerkleTree.root(of: leaves))
    try log.write("checkpoint", Array(SignedNote.signing(head.text, by: log.signer).text.utf8))
  }
}
