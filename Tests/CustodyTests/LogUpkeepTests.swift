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

  /// A log of which 256 entries have had their time, and nobody has said so.
  private func withDueHouse(_ body: (House) async throws -> Void) async throws {
    try await withHouse { house in
      try await house.notes(300)
      try await house.backdate(days: 60)
      try await house.server.checkpointer.publish(house.tenant)
      try await house.upkeep.seal(house.tenant, now: Microseconds.now() - 59 * 86_400_000_000)
      try await body(house)
    }
  }

  private func announcements(_ house: House) async throws -> Int64 {
    try await house.number(
      """
      SELECT count(*) FROM audit.entries WHERE position('"log.entries_expired"' IN convert_from(entry, 'UTF8')) > 0
      """)
  }

  @Test("killed when the archive said already that bundles are gone, the next pass deletes what is left")
  func killedWhileDeleting() async throws {
    try await withDueHouse { house in
      let path = house.server.checkpointer.folder(of: house.tenant) + "/tile/entries/000"
      let bundle = try Data(contentsOf: URL(fileURLWithPath: path))
      let kept = try await house.upkeep.expire(house.tenant, terms)
      #expect(kept == 256)
      try bundle.write(to: URL(fileURLWithPath: path))
      let again = try await house.upkeep.expire(house.tenant, terms)
      #expect(again == 256)
      #expect(!FileManager.default.fileExists(atPath: path))
      let said = try await announcements(house)
      #expect(said == 1)
    }
  }

  @Test("several replicas at once say it once, and in the end all is gone and the log verifies")
  func replicas() async throws {
    try await withDueHouse { house in
      let (upkeep, tenant, terms) = (house.upkeep, house.tenant, terms)
      try await withThrowingTaskGroup(of: Void.self) { group in
        for _ in 0..<6 { group.addTask { _ = try await upkeep.expire(tenant, terms) } }
        try await group.waitForAll()
      }
      let kept = try await upkeep.expire(tenant, terms)
      #expect(kept == 256)
      let said = try await announcements(house)
      #expect(said == 1)
      let left = try await house.number("SELECT min(seq) FROM audit.entries")
      #expect(left == 256)
      let faults = try await house.faults()
      #expect(faults == [])
    }
  }

  @Test("what was announced before a crash isn't announced again, and less than that never")
  func announcedBefore() async throws {
    try await withDueHouse { house in
      let (tenant, policy) = (house.tenant, terms.policy)
      try await house.custody.operate(.operation(tenant)) { unit in
        unit.record(.logEntriesExpired, codes: ["first_kept": "256", "policy": policy])
        try LogUpkeepStore.recordAnnouncement(of: 256, policy: policy, tenant: tenant, in: unit.database)
      }
      // As if a pass with a later clock had said more than is due now.
      try await house.tamper("UPDATE audit.seals SET announced = 512")
      let waiting = try await house.upkeep.expire(tenant, terms)
      #expect(waiting == 0)
      let there = try await rows(house)
      #expect(there == 302)
      try await house.tamper("UPDATE audit.seals SET announced = 256")
      let kept = try await house.upkeep.expire(tenant, terms)
      #expect(kept == 256)
      let said = try await announcements(house)
      #expect(said == 1)
      let faults = try await house.faults()
      #expect(faults == [])
    }
  }

  @Test("nothing is deleted while another replica is at work, or while host and database tell different times")
  func notNow() async throws {
    try await withDueHouse { house in
      let terms = terms
      let claimed = try await house.holding(house.publicationLock) {
        try await house.upkeep.expire(house.tenant, terms)
      }
      #expect(claimed == nil)
      for minutes in [6, -6, 60 * 24 * 400] as [Int64] {
        let now = Microseconds.now() + minutes * 60_000_000
        let kept = try await house.upkeep.expire(house.tenant, terms, now: now)
        #expect(kept == 0)
        let dropped = try await house.upkeep.dropPartitions(for: [house.tenant], { _ in terms }, now: now)
        #expect(dropped == [])
      }
      let there = try await rows(house)
      #expect(there == 301)
      let complaints = house.installation.log.lines.filter { $0.contains("while the clocks differ") }
      #expect(complaints.count == 6)
      let kept = try await house.upkeep.expire(house.tenant, terms, now: Microseconds.now() + 60_000_000)
      #expect(kept == 256)
    }
  }

  @Test("a pass stops at its bounds, and the next ones finish")
  func bounded() async throws {
    try await withDueHouse { house in
      let none = try await house.upkeep.expire(house.tenant, terms, batches: 0)
      #expect(none == 256)
      let there = try await rows(house)
      #expect(there == 302)
      try await house.upkeep.expire(house.tenant, terms, batches: 1)
      let left = try await rows(house)
      #expect(left == 46)
      try await house.notes(1)
      try await house.server.checkpointer.publish(house.tenant)
      let tomorrow = Microseconds.now() + 86_400_000_000
      let bounds = try await [
        house.upkeep.seal(house.tenant, now: tomorrow, limit: 0),
        house.upkeep.seal(house.tenant, now: tomorrow, limit: 1),
      ]
      #expect(bounds == [0, 1])
    }
  }

  @Test("the worker's word that entries are sealed lets nothing go that is not published or not a day old")
  func overstated() async throws {
    try await withHouse { house in
      try await house.notes(5)
      try await house.server.checkpointer.publish(house.tenant)
      try await house.notes(2)
      let tenant = house.tenant
      let settings = AccessContext.operation(tenant).settings
      let (worker, checked) = (house.custody.worker, Microseconds.now() - 86_400_000_000)
      try await worker.transaction(settings: settings) {
        try LogUpkeepStore.recordSeal(upTo: 1_000, tenant: tenant, in: $0)
      }
      func state(_ sql: SQL, _ isolation: IsolationLevel = .readCommitted) async throws -> String? {
        do {
          _ = try await worker.transaction(settings: settings, isolation: isolation) { try $0.query(sql) }
          return nil
        } catch let error as PostgresError {
          return error.sqlState
        }
      }
      for number in [6, 7, 8, 9, 1_000] as [Int64] {
        let refused = try await state("SELECT audit.delete_sealed_entries(\(number), 100)")
        #expect(refused == "55000", "\(number)")
      }
      // Old enough now, and published up to the sixth.
      try await house.tamper("DELETE FROM audit.checkpoints")
      try await house.backdate(days: 40)
      let unpublished = try await [
        state("SELECT audit.delete_sealed_entries(1, 100)"),
        state("SELECT audit.drop_sealed_partition('entries_0', \(checked))"),
      ]
      #expect(unpublished == ["55000", "55000"])
      try await house.tamper(
        """
        INSERT INTO audit.checkpoints (tenant_id, size, root, note, published_at)
        SELECT tenant_id, 6, leaf_hash, 'x', 1 FROM audit.heads
        """)
      let beyond = try await [
        state("SELECT audit.delete_sealed_entries(7, 100)"),
        state("SELECT audit.drop_sealed_partition('entries_0', \(checked))"),
        state("SELECT audit.delete_sealed_entries(NULL, 100)"),
        state("SELECT audit.delete_sealed_entries(6, 100)", .repeatableRead),
        state("SELECT audit.drop_sealed_partition('entries_0', \(checked))", .repeatableRead),
      ]
      #expect(beyond == Array(repeating: "55000", count: 5))
      for limit in ["NULL", "0", "-5"] {
        let allowed = try await state("SELECT audit.delete_sealed_entries(6, \(unsafe: limit))")
        #expect(allowed == nil, "\(limit)")
        let there = try await rows(house)
        #expect(there == 8, "\(limit)")
      }
      let allowed = try await state("SELECT audit.delete_sealed_entries(6, 4)")
      #expect(allowed == nil)
      let left = try await rows(house)
      #expect(left == 4)
    }
  }

  @Test("numbers that are in the default partition already are skipped, and partitions are made behind them")
  func behindTheRest() async throws {
    try await withHouse { house in
      try await house.tamper(
        """
        INSERT INTO audit.entries (tenant_id, seq, entry, leaf_hash)
        SELECT gen_random_uuid(), n, entry, leaf_hash
        FROM audit.entries, unnest(ARRAY[16777217, 30000000]::bigint[]) AS n WHERE seq = 0
        """)
      let settings = AccessContext.operation(house.tenant).settings
      for expected in [2, 0] as [Int64] {
        let made = try await house.custody.worker.transaction(settings: settings) {
          try LogUpkeepStore.makePartitions(below: 50_000_000, in: $0)
        }
        #expect(made == expected)
      }
      let partitions = try await house.custody.worker.transaction(settings: settings) {
        try LogUpkeepStore.partitions(in: $0)
      }
      #expect(partitions.map(\.first) == [0, 4_194_304, 8_388_608, 33_554_432, 41_943_040])
      #expect(partitions.last?.end == 50_331_648)
      let rest = try await house.number("SELECT count(*) FROM audit.entries_rest")
      #expect(rest == 2)
      let unprotected = try await house.number(
        """
        SELECT count(*) FROM pg_class c JOIN pg_inherits i ON i.inhrelid = c.oid
        WHERE i.inhparent = 'audit.entries'::regclass AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
        """)
      #expect(unprotected == 0)
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
