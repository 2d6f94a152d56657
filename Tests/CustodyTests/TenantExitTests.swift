import Audit
import Foundation
import Postgres
import Redaction
import Testing

@testable import Custody

@Suite("A tenant leaves", .serialized)
struct TenantExitTests {
  private func exit(_ house: House) -> TenantExit {
    TenantExit(
      custody: house.custody, checkpointer: house.server.checkpointer, ledger: house.server.ledger,
      logger: house.installation.log.logger)
  }

  @Test("not while somebody is not erased or a hold is not released, and nothing is changed then")
  func refused() async throws {
    try await withHouse { house in
      for number in 0..<3 { _ = try await house.profile("Person \(number)") }
      _ = try await ActorDirectory(custody: house.custody)
        .actor(for: Personal("officer"), tenant: house.tenant, requestID: UUID())
      let before = try await house.log().count
      let obstacle = await #expect(throws: TenantExit.Obstacle.self) {
        try await exit(house).run(house.tenant, policy: "p")
      }
      #expect(obstacle == TenantExit.Obstacle(people: 3, holds: 0, erasures: 0))
      let after = try await house.log().count
      #expect(after == before)
    }
  }

  @Test("its log ends with log.closed, keeps no entry, verifies ever after, and takes nothing more")
  func whole() async throws {
    try await withHouse { house in
      let profile = try await house.profile()
      let actor = try await ActorDirectory(custody: house.custody)
        .actor(for: Personal("officer"), tenant: house.tenant, requestID: UUID())
      let request = try await house.orderedErasure(of: profile)
      _ = try await house.runner().run(request, tenant: house.tenant)
      let size = try await exit(house).run(house.tenant, policy: "0123456789abcdef")
      let report = try house.verifiedArchive()
      #expect(report.findings == [])
      #expect(report.size == size)
      let rows = try await house.number("SELECT count(*) FROM audit.entries")
      #expect(rows == 0)
      let side = try await house.number("SELECT count(*) FROM audit.entry_subjects")
      #expect(side == 0)
      let alive = try await house.number(
        "SELECT count(*) FROM custody.subjects WHERE state NOT IN ('erased', 'reaped')")
      #expect(alive == 0)
      #expect(try house.server.ledger.records().count == 2)
      let folder = house.server.checkpointer.folder(of: house.tenant)
      #expect(throws: AuditError.self) { try ArchiveReader(folder: folder).entry(at: size - 1, size: size) }
      let faults = try await house.faults()
      #expect(faults == [])

      let writing = try await refusal { try await house.profile("Late") }
      #expect(writing == .unknownTenant)
      let reading = try await refusal {
        try await house.custody.note(house.somebody(), .securityRefused, outcome: .denied, codes: [:])
      }
      #expect(reading == .unknownTenant)
      let acting = try await refusal {
        try await ActorDirectory(custody: house.custody)
          .actor(for: Personal("officer"), tenant: house.tenant, requestID: UUID())
      }
      #expect(acting == .unknownTenant)
      _ = actor
      let beat = try await house.server.checkpointer.heartbeat(house.tenant, every: 1)
      #expect(!beat)
      // Again, and by the rounds of the service.
      let again = try await exit(house).run(house.tenant, policy: "0123456789abcdef")
      #expect(again == size)
      let same = try await house.server.checkpointer.publish(house.tenant)
      #expect(same == size)
      try await house.upkeep.seal(house.tenant)
      let kept = try await house.upkeep.expire(
        house.tenant, LogTerms(days: 3_650, databaseDays: 365, policy: "0123456789abcdef"))
      #expect(kept == size)
    }
  }

  @Test("killed when the archive said already that all is gone, the next run deletes what is left")
  func killedWhileDeleting() async throws {
    try await withHouse { house in
      try await house.notes(300)
      let files = FileManager.default
      let entries = house.server.checkpointer.folder(of: house.tenant) + "/tile/entries"
      try await house.server.checkpointer.publish(house.tenant)
      let bundle = try Data(contentsOf: URL(fileURLWithPath: entries + "/000"))
      let size = try await exit(house).run(house.tenant, policy: "p")
      #expect(size == 302)
      try files.createDirectory(atPath: entries + "/001.p", withIntermediateDirectories: true)
      for name in ["000", "001.p/46"] { try bundle.write(to: URL(fileURLWithPath: entries + "/" + name)) }
      let again = try await exit(house).run(house.tenant, policy: "p")
      #expect(again == size)
      #expect(try files.contentsOfDirectory(atPath: entries) == [])
      let faults = try await house.faults()
      #expect(faults == [])
    }
  }

  @Test("while another replica has the log, it is not said to be done; afterwards it is")
  func claimed() async throws {
    try await withHouse { house in
      try await house.notes(4)
      try await house.custody.operate(.operation(house.tenant)) { unit in
        unit.record(.logClosed)
        try unit.appendEntries()
        try LogUpkeepStore.close(tenant: house.tenant, at: unit.now, in: unit.database)
      }
      let terms = LogTerms(days: 0, databaseDays: 0, policy: "p")
      let waiting = try await house.holding(house.publicationLock) {
        try await house.upkeep.expire(house.tenant, terms)
      }
      #expect(waiting == nil)
      let done = try await house.upkeep.expire(house.tenant, terms)
      #expect(done == 6)
      let stillWaiting = try await house.holding(house.publicationLock) {
        try await house.upkeep.expire(house.tenant, terms)
      }
      #expect(stillWaiting == nil)
    }
  }

  @Test("a database of before the exit is recovered from what is left of the log, and keeps none of its entries")
  func recovered() async throws {
    try await withHouse { house in
      try await house.notes(4)
      try await house.server.checkpointer.publish(house.tenant)
      let dumps = try await house.dumps()
      try await house.notes(300)
      let size = try await exit(house).run(house.tenant, policy: "p")
      try await house.restore(data: dumps.data)
      _ = try await house.recover()
      try await house.reopened { house in
        let kept = try await house.upkeep.expire(
          house.tenant, LogTerms(days: 3_650, databaseDays: 365, policy: "p"))
        #expect(kept == size)
        let rows = try await house.number("SELECT count(*) FROM audit.entries")
        #expect(rows == 0)
        let faults = try await house.faults()
        #expect(faults == [])
      }
    }
  }

  @Test("interrupted after the closing entry, it is carried on")
  func carriedOn() async throws {
    try await withHouse { house in
      try await house.notes(4)
      // What a run has committed when it is killed right after the closing.
      try await house.custody.operate(.operation(house.tenant)) { unit in
        unit.record(.logClosed)
        try unit.appendEntries()
        try LogUpkeepStore.close(tenant: house.tenant, at: unit.now, in: unit.database)
      }
      let size = try await exit(house).run(house.tenant, policy: "p")
      #expect(size == 6)
      let faults = try await house.faults()
      #expect(faults == [])
    }
  }
}
