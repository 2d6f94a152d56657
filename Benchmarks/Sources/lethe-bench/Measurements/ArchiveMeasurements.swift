import Audit
import CBaseline
import Foundation
import Signing

/// The offline verification of an archive, beside the hashing that it can't do without.
struct ArchiveMeasurements {
  let harness: Harness

  func run() async throws -> Findings {
    guard harness.wants("log/verify") || harness.wants("log/receipt") else { return Findings() }
    var findings = Findings()
    if harness.wants("log/receipt") { findings.figures.append(try Self.receipt()) }
    guard harness.wants("log/verify") else { return findings }
    let sizes: [UInt64] = harness.quick ? [100_000] : [1_000_000, 10_000_000]
    for size in sizes { findings.append(try await verify(size)) }
    return findings
  }

  private func verify(_ size: UInt64) async throws -> Findings {
    let folder = harness.folder + "/archive-\(size)"
    let log = try ArchiveOfEntries(folder: folder)
    harness.say("  log/verify: writing \(size) entries")
    let entryBytes = try log.write(size)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let hashes = BareHashing(entryBytes: entryBytes, count: Int(size))
    let rounds = size > 1_000_000 ? 1 : harness.quick ? 3 : 5
    var findings = Findings()
    for workers in [1, 2] {
      var accounts: [VerificationAccount] = []
      let comparison = try await harness.compare(
        "log/verify/\(size)/\(workers)", against: "bare leaf and node hashing of as many bytes on one core",
        goal: workers == 1 ? 1 / 0.7 : 1 / 1.25, clock: .wall, rounds: rounds, count: Int(size),
        ours: { _ in
          let account = try await log.verify(workers: workers)
          accounts.append(account)
          return account.seconds * 1e9
        },
        baseline: { _ in try await hashes.run() })
      if let comparison { findings.comparisons.append(comparison) }
      findings.figures.append(
        Figure(
          name: "log/verify/\(size)/\(workers)/memory", values: accounts.map(\.mebibytes), unit: "MiB",
          note: "VmHWM of the process that verifies; goal 64"))
    }
    return findings
  }

  /// A receipt in a log of 10^8 entries: its path is as long as the tree is high.
  private static func receipt() throws -> Figure {
    let log = ArchiveOfEntries.origin
    let signer = try NoteSigner(name: log.text, key: SigningKey.generate(.ed25519))
    let size: UInt64 = 100_000_000
    let note = try SignedNote.signing(
      Checkpoint(origin: log.text, size: size, root: log.genesis).text, by: signer)
    let height = 64 - (size - 1).leadingZeroBitCount
    let receipt = Receipt(index: size / 2, path: Array(repeating: log.genesis, count: height), checkpoint: note)
    return Figure(
      name: "log/receipt/100000000", values: [Double(receipt.text.utf8.count)], unit: "bytes",
      note: "computed: \(height) hashes and the signed checkpoint")
  }
}

/// What one verification took, as the process that made it says.
struct VerificationAccount: Codable, Sendable {
  var seconds: Double
  /// The most memory that the process ever had.
  var mebibytes: Double
}

/// An archive of made-up entries.
struct ArchiveOfEntries: Sendable {
  static let origin = LogOrigin(
    host: "privacy.example.com", tenant: UUID(uuid: (7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7)))
  private let folder: String
  private let signer: NoteSigner

  init(folder: String) throws {
    self.folder = folder
    signer = try NoteSigner(name: Self.origin.text, key: SigningKey.generate(.ed25519))
  }

  /// Publishes `size` entries and returns how many bytes one has.
  func write(_ size: UInt64) throws -> Int {
    let writer = ArchiveWriter(folder: folder, origin: Self.origin, signer: signer)
    let record = AuditRecord(
      action: .personalDataRead, actor: UUID(), subject: UUID(), purpose: "profile_administration",
      requestID: UUID(), fields: ["profile.email", "profile.full_name", "profile.phone"])
    let body = try record.body()
    var previous = Self.origin.genesis
    var sequence: UInt64 = 0
    var length = 0
    while sequence < size {
      var entries: [[UInt8]] = []
      for _ in 0..<min(16_384, size - sequence) {
        let bytes = try Entry(
          origin: Self.origin, sequence: sequence, previous: previous, time: 1_767_225_600_000_000 + Int64(sequence),
          body: body
        ).bytes
        previous = MerkleTree.leafHash(bytes)
        entries.append(bytes)
        sequence += 1
        length = bytes.count
      }
      _ = try writer.publish(entries)
    }
    return length
  }

  /// Verifies in a process of its own, whose memory nothing else has touched.
  func verify(workers: Int) async throws -> VerificationAccount {
    try await MeasuringChild.account(
      VerificationAccount.self,
      of: ["verify-child", "--folder", folder, "--key", try signer.verifierKey().text, "--workers", String(workers)])
  }
}

/// SHA-256 of as many entries and nodes, from memory.
private final class BareHashing: Sendable {
  private let entry: [UInt8]
  private let count: Int

  init(entryBytes: Int, count: Int) {
    entry = [UInt8](repeating: 0x61, count: entryBytes)
    self.count = count
  }

  func run() async throws -> Double {
    let time = await onOwnThread { [self] () -> UInt64 in
      var leaves = [UInt8](repeating: 0, count: 32 * count)
      let begin = baseline_wall_nanoseconds()
      guard baseline_sha256_tree(entry, entry.count, count, &leaves) == count else { return 0 }
      return baseline_wall_nanoseconds() - begin
    }
    guard time > 0 else { throw Harness.Failure(description: "OpenSSL has no SHA-256") }
    return Double(time)
  }
}
