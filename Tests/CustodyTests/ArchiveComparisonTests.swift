import Audit
import Foundation
import Postgres
import Testing

@testable import Custody

@Suite("The database against the archive", .serialized)
struct ArchiveComparisonTests {
  private func notes(_ house: House, _ count: Int) async throws {
    for _ in 0..<count {
      try await house.custody.note(house.somebody(), .securityRefused, outcome: .denied, codes: ["reason": "scope"])
    }
  }

  private func compare(_ house: House) async throws -> [String] {
    try await ArchiveComparison(custody: house.custody, checkpointer: house.server.checkpointer)
      .compare(house.tenant).findings.map(\.description)
  }

  /// Twelve entries, of which eight are published.
  private func withLog(_ body: (House) async throws -> Void) async throws {
    try await withHouse { house in
      try await notes(house, 7)
      try await house.server.checkpointer.publish(house.tenant)
      try await notes(house, 4)
      let clean = try await compare(house)
      #expect(clean == [])
      try await body(house)
    }
  }

  private func forged(_ house: House, _ sequence: Int) async throws -> Entry {
    let old = try await house.log()[sequence].entry
    return try Entry(
      origin: old.origin, sequence: old.sequence, previous: old.previous, time: old.time,
      body: Array(String(decoding: old.body, as: UTF8.self).replacing("denied", with: "failed").utf8))
  }

  /// As the tables' owner, who has switched the triggers and row-level security off.
  private func asOwner(_ house: House, _ statement: String) async throws {
    try await house.installation.data.sql(
      """
      SET ROLE lethe_owner;
      ALTER TABLE audit.entries DISABLE TRIGGER USER;
      ALTER TABLE audit.entries_0 DISABLE TRIGGER USER;
      ALTER TABLE audit.entries NO FORCE ROW LEVEL SECURITY;
      ALTER TABLE audit.entries_0 NO FORCE ROW LEVEL SECURITY;
      \(statement);
      """)
  }

  private func hexadecimal(_ bytes: [UInt8]) -> String { "'\\x\(Custody.hex(bytes))'" }

  @Test(
    "an entry that the owner edited is named, with its hash or without", arguments: [true, false], [3, 7, 8, 9, 11])
  func ownersEdit(_ withHash: Bool, _ sequence: Int) async throws {
    try await withLog { house in
      let entry = try await forged(house, sequence)
      try await asOwner(
        house,
        "UPDATE audit.entries SET entry = \(hexadecimal(entry.bytes))"
          + (withHash ? ", leaf_hash = \(hexadecimal(entry.leafHash.bytes))" : "") + " WHERE seq = \(sequence)")
      let found = try await compare(house)
      // The last entry alone is held up by nothing but the head: one of the two is not what it was.
      #expect(found == ["entry \(sequence): \(sequence == 11 && withHash ? "head" : "edited")"])
    }
  }

