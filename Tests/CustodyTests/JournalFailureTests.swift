import Audit
import Foundation
import Postgres
import Profiles
import ProfilesAPI
import Schema
import ServiceTesting
import Testing

@testable import Custody

@Suite("A journal that can't write")
struct JournalFailureTests {
  /// What a trigger says in the place of the insert.
  enum Refusal: String, CaseIterable {
    case diskFull = "53100"
    case outOfMemory = "53200"
    case noPartition = "23514"
    case brokenIndex = "XX002"
  }

  private func entry(_ house: House, about subjects: [SubjectID] = []) -> JournalEntry {
    JournalEntry(
      record: house.somebody().record(.personalDataRead, fields: [.profileFullName], codes: [:], outcome: .ok),
      subjects: subjects)
  }

  /// Makes the end of every transaction that moved a head end its own connection.
  private func withDeathInCommit<Result>(_ house: House, _ body: () async throws -> Result) async throws -> Result {
    try await house.installation.data.sql(
      """
      CREATE FUNCTION public.die() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
        $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(5); RETURN NULL; END $$;
      CREATE CONSTRAINT TRIGGER die AFTER UPDATE ON audit.heads DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION public.die();
      """)
    let mend = "DROP FUNCTION public.die CASCADE"
    do {
      let result = try await body()
      try await house.installation.data.sql(mend)
      return result
    } catch {
      try await house.installation.data.sql(mend)
      throw error
    }
  }

  @Test("releases neither a reading nor a refusal, and keeps its chain", arguments: Refusal.allCases)
  func refused(_ refusal: Refusal) async throws {
    try await withHouse { house in
      let profile = try await house.profile()
      let before = try await house.log().count
      try await house.installation.data.sql(
        """
        CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS
          $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '\(refusal.rawValue)'; END $$;
        CREATE TRIGGER a_refusal BEFORE INSERT ON audit.entries FOR EACH ROW EXECUTE FUNCTION public.refuse();
        """)
      let read = try await CustodyTests.refusal { try await house.profiles.profile(profile.id, house.somebody()) }
      #expect(read == .unavailable)
      let noted = try await CustodyTests.refusal {
        try await house.custody.note(house.somebody(), .securityRefused, outcome: .denied, codes: ["reason": "scope"])
      }
      #expect(noted == .unavailable)
      try await house.installation.data.sql("DROP FUNCTION public.refuse CASCADE")
      let (_, lines) = try await house.added { try await house.profiles.profile(profile.id, house.somebody()) }
      #expect(lines.map(\.sequence) == [Int64(before)])
    }
  }

  @Test("refuses who reads somebody erased, and answers everybody else of the same commit")
  func erasedAmongOthers() async throws {
    try await withHouse { house in
      let people = try await house.people(3)
      let gone = try await house.profile("Gone")
      try await house.tombstone(gone.subject)
      let journal = ReadJournal(pool: house.custody.data)
      let before = try await house.log().count
      // The position says who is read: the erased one at every third, alone or with somebody living.
      let subjects = (0..<30).map { number -> [SubjectID] in
        switch number % 3 {
        case 0: [people[number % 2].subject]
        case 1: number % 2 == 0 ? [gone.subject] : [people[2].subject, gone.subject]
        default: []
        }
      }
      try await withThrowingTaskGroup(of: (Int, CustodyError.Code?).self) { group in
        try await house.holding(house.headLock) {
          group.addTask {
            (-1, try await refusal { try await journal.append(entry(house), tenant: house.tenant) })
          }
          try await eventually { try await house.waiting("lethe_app") == 1 }
          for (number, subjects) in subjects.enumerated() {
            group.addTask {
              (
                number,
                try await refusal { try await journal.append(entry(house, about: subjects), tenant: house.tenant) }
              )
            }
          }
          try await eventually { await journal.waiting(in: house.tenant) == 30 }
        }
        for try await (number, code) in group {
          #expect(code == (number >= 0 && number % 3 == 1 ? .erased : nil), "reader \(number)")
        }
      }
      let lines = try await house.log().dropFirst(before)
      #expect(lines.count == 21)
      #expect(lines.allSatisfy { $0.record.subject != gone.subject.uuid })
      let commits = try await house.number(
        "SELECT count(DISTINCT xmin::text) FROM audit.entries WHERE seq >= \(Int64(before))")
      #expect(commits == 2)
    }
  }

  @Test("tells every caller of a commit that failed, writes nothing of it, and goes on where the head is")
  func lostBeforeCommit() async throws {
    try await withHouse { house in
      let profile = try await house.profile()
      let before = try await house.log().count
      let codes = try await withDeathInCommit(house) {
        let reading: [@Sendable () async throws -> Void] = (0..<12).map { _ in
          { @Sendable in _ = try await house.profiles.profile(profile.id, house.somebody()) }
        }
        return await house.attempts(reading)
      }
      #expect(codes.allSatisfy { $0 == .unavailable })
      let between = try await house.log().count
      #expect(between == before)
      let (_, lines) = try await house.added { try await house.profiles.profile(profile.id, house.somebody()) }
      #expect(lines.map(\.sequence) == [Int64(before)])
    }
  }

