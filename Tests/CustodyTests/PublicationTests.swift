import Audit
import Foundation
import Postgres
import Profiles
import ProfilesAPI
import Schema
import ServiceTesting
import Testing

@testable import Custody

@Suite("Publication", .serialized)
struct PublicationTests {
  private func checkpoints(_ house: House) throws -> [String] {
    try FileManager.default.contentsOfDirectory(
      atPath: house.server.checkpointer.folder(of: house.tenant) + "/checkpoints"
    ).sorted()
  }

  private func notes(_ house: House, _ count: Int) async throws {
    for _ in 0..<count {
      try await house.custody.note(house.somebody(), .securityRefused, outcome: .denied, codes: ["reason": "scope"])
    }
  }

  @Test("of an empty log signs the empty tree, once")
  func empty() async throws {
    try await withHouse { house in
      let tenant = TenantID(UUID())
      try await house.custody.operate(.operation(house.tenant)) { _ in }
      try await house.tamper(
        "INSERT INTO custody.tenants (id, kind, name, created_at) VALUES (\(tenant.uuid), 'merchant', 'Empty', 1)")
      let origin = house.custody.origin(of: tenant)
      try await house.tamper(
        """
        INSERT INTO audit.heads (tenant_id, origin, size, leaf_hash, last_time)
        VALUES (\(tenant.uuid), \(origin.text), 0, \(origin.genesis.bytes), 0)
        """)
      for _ in 0..<2 {
        let size = try await house.server.checkpointer.publish(tenant)
        #expect(size == 0)
      }
      let report = try house.verifiedArchive(tenant)
      #expect(report.findings == [])
      #expect(report.size == 0)
      #expect(report.root == MerkleTree.emptyRoot.base64)
    }
  }

  @Test("is incremental, in batches of any size, and what it publishes verifies", arguments: [1, 3, 2_048])
  func incremental(_ batch: Int) async throws {
    try await withHouse { house in
      let checkpointer = Checkpointer(
        custody: house.custody, archive: house.server.checkpointer.archive, key: house.server.checkpointer.key,
        batchSize: batch)
      var expected: [UInt64] = []
      for count in [0, 1, 7, 0, 4] {
        try await notes(house, count)
        let size = try await checkpointer.publish(house.tenant)
        let head = try await house.number("SELECT size FROM audit.heads")
        #expect(size == UInt64(head))
        expected.append(UInt64(head))
      }
      #expect(expected == [1, 2, 9, 9, 13])
      let report = try house.verifiedArchive()
      #expect(report.findings == [])
      #expect(report.entries == 13)
      let noted = try await house.number("SELECT count(*) FROM audit.checkpoints")
      #expect(noted == Int64(try checkpoints(house).count))
      let last = try house.server.checkpointer.receipt(12, tenant: house.tenant)
      let line = try #require(try await house.log().last)
      let checkpoint = try last.verify(
        entry: line.entry.bytes, key: try house.server.checkpointer.signer(of: house.tenant).verifierKey())
      #expect(checkpoint.size == 13)
    }
  }