  @Test("a superuser's edit before publication keeps it from being signed, and the refusal says where")
  func beforePublication() async throws {
    try await withLog { house in
      let entry = try await forged(house, 9)
      try await house.tamper("UPDATE audit.entries SET entry = \(entry.bytes) WHERE seq = 9")
      let error = await #expect(throws: AuditError.self) {
        try await house.server.checkpointer.publish(house.tenant)
      }
      #expect(error?.code == .inconsistent)
      #expect(error?.sequence == 10 || error?.sequence == 9)
      #expect(try house.verifiedArchive().size == 8)
      let found = try await compare(house)
      #expect(found == ["entry 9: edited"])
    }
  }

  @Test("rows that a superuser deleted with the triggers off are named", arguments: [2, 7, 8, 11])
  func deleted(_ sequence: Int) async throws {
    try await withLog { house in
      try await house.tamper("DELETE FROM audit.entries WHERE seq = \(Int64(sequence))")
      let found = try await compare(house)
      #expect(found == ["entry \(sequence): missing"])
    }
  }

  @Test("a detached partition is missing rows, and so is a truncated one")
  func partitions() async throws {
    for statement in [
      "ALTER TABLE audit.entries DETACH PARTITION audit.entries_0",
      "SET session_replication_role = replica; TRUNCATE audit.entries_0",
      "DROP TABLE audit.entries_0",
    ] {
      try await withLog { house in
        try await house.installation.data.sql(statement)
        let found = try await compare(house)
        #expect(found == ["entries 0–7: missing", "entries 8–11: missing"] || found == ["entries 0–11: missing"])
      }
    }
  }

  @Test("swapped rows are named as reordered, and rows behind the end as extra")
  func reordered() async throws {
    try await withLog { house in
      let log = try await house.log()
      for (sequence, other) in [(2, 5), (5, 2)] {
        try await house.tamper(
          """
          UPDATE audit.entries SET entry = \(log[other].entry.bytes), leaf_hash = \(log[other].entry.leafHash.bytes)
          WHERE seq = \(Int64(sequence))
          """)
      }
      try await house.tamper(
        """
        INSERT INTO audit.entries (tenant_id, seq, entry, leaf_hash)
        SELECT tenant_id, 20, entry, leaf_hash FROM audit.entries WHERE seq = 11
        """)
      let found = try await compare(house)
      #expect(found == ["entry 2: reordered", "entry 5: reordered", "entry 20: extra"])
    }
  }

  @Test(
    "a second row of one number is extra, and is no other fault", arguments: [3, 7, 9, 11], [true, false])
  func twoRows(_ sequence: Int, _ isForged: Bool) async throws {
    try await withLog { house in
      let entry = isForged ? try await forged(house, sequence) : try await house.log()[sequence].entry
      try await house.installation.data.sql("ALTER TABLE audit.entries DROP CONSTRAINT entries_pkey")
      for _ in 0..<2 {
        try await house.tamper(
          """
          INSERT INTO audit.entries (tenant_id, seq, entry, leaf_hash)
          VALUES (\(house.tenant.uuid), \(Int64(sequence)), \(entry.bytes), \(entry.leafHash.bytes))
          """)
      }
      let found = try await compare(house)
      #expect(found == ["entry \(sequence): extra"])
      let start = try await startFindings(house)
      let expected = StartupComparison.Finding.differsFromArchive(tenant: house.tenant, sequence: UInt64(sequence))
      #expect(start == (sequence < 8 ? [expected] : []))
    }
  }

  private func startFindings(_ house: House) async throws -> [StartupComparison.Finding] {
    try await StartupComparison(
      custody: house.custody, checkpointer: house.server.checkpointer, ledger: house.server.ledger
    ).findings()
  }

  /// Runs `compare` so that rows go after it has begun and before it reads the first one.
  private func comparingWhileRowsGo<Found: Sendable>(
    _ house: House, before end: Int, _ compare: @escaping @Sendable () async throws -> Found
  ) async throws -> Found {
    let tenant = "'\(house.tenant)'"
    let comparison = try await house.holding(
      """
      DO $$ BEGIN
        SET LOCAL session_replication_role = replica;
        LOCK TABLE audit.entries IN ACCESS EXCLUSIVE MODE;
        DELETE FROM audit.entries WHERE tenant_id = \(unsafe: tenant) AND seq < \(unsafe: "\(end)");
        INSERT INTO audit.seals (tenant_id, sealed_up_to, sealed_at, rows_from)
          VALUES (\(unsafe: tenant), 12, 1, \(unsafe: "\(end)"));
      END $$
      """
    ) {
      let comparison = Task { try await compare() }
      try await eventually { try await house.waiting("lethe_worker") == 1 }
      return comparison
    }
    return try await comparison.value
  }

  @Test("rows whose time ends while they are compared are not missing; those behind them are", arguments: [5, 10])
  func expiredMeanwhile(_ end: Int) async throws {
    try await withLog { house in
      let found = try await comparingWhileRowsGo(house, before: end) { try await compare(house) }
      #expect(found == [])
      let start = try await startFindings(house)
      #expect(start == [])
      try await house.tamper("DELETE FROM audit.entries WHERE seq = \(Int64(end))")
      let later = try await compare(house)
      #expect(later == ["entry \(end): missing"])
    }
  }

  @Test("nor are they at the start")
  func expiredWhileStarting() async throws {
    try await withLog { house in
      let found = try await comparingWhileRowsGo(house, before: 5) { try await startFindings(house) }
      #expect(found == [])
      try await house.tamper("DELETE FROM audit.entries WHERE seq = 6")
      let later = try await startFindings(house)
      #expect(later == [.differsFromArchive(tenant: house.tenant, sequence: 6)])
    }
  }

  @Test("no false alarm while entries are added and published")
  func whileWriting() async throws {
    try await withHouse { house in
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await notes(house, 150) }
        group.addTask {
          for _ in 0..<20 { try await house.server.checkpointer.publish(house.tenant) }
        }
        group.addTask {
          for _ in 0..<20 {
            let found = try await compare(house)
            #expect(found == [])
          }
        }
        try await group.waitForAll()
      }
    }
  }
}
