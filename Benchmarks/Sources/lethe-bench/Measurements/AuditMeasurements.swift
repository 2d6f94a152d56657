import Audit
import CBaseline
import Foundation
import Signing

/// One more entry in memory, from the record to the leaf hash, beside SHA-256 of the same bytes.
struct AuditMeasurements {
  let harness: Harness

  func run() async throws -> Findings {
    let origin = LogOrigin(host: "privacy.example.com", tenant: UUID())
    let record = AuditRecord(
      action: .personalDataRead, actor: UUID(), subject: UUID(), purpose: "profile_administration",
      requestID: UUID(), fields: ["profile.email", "profile.full_name", "profile.phone"])
    let time: Int64 = 1_767_225_600_000_000
    let first = try Entry(
      origin: origin, sequence: 1_000_000, previous: origin.genesis, time: time, body: try record.body()
    ).bytes
    let comparison = try await harness.compareCPU(
      "audit/append", against: "SHA-256 of the same \(first.count) bytes",
      ours: { count in
        var previous = origin.genesis
        for number in 0..<count {
          let entry = try Entry(
            origin: origin, sequence: 1_000_000 + UInt64(number), previous: previous, time: time,
            body: try record.body())
          previous = MerkleTree.leafHash(entry.bytes)
        }
        guard previous != origin.genesis else { throw Harness.Failure(description: "nothing was appended") }
      },
      baseline: { count in
        guard baseline_sha256_leaf(first, first.count, count) == count else {
          throw Harness.Failure(description: "OpenSSL has no SHA-256")
        }
      })
    return Findings(comparisons: [comparison].compactMap(\.self))
  }
}
