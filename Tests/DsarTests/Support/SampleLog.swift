import Audit
import Certificates
import Foundation
import Signing

@testable import dsar

/// A tenant's log with real entries, published into an archive, and a certificate out of it.
struct SampleLog {
  let tenant: UUID
  let origin: LogOrigin
  let signer: NoteSigner
  let archive: String
  private(set) var entries: [[UInt8]] = []
  private var previous: SHA256Digest

  static let subject = UUID(uuid: (0x22, 0, 0, 0, 0, 0, 0x40, 0, 0x80, 0, 0, 0, 0, 0, 0, 2))
  static let commitment = [UInt8](repeating: 0xAB, count: 32)

  init(archive: String, tenant: UUID = TestIdentity.tenant, seed: UInt8 = 1) throws {
    self.tenant = tenant
    self.archive = archive
    origin = LogOrigin(host: "lethe.example", tenant: tenant)
    signer = NoteSigner(
      name: origin.text, key: try SigningKey(ed25519Seed: [UInt8](repeating: seed, count: 32)))
    previous = origin.genesis
  }

  var folder: String { archive + "/" + tenant.uuidString.lowercased() }
  var ledger: String { archive + "/erasures/ledger" }
  var key: NoteKey { get throws { try signer.verifierKey() } }
  var writer: ArchiveWriter { ArchiveWriter(folder: folder, origin: origin, signer: signer) }

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
    return { request in
      func file(_ path: String) -> Answer {
        guard let contents = FileManager.default.contents(atPath: path) else {
          return .problem(404, "not-found", "There is no such resource.")
        }
        return .ok(Array(contents))
      }
      switch request.target {
      case "/audit/key": return .ok(vkey + "\n")
      case "/audit/checkpoint": return file(folder + "/checkpoint")
      case "/audit/ledger": return FileManager.default.fileExists(atPath: ledger) ? file(ledger) : .ok("")
      default: return file(folder + request.target.dropFirst("/audit".count))
      }
    }
  }
}