  @Test("of a write whose commit was cut off leaves nothing behind, and its repetition happens once")
  func writeLostBeforeCommit() async throws {
    try await withHouse { house in
      let draft = try ProfileDraft(email: "once@example.org")
      let before = try await house.log().count
      let code = try await withDeathInCommit(house) {
        try await refusal { try await house.profiles.create(draft, house.somebody()) }
      }
      #expect(code == .unavailable)
      let rows = try await house.number("SELECT count(*) FROM user_profiles.profiles")
      #expect(rows == 0)
      let (_, lines) = try await house.added { try await house.profiles.create(draft, house.somebody()) }
      #expect(lines.map(\.action) == [.keyCreated, .profileCreated])
      #expect(lines.first?.sequence == Int64(before))
    }
  }

  @Test("a tenant whose log is held up holds up nobody of another one")
  func otherTenants() async throws {
    try await withHouse { house in
      let profile = try await house.profile()
      let other = TenantID(UUID())
      _ = try await house.custody.createTenant(Tenant(id: other, kind: .merchant, name: "Shop"))
      let context = AccessContext(
        tenant: other, actor: ActorID(UUID()), purpose: .profileAdministration, requestID: UUID())
      let neighbour = try await house.profiles.create(try ProfileDraft(email: "n@example.org"), context)
      let before = try await house.log().count
      try await withThrowingTaskGroup(of: Void.self) { group in
        try await house.holding(house.headLock) {
          for _ in 0..<50 {
            group.addTask { _ = try await house.profiles.profile(profile.id, house.somebody()) }
          }
          try await eventually { try await house.waiting("lethe_app") == 1 }
          try await withThrowingTaskGroup(of: Void.self) { reads in
            for _ in 0..<50 { reads.addTask { _ = try await house.profiles.profile(neighbour.id, context) } }
            try await reads.waitForAll()
          }
          // All of them were answered while the first tenant's commit still waits.
          let waiting = try await house.waiting("lethe_app")
          #expect(waiting == 1)
          let held = try await house.log().count
          #expect(held == before)
        }
        try await group.waitForAll()
      }
      let after = try await house.log().count
      #expect(after == before + 50)
      let lines = try await house.log(of: other)
      #expect(lines.filter { $0.action == .personalDataRead }.count == 50)
    }
  }

  @Test("an answer of COMMIT that is lost after the commit: the caller is refused, the entry is there, once")
  func lostAfterCommit() async throws {
    try await withInterruptibleInstallation { installation in
      let tenant = TenantID(UUID())
      let server = try await Server.prepare(installation.settings, logger: installation.log.logger)
      let superuser = try #require(
        installation.settings.databaseURL.replacing("lethe_app@", with: "postgres@") as String?)
      let admin = PostgresPool(
        PoolConfiguration(url: superuser, role: "admin", size: 2), logger: installation.log.logger)
      do {
        try await admin.start()
        _ = try await server.custody.createTenant(Tenant(id: tenant, kind: .merchant, name: "Shop"))
        try await lostAfterCommit(installation, server, tenant, admin)
      } catch {
        await admin.shutdown()
        await server.close()
        throw error
      }
      await admin.shutdown()
      await server.close()
    }
  }

  private func lostAfterCommit(
    _ installation: InterruptibleInstallation, _ server: Server, _ tenant: TenantID, _ admin: PostgresPool
  ) async throws {
    let context = AccessContext(
      tenant: tenant, actor: ActorID(UUID()), purpose: .profileAdministration, requestID: UUID())
    let profile = try await server.profiles.create(try ProfileDraft(email: "a@example.org"), context)
    let count: @Sendable () async throws -> Int64 = {
      let rows = try await admin.read("SELECT count(*) FROM audit.entries WHERE tenant_id = \(tenant.uuid)")
      return try #require(rows.first).decode(0, as: Int64.self)
    }
    let before = try await count()

    // A commit is on disk before it waits for a standby that never confirms.
    let database = DatabaseRoles.dataDatabase
    try await installation.sql(
      "ALTER SYSTEM SET synchronous_standby_names = 'nobody'; SELECT pg_reload_conf();", database: database)
    let lost = UUID()
    async let code = refusal {
      try await server.profiles.profile(
        profile.id,
        AccessContext(tenant: tenant, actor: ActorID(UUID()), purpose: .profileAdministration, requestID: lost))
    }
    try await eventually {
      let ended = try await admin.read(
        """
        SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
        WHERE usename = 'lethe_app' AND wait_event = 'SyncRep'
        """)
      return try #require(ended.first).decode(0, as: Int64.self) > 0
    }
    let refused = try await code
    #expect(refused == .unavailable)
    try await installation.sql(
      "ALTER SYSTEM RESET synchronous_standby_names; SELECT pg_reload_conf();", database: database)

    let after = try await count()
    #expect(after == before + 1)
    for _ in 0..<3 { _ = try await server.profiles.profile(profile.id, context) }
    let size = try await server.checkpointer.publish(tenant)
    #expect(size == UInt64(before + 4))
    let report = ArchiveVerifier(
      folder: server.checkpointer.folder(of: tenant), keys: [try server.checkpointer.signer(of: tenant).verifierKey()],
      held: nil, ledger: server.ledger
    ).verify()
    #expect(report.findings == [])
    let reader = ArchiveReader(folder: server.checkpointer.folder(of: tenant))
    let requests = try (0..<UInt64(before + 4)).map { sequence in
      try AuditRecord(body: Entry(parsing: reader.entry(at: sequence)).body).requestID
    }
    #expect(requests.filter { $0 == lost }.count == 1)
  }
}
