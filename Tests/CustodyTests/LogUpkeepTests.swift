import Audit
import Foundation
import Postgres
import PostgresTesting
import Schema
import Signing
import Testing

@testable import Custody

@Suite("Sealing, and the end of entries' time", .serialized)
struct LogUpkeepTests {
  private let terms = LogTerms(days: 40, databaseDays: 30, policy: "0123456789abcdef")

  private func rows(_ house: House) async throws -> Int64 {
    try await house.number("SELECT count(*) FROM audit.entries WHERE tenant_id = \(house.tenant.uuid)")
  }

  @Test("a segment is sealed when its day is over, and the database knows how far")
  func sealing() async throws {
    try await withHouse { house in
      try await house.notes(9)
      try await house.server.checkpointer.publish(house.tenant)
      let today = try await house.upkeep.seal(house.tenant)
      #expect(today == 0)
      try await house.notes(5)
      // Only what is published.
      let tomorrow = Microseconds.now() + 86_400_000_000
      for expected in [1, 0] {
        let sealed = try await house.upkeep.seal(house.tenant, now: tomorrow)
        #expect(sealed == expected)
      }
      let known = try await house.number("SELECT sealed_up_to FROM audit.seals")
      #expect(known == 10)
      #expect(house.installation.log.lines.contains { $0.contains("a segment of the log is sealed") })
      let faults = try await house.faults()
      #expect(faults == [])
    }
  }

  @Test("after a crash between the manifest and the row, the row is made up for")
  func sealedWithoutRow() async throws {
    try await withHouse { house in
      try await house.server.checkpointer.publish(house.tenant)
      try await house.upkeep.seal(house.tenant, now: Microseconds.now() + 86_400_000_000)
      try await house.tamper("DELETE FROM audit.seals")
      try await house.upkeep.seal(house.tenant)
      let known = try await house.number("SELECT sealed_up_to FROM audit.seals")
      #expect(known == 1)
    }
  }

