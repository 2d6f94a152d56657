import Audit
import Certificates
import Foundation
import Signing
import StrictJSON

@testable import dsar

/// A tenant's log with real entries, published into an archive, and a certificate out of it.
struct SampleLog {
  let tenant: UUID
  let origin: LogOrigin
  /// The log's keys, the one that signs now last.
  private(set) var signers: [NoteSigner]
  let archive: String
  private(set) var entries: [[UInt8]] = []
  private var previous: SHA256Digest

  static let subject = UUID(uuid: (0x22, 0, 0, 0, 0, 0, 0x40, 0, 0x80, 0, 0, 0, 0, 0, 0, 2))
  static let commitment = [UInt8](repeating: 0xAB, count: 32)

  init(archive: String, tenant: UUID = TestIdentity.tenant, seed: UInt8 = 1) throws {
    self.tenant = tenant
    self.archive = archive
    origin = LogOrigin(host: "lethe.example", tenant: tenant)
    signers = [try Self.signer(origin, seed)]
    previous = origin.genesis
  }

  var folder: String { archive + "/" + tenant.uuidString.lowercased() }
  var ledger: String { archive + "/erasures/ledger" }
  var signer: NoteSigner { signers[signers.count - 1] }
  var key: NoteKey { get throws { try signer.verifierKey() } }
  var keys: [NoteKey] { get throws { try signers.map { try $0.verifierKey() } } }
  var writer: ArchiveWriter { ArchiveWriter(folder: folder, origin: origin, signers: signers) }

  static func signer(_ origin: LogOrigin, _ seed: UInt8) throws -> NoteSigner {
    NoteSigner(name: origin.text, key: try SigningKey(ed25519Seed: [UInt8](repeating: seed, count: 32)))
  }

  static func time(_ index: Int) -> Int64 { 1_767_139_200_000_000 + Int64(index) * 1_000_000 }

  mutating func append(_ record: AuditRecord = AuditRecord(action: .profileUpdated)) throws {
    let entry = try Entry(
      origin: origin, sequence: UInt64(entries.count), previous: previous, time: Self.time(entries.count),
      body: try record.body())
    previous = entry.leafHash
    entries.append(entry.bytes)
  }

  /// Appends an erasure, with its line in the ledger.
  mutating func appendErasure() throws {
    let codes = ["key_commitment": Hex.encode(Self.commitment), "key_epoch": "1"]
    try append(AuditRecord(action: .erasureStarted, subject: Self.subject))
    try ErasureLedger(path: ledger).append(
      ErasureRecord(
        tenant: tenant, subject: Self.subject, commitment: Self.commitment, time: Self.time(entries.count)))
    try append(AuditRecord(action: .erasureCompleted, subject: Self.subject, codes: codes))
  }

  /// Appends until there are `count` entries and publishes what is new.
  mutating func publish(upTo count: Int) throws {
    let published = Int(try writer.lastCheckpoint()?.size ?? 0)
    while entries.count < count { try append() }
    try writer.publish(Array(entries[published..<count]))
  }

  /// Replaces the signing key: an entry names the next one, and the next publication is signed by both.
  mutating func rotate(seed: UInt8) throws {
    let next = try Self.signer(origin, seed)
    try append(KeyRotation(old: try key, new: try next.verifierKey()).record)
    signers.append(next)
  }

  /// Seals everything published, as the end of the day does.
  func seal() throws { try writer.seal(now: Self.time(entries.count) + 2 * 86_400_000_000) }

  /// Deletes the entries before `firstKept`, once an entry under the newest checkpoint says so.
  mutating func expire(before firstKept: UInt64) throws {
    let codes = ["first_kept": String(firstKept), "policy": "retention-1"]
    try append(AuditRecord(action: .logEntriesExpired, codes: codes))
    try publish(upTo: entries.count)
    try writer.expire(before: firstKept, policy: "retention-1", time: Self.time(entries.count) + 3 * 86_400_000_000)
  }

