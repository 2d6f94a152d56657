import Audit
import Foundation
import Signing
import Testing

@testable import Custody

extension House {
  /// Moves everything that the log has so far into the past: the same entries, chained anew, before anything of them was
  /// published.
  func backdate(days: Int64, _ other: TenantID? = nil) async throws {
    let tenant = other ?? self.tenant
    var previous = custody.origin(of: tenant).genesis
    var time: Int64 = 0
    for line in try await log(of: tenant) {
      time = line.entry.time - days * 86_400_000_000
      let entry = try Entry(
        origin: line.entry.origin, sequence: line.entry.sequence, previous: previous, time: time, body: line.entry.body)
      previous = entry.leafHash
      try await tamper(
        """
        UPDATE audit.entries SET entry = \(entry.bytes), leaf_hash = \(previous.bytes)
        WHERE tenant_id = \(tenant.uuid) AND seq = \(line.sequence)
        """)
    }
    try await tamper(
      "UPDATE audit.heads SET leaf_hash = \(previous.bytes), last_time = \(time) WHERE tenant_id = \(tenant.uuid)")
  }

  /// Adds so many entries about nobody.
  func notes(_ count: Int, _ other: TenantID? = nil) async throws {
    let context = AccessContext(
      tenant: other ?? tenant, actor: ActorID(UUID()), purpose: .profileAdministration, requestID: UUID())
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<count {
        group.addTask {
          try await custody.note(context, .securityRefused, outcome: .denied, codes: ["reason": "scope"])
        }
      }
      try await group.waitForAll()
    }
  }

  var upkeep: LogUpkeep {
    LogUpkeep(custody: custody, checkpointer: server.checkpointer, logger: installation.log.logger)
  }

  /// What the start's comparison, the comparison of all rows and the verifier say; all empty when all is well.
  func faults(_ other: TenantID? = nil) async throws -> [String] {
    let tenant = other ?? self.tenant
    let start = try await StartupComparison(
      custody: custody, checkpointer: server.checkpointer, ledger: server.ledger
    ).findings().map(\.description)
    let rows = try await ArchiveComparison(custody: custody, checkpointer: server.checkpointer).compare(tenant)
    return start + rows.findings.map(\.description) + (try verifiedArchive(tenant).findings.map { "\($0)" })
  }
}