  @Test("a damaged file is not sealed, and publishing goes on")
  func damaged() async throws {
    try await withHouse { house in
      try await house.notes(300)
      try await house.server.checkpointer.publish(house.tenant)
      let path = house.server.checkpointer.folder(of: house.tenant) + "/tile/entries/000"
      var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
      bytes[1_000] ^= 1
      try FileManager.default.removeItem(atPath: path)
      try bytes.write(to: URL(fileURLWithPath: path))
      let error = await #expect(throws: AuditError.self) {
        try await house.upkeep.seal(house.tenant, now: Microseconds.now() + 86_400_000_000)
      }
      #expect(error?.file == "tile/entries/000")
      try await house.notes(1)
      let size = try await house.server.checkpointer.publish(house.tenant)
      #expect(size == 302)
    }
  }

  @Test("entries whose time is over go from archive and database, after the log has said so; the rest stays whole")
  func expiry() async throws {
    try await withHouse { house in
      let person = try await house.profile()
      try await house.notes(300)
      try await house.backdate(days: 60)
      try await house.server.checkpointer.publish(house.tenant)
      // Sealed now: what counts is the time of the sealing.
      let sealed = try await house.upkeep.seal(house.tenant, now: Microseconds.now() - 59 * 86_400_000_000)
      #expect(sealed == 1)
      try await house.notes(3)
      let (kept, lines) = try await house.addedUnordered { try await house.upkeep.expire(house.tenant, terms) }
      #expect(kept == 256)
      #expect(lines.map(\.action) == [.logEntriesExpired])
      #expect(lines.first?.record.codes == ["first_kept": "256", "policy": "0123456789abcdef"])
      let left = try await house.number("SELECT min(seq) FROM audit.entries")
      #expect(left == 256)
      let side = try await house.number("SELECT count(*) FROM audit.entry_subjects WHERE seq < 256")
      #expect(side == 0)
      let faults = try await house.faults()
      #expect(faults == [])
      #expect(try house.verifiedArchive().size == 307)
      // The hash of what is gone is still proved.
      let receipt = try house.server.checkpointer.receipt(5, tenant: house.tenant)
      #expect(receipt.index == 5)
      // Once is enough.
      let (_, none) = try await house.addedUnordered { try await house.upkeep.expire(house.tenant, terms) }
      #expect(none.isEmpty)
      _ = try await house.profiles.profile(person.id, house.somebody())
      try await house.server.checkpointer.publish(house.tenant)
      let after = try await house.faults()
      #expect(after == [])
    }
  }

  @Test("a partition is dropped when all in it is sealed and old, and everything reads on from the archive")
  func partition() async throws {
    try await withHouse { house in
      let person = try await house.profile()
      _ = try await house.profiles.profile(person.id, house.somebody())
      try await house.notes(20)
      try await house.backdate(days: 40)
      let touches = try await house.custody.touches(of: person.subject, limit: 10, house.somebody())
      #expect(touches.count == 3)
      try await house.server.checkpointer.publish(house.tenant)
      let terms = terms
      let unsealed = try await house.upkeep.dropPartitions(for: [house.tenant]) { _ in terms }
      #expect(unsealed == [])
      try await house.upkeep.seal(house.tenant)
      // Another tenant's entries in it are young.
      let other = TenantID(UUID())
      _ = try await house.custody.createTenant(Tenant(id: other, kind: .merchant, name: "Other"))
      let young = try await house.upkeep.dropPartitions(for: [house.tenant, other]) { _ in terms }
      #expect(young == [])
      try await house.backdate(days: 40, other)
      try await house.server.checkpointer.publish(other)
      try await house.upkeep.seal(other)
      let dropped = try await house.upkeep.dropPartitions(for: [house.tenant, other]) { _ in terms }
      #expect(dropped == ["entries_0"])
      let gone = try await house.number("SELECT count(*) FROM audit.entries")
      #expect(gone == 0)
      for tenant in [house.tenant, other] {
        let faults = try await house.faults(tenant)
        #expect(faults == [])
      }
      let after = try await house.custody.touches(of: person.subject, limit: 10, house.somebody())
      #expect(after == touches)
      // The log goes on where it was, in the new partition.
      _ = try await house.profiles.profile(person.id, house.somebody())
      try await house.server.checkpointer.publish(house.tenant)
      let faults = try await house.faults()
      #expect(faults == [])
      let place = try await house.admin.read("SELECT tableoid::regclass::text AS t FROM audit.entries")
      let name = try place.first?.decode("t", as: String.self)
      #expect(name == "audit.entries_0")
      let again = try await house.upkeep.dropPartitions(for: [house.tenant, other]) { _ in terms }
      #expect(again == [])
    }
  }

  @Test("the database itself keeps what is not sealed, what is young, and what nobody may drop")
  func refusals() async throws {
    try await withHouse { house in
      try await house.notes(5)
      try await house.backdate(days: 40)
      try await house.server.checkpointer.publish(house.tenant)
      let settings = AccessContext.operation(house.tenant).settings
      let before = Microseconds.now() - 30 * 86_400_000_000
      func state(_ sql: SQL, as pool: PostgresPool) async throws -> String? {
        do {
          _ = try await pool.transaction(settings: settings) { try $0.query(sql) }
          return nil
        } catch let error as PostgresError {
          return error.sqlState
        }
      }
      let drop: SQL = "SELECT audit.drop_sealed_partition('entries_0', \(before))"
      let remove: SQL = "SELECT audit.delete_sealed_entries(6, 100)"
      let unsealed = try await [state(drop, as: house.custody.worker), state(remove, as: house.custody.worker)]
      #expect(unsealed == ["55000", "55000"])
      try await house.upkeep.seal(house.tenant)
      let tooEarly = Microseconds.now() - 50 * 86_400_000_000
      let young = try await state(
        "SELECT audit.drop_sealed_partition('entries_0', \(tooEarly))", as: house.custody.worker)
      #expect(young == "55000")
      let future = try await state(
        "SELECT audit.drop_sealed_partition('entries_0', \(Microseconds.now()))", as: house.custody.worker)
      #expect(future == "55000")
      let rest = try await state(
        "SELECT audit.drop_sealed_partition('entries_rest', \(before))", as: house.custody.worker)
      #expect(rest == "42P01")
      let beyond = try await state("SELECT audit.delete_sealed_entries(7, 100)", as: house.custody.worker)
      #expect(beyond == "55000")
      for statement in [drop, remove, "SELECT audit.make_partitions(1)"] {
        let refused = try await state(statement, as: house.custody.data)
        #expect(refused == "42501")
      }
      for statement: SQL in [
        "SELECT audit.attach_partition('x', 'DEFAULT')", "UPDATE audit.seals SET rows_from = 3",
        "DELETE FROM audit.entries WHERE seq < 3",
      ] {
        let refused = try await state(statement, as: house.custody.worker)
        #expect(refused == "42501")
      }
      let there = try await rows(house)
      #expect(there == 6)
      let allowed = try await state(remove, as: house.custody.worker)
      #expect(allowed == nil)
      let left = try await rows(house)
      #expect(left == 0)
      let faults = try await house.faults()
      #expect(faults == [])
    }
  }

  @Test("partitions are made ahead of need, each as protected as the first ones")
  func ahead() async throws {
    try await withHouse { house in
      let none = try await house.upkeep.makePartitions(for: [house.tenant])
      #expect(none == 0)
      let settings = AccessContext.operation(house.tenant).settings
      let made = try await house.custody.worker.transaction(settings: settings) {
        try LogUpkeepStore.makePartitions(below: 30_000_000, in: $0)
      }
      #expect(made == 2)
      let partitions = try await house.custody.worker.transaction(settings: settings) {
        try LogUpkeepStore.partitions(in: $0)
      }
      #expect(partitions.map(\.first) == [0, 4_194_304, 8_388_608, 16_777_216, 25_165_824])
      #expect(partitions.map(\.end) == [4_194_304, 8_388_608, 16_777_216, 25_165_824, 33_554_432])
      try await house.tamper(
        """
        INSERT INTO audit.entries (tenant_id, seq, entry, leaf_hash)
        SELECT tenant_id, 20000000, entry, leaf_hash FROM audit.entries WHERE seq = 0
        """)
      let name = "audit.entries_from_16777216"
      let inRest = try await house.number("SELECT count(*) FROM audit.entries_rest")
      #expect(inRest == 0)
      for role in ["lethe_app", "lethe_worker", "lethe_owner", "postgres"] {
        for statement in ["UPDATE \(name) SET seq = seq", "DELETE FROM \(name)", "TRUNCATE \(name)"] {
          _ = try? await house.installation.data.sql(
            (role == "postgres" ? "" : "SET ROLE \(role);") + "SET app.tenant_id = '\(house.tenant)'; \(statement)")
          let there = try await house.number("SELECT count(*) FROM \(unsafe: name)")
          #expect(there == 1, "\(statement) by \(role)")
        }
      }
      let unprotected = try await house.number(
        """
        SELECT count(*) FROM pg_class c JOIN pg_inherits i ON i.inhrelid = c.oid
        WHERE i.inhparent = 'audit.entries'::regclass AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
        """)
      #expect(unprotected == 0)
      let unreadable = try await house.number(
        "SELECT count(*) FROM pg_tables WHERE schemaname = 'audit' AND NOT has_table_privilege('lethe_backup', schemaname || '.' || tablename, 'SELECT')"
      )
      #expect(unreadable == 0)
    }
  }
}