  @Test("by many at once: each publishes or leaves it to another, and nothing breaks")
  func atOnce() async throws {
    try await withHouse { house in
      let second = try await Server.prepare(house.installation.settings, logger: house.installation.log.logger)
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await notes(house, 60) }
        for checkpointer in [house.server.checkpointer, second.checkpointer] {
          for _ in 0..<2 {
            group.addTask {
              var size: UInt64 = 0
              for _ in 0..<15 {
                guard let now = try await checkpointer.publish(house.tenant) else { continue }
                #expect(now >= size)
                size = now
              }
            }
          }
        }
        try await group.waitForAll()
      }
      let size = try await second.checkpointer.publish(house.tenant)
      #expect(size == 61)
      let report = try house.verifiedArchive()
      #expect(report.findings == [])
      #expect(report.entries == 61)
      await second.close()
    }
  }

  @Test("one at a time: while another replica has the log, it answers nothing")
  func claimed() async throws {
    try await withHouse { house in
      let size = try await house.holding(house.publicationLock) {
        try await house.server.checkpointer.publish(house.tenant)
      }
      #expect(size == nil)
      let after = try await house.server.checkpointer.publish(house.tenant)
      #expect(after == 1)
    }
  }

  @Test("resumes when the archive was written and the transaction was not committed")
  func rolledBack() async throws {
    try await withHouse { house in
      try await notes(house, 4)
      try await house.installation.data.sql("REVOKE INSERT ON audit.checkpoints FROM lethe_worker")
      await #expect(throws: (any Error).self) { try await house.server.checkpointer.publish(house.tenant) }
      #expect(try house.verifiedArchive().size == 5)
      try await house.installation.data.sql("GRANT INSERT ON audit.checkpoints TO lethe_worker")
      let same = try await house.server.checkpointer.publish(house.tenant)
      #expect(same == 5)
      try await notes(house, 3)
      let size = try await house.server.checkpointer.publish(house.tenant)
      #expect(size == 8)
      let report = try house.verifiedArchive()
      #expect(report.findings == [])
      #expect(report.entries == 8)
      // The checkpoint whose row was rolled back is noted, too.
      let noted = try await house.number("SELECT count(*) FROM audit.checkpoints")
      #expect(noted == 2)
    }
  }

  enum Edit: String, CaseIterable {
    case firstUnpublished
    case middle
    case endOfABatch
    case last
    case lastWithItsHash
    case gone
    case swapped
  }

  @Test("never signs an entry that is not the one that was committed", arguments: Edit.allCases)
  func edited(_ edit: Edit) async throws {
    try await withHouse { house in
      try await notes(house, 2)
      let checkpointer = Checkpointer(
        custody: house.custody, archive: house.server.checkpointer.archive, key: house.server.checkpointer.key,
        batchSize: 4)
      let published = try await checkpointer.publish(house.tenant)
      #expect(published == 3)
      try await notes(house, 9)
      let position: Int64 =
        switch edit {
        case .firstUnpublished: 3
        case .middle, .gone, .swapped: 8
        case .endOfABatch: 6
        case .last, .lastWithItsHash: 11
        }
      let old = try await house.log()[Int(position)].entry
      let forged = try Entry(
        origin: old.origin, sequence: old.sequence, previous: old.previous, time: old.time,
        body: Array(String(decoding: old.body, as: UTF8.self).replacing("denied", with: "failed").utf8))
      #expect(forged.bytes.count == old.bytes.count)
      switch edit {
      case .gone: try await house.tamper("DELETE FROM audit.entries WHERE seq = \(position)")
      case .swapped:
        let next = try await house.log()[Int(position) + 1].entry
        try await house.tamper("UPDATE audit.entries SET entry = \(next.bytes) WHERE seq = \(position)")
      case .lastWithItsHash:
        try await house.tamper(
          """
          UPDATE audit.entries SET entry = \(forged.bytes), leaf_hash = \(forged.leafHash.bytes)
          WHERE seq = \(position)
          """)
      default: try await house.tamper("UPDATE audit.entries SET entry = \(forged.bytes) WHERE seq = \(position)")
      }
      for _ in 0..<2 {
        await #expect(throws: (any Error).self) { try await checkpointer.publish(house.tenant) }
      }
      let reader = ArchiveReader(folder: checkpointer.folder(of: house.tenant))
      let report = try house.verifiedArchive()
      #expect(report.findings == [])
      #expect(report.size <= UInt64(position))
      for sequence in 0..<report.size {
        let bytes = try reader.entry(at: sequence)
        #expect(bytes != forged.bytes)
      }
      // Mended from a copy, it goes on where it stopped.
      switch edit {
      case .gone:
        try await house.tamper(
          """
          INSERT INTO audit.entries (tenant_id, seq, entry, leaf_hash)
          VALUES (\(house.tenant.uuid), \(position), \(old.bytes), \(old.leafHash.bytes))
          """)
      default:
        try await house.tamper(
          "UPDATE audit.entries SET entry = \(old.bytes), leaf_hash = \(old.leafHash.bytes) WHERE seq = \(position)")
      }
      let size = try await checkpointer.publish(house.tenant)
      #expect(size == 12)
      let whole = try house.verifiedArchive()
      #expect(whole.findings == [])
    }
  }

  @Test("says so when every unpublished row is gone", arguments: [true, false])
  func allGone(_ isBegun: Bool) async throws {
    try await withHouse { house in
      try await notes(house, 2)
      if isBegun { try await house.server.checkpointer.publish(house.tenant) }
      try await notes(house, 4)
      let first: Int64 = isBegun ? 3 : 0
      try await house.tamper("DELETE FROM audit.entries WHERE seq >= \(first)")
      for _ in 0..<2 {
        let error = await #expect(throws: AuditError.self) {
          try await house.server.checkpointer.publish(house.tenant)
        }
        #expect(error?.code == .inconsistent)
        #expect(error?.sequence == UInt64(first))
      }
      let noted = try await house.number("SELECT count(*) FROM audit.checkpoints")
      #expect(noted == (isBegun ? 1 : 0))
      let reader = ArchiveReader(folder: house.server.checkpointer.folder(of: house.tenant))
      let size = try reader.checkpoint().map { try Checkpoint(parsing: $0.body).size }
      #expect(size == (isBegun ? 3 : nil))
    }
  }

  @Test("notes the checkpoint of an empty log after a rollback as well", arguments: [0, 2])
  func emptyRolledBack(_ later: Int) async throws {
    try await withHouse { house in
      let tenant = TenantID(UUID())
      try await house.tamper(
        "INSERT INTO custody.tenants (id, kind, name, created_at) VALUES (\(tenant.uuid), 'merchant', 'Empty', 1)")
      let origin = house.custody.origin(of: tenant)
      try await house.tamper(
        """
        INSERT INTO audit.heads (tenant_id, origin, size, leaf_hash, last_time)
        VALUES (\(tenant.uuid), \(origin.text), 0, \(origin.genesis.bytes), 0)
        """)
      try await house.installation.data.sql("REVOKE INSERT ON audit.checkpoints FROM lethe_worker")
      await #expect(throws: (any Error).self) { try await house.server.checkpointer.publish(tenant) }
      try await house.installation.data.sql("GRANT INSERT ON audit.checkpoints TO lethe_worker")
      try await house.notes(later, tenant)
      let size = try await house.server.checkpointer.publish(tenant)
      #expect(size == UInt64(later))
      let rows = try await house.admin.read(
        "SELECT size FROM audit.checkpoints WHERE tenant_id = \(tenant.uuid) ORDER BY size")
      let sizes = try rows.map { try $0.decode("size", as: Int64.self) }
      #expect(sizes == (later == 0 ? [0] : [0, Int64(later)]))
    }
  }

  @Test("of a database that went back behind its archive is refused")
  func behind() async throws {
    try await withHouse { house in
      try await notes(house, 5)
      try await house.server.checkpointer.publish(house.tenant)
      let log = try await house.log()
      try await house.tamper("DELETE FROM audit.entries WHERE seq >= 4")
      try await house.tamper(
        "UPDATE audit.heads SET size = 4, leaf_hash = \(log[3].entry.leafHash.bytes), last_time = \(log[3].entry.time)")
      let code = try await refusal { try await house.server.checkpointer.publish(house.tenant) }
      #expect(code == .unavailable)
      // New entries in the place of those that were published are not signed either.
      try await notes(house, 4)
      await #expect(throws: (any Error).self) { try await house.server.checkpointer.publish(house.tenant) }
      let report = try house.verifiedArchive()
      #expect(report.findings == [])
      #expect(report.size == 6)
    }
  }

  @Test("in an archive that another key has signed is refused")
  func otherKey() async throws {
    try await withHouse { house in
      try await house.server.checkpointer.publish(house.tenant)
      try await notes(house, 1)
      let other = Checkpointer(
        custody: house.custody, archive: house.server.checkpointer.archive, key: try .generate(.ed25519))
      await #expect(throws: AuditError.self) { try await other.publish(house.tenant) }
      let report = try house.verifiedArchive()
      #expect(report.findings == [])
      #expect(report.size == 1)
    }
  }
}
