import Audit
import Foundation
import Testing

@testable import Custody

@Suite("Heartbeats")
struct HeartbeatTests {
  @Test("a log whose last entry is old gets one entry that names the interval, and a busy one gets none")
  func old() async throws {
    try await withHouse { house in
      let checkpointer = house.server.checkpointer
      let early = try await checkpointer.heartbeat(house.tenant, every: 3_600)
      #expect(!early)
      try await house.tamper("UPDATE audit.heads SET last_time = last_time - 3601000000")
      let (added, lines) = try await house.addedUnordered {
        try await checkpointer.heartbeat(house.tenant, every: 3_600)
      }
      #expect(added)
      #expect(lines.map(\.action) == [.logHeartbeat])
      #expect(lines.first?.record.codes == ["interval": "3600"])
      let again = try await checkpointer.heartbeat(house.tenant, every: 3_600)
      #expect(!again)
      try await house.server.checkpointer.publish(house.tenant)
      #expect(try house.verifiedArchive().size == 2)
    }
  }

  @Test("many replicas at once add one")
  func atOnce() async throws {
    try await withHouse { house in
      try await house.tamper("UPDATE audit.heads SET last_time = last_time - 10000000")
      let checkpointer = house.server.checkpointer
      let added = try await withThrowingTaskGroup(of: Bool.self) { group in
        for _ in 0..<8 { group.addTask { try await checkpointer.heartbeat(house.tenant, every: 10) } }
        return try await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
      }
      #expect(added == 1)
    }
  }

  @Test("a log without an entry gets none")
  func empty() async throws {
    try await withHouse { house in
      let origin = house.custody.origin(of: house.tenant)
      try await house.tamper("DELETE FROM audit.entries")
      try await house.tamper("UPDATE audit.heads SET size = 0, last_time = 0, leaf_hash = \(origin.genesis.bytes)")
      let added = try await house.server.checkpointer.heartbeat(house.tenant, every: 1)
      #expect(!added)
    }
  }
}

extension House {
  /// What was added to the log while `body` ran; unlike `added`, also to a log whose times were tampered with.
  func addedUnordered<Result>(_ body: () async throws -> Result) async throws -> (result: Result, lines: [LogLine]) {
    let before = try await number("SELECT size FROM audit.heads WHERE tenant_id = \(tenant.uuid)")
    let result = try await body()
    let rows = try await admin.read(
      "SELECT entry FROM audit.entries WHERE tenant_id = \(tenant.uuid) AND seq >= \(before) ORDER BY seq")
    return (
      result,
      try rows.map { row in
        let entry = try Entry(parsing: try row.decode("entry", as: [UInt8].self))
        return LogLine(entry: entry, record: try AuditRecord(body: entry.body))
      }
    )
  }
}