  /// A checkpoint of this log as it is, signed by whom the test likes.
  func checkpoint(size: Int, by signers: [NoteSigner]) throws -> SignedNote {
    let root = MerkleTree.root(of: entries[..<size].map(MerkleTree.leafHash))
    return try SignedNote.signing(
      Checkpoint(origin: origin.text, size: UInt64(size), root: root).text, by: signers)
  }

  /// The certificate of the erasure whose completion is the entry at `sequence`.
  func certificate(
    at sequence: UInt64, _ stage: ErasureCertificate.Stage = .issued, deadBy day: String? = "2026-06-01",
    copies: Int = 0
  ) throws -> SignedCertificate {
    try ErasureCertificate(
      requestID: UUID(uuid: (0x33, 0, 0, 0, 0, 0, 0x40, 0, 0x80, 0, 0, 0, 0, 0, 0, 3)), tenant: tenant,
      subject: Self.subject, keyCommitment: Hex.encode(Self.commitment), keyEpoch: 1, stage: stage,
      systems: [.init(system: "lethe-vault", outcome: "key_destroyed", at: Self.time(0))], exempted: [],
      erasedAt: Self.time(0), keyBackupsDeadBy: day, keyCopiesOutstanding: copies, dataBackupsDeadBy: "2026-06-02",
      log: .init(
        origin: origin.text, sequence: sequence, entry: entries[Int(sequence)],
        receipt: try writer.inclusionReceipt(sequence: sequence))
    ).signed(by: signer)
  }

  /// The service's routes under `/audit`, over this archive.
  var route: FakeService.Route {
    let (folder, ledger, vkey) = (folder, ledger, (try? key.text) ?? "")
    let (writer, entries) = (writer, entries)
    return { request in
      func file(_ path: String) -> Answer {
        guard let contents = FileManager.default.contents(atPath: path) else {
          return .problem(404, "not-found", "There is no such resource.")
        }
        return .ok(Array(contents))
      }
      let parts = request.target.split(separator: "?")
      switch parts[0] {
      case "/audit/key":
        return FileManager.default.fileExists(atPath: folder + "/vkey") ? file(folder + "/vkey") : .ok(vkey + "\n")
      case "/audit/checkpoint": return file(folder + "/checkpoint")
      case "/audit/ledger": return FileManager.default.fileExists(atPath: ledger) ? file(ledger) : .ok("")
      case "/audit/checkpoints":
        let query = parts[1].split(separator: "&").map { $0.split(separator: "=").map(String.init) }
        let above = query.first { $0[0] == "above" }.flatMap { UInt64($0[1]) }
        let sizes = try writer.reader.checkpointSizes(above: above ?? 0).prefix(3)
        let items = try sizes.map { size -> JSONValue in
          ["size": .integer(Int64(size)), "note": .string(try writer.reader.checkpoint(size: size).text)]
        }
        return .ok(JSONValue.object([JSONMember("items", .array(items))]).prettyText())
      case let path where path.hasPrefix("/audit/entries/"):
        guard let sequence = Int(path.dropFirst(15)), entries.indices.contains(sequence) else {
          return .problem(404, "not-found", "There is no such resource.")
        }
        let bytes = entries[sequence]
        let document: JSONValue = [
          "seq": .integer(Int64(sequence)), "entry": .string(StrictBase64.encode(bytes, .standard)),
          "leaf_hash": .string(MerkleTree.leafHash(bytes).base64),
        ]
        return .ok(document.prettyText())
      case let path where path.hasPrefix("/audit/receipts/"):
        do { return .ok(try writer.inclusionReceipt(sequence: UInt64(path.dropFirst(16)) ?? .max).text) } catch {
          return .problem(409, "not-published", "No checkpoint covers this entry yet.")
        }
      default: return file(folder + request.target.dropFirst("/audit".count))
      }
    }
  }
}
