import Audit
import Foundation
import Postgres
import Profiles
import ServiceTesting
import Testing
import Vault

@testable import Custody

@Suite("Keys without rows, rows without keys")
struct ReconciliationTests {
  private func reconciliation(_ house: House, hoursLater: Int64 = 0) -> Reconciliation {
    Reconciliation(custody: house.custody, logger: house.installation.log.logger) {
      Microseconds.now() + hoursLater * 3_600_000_000
    }
  }

  @Test("a key whose row was never committed is reaped once, after a day, and the log says so")
  func orphan() async throws {
    try await withHouse { house in
      let person = try await house.profile(email: "kept@example.com")
      let (orphan, _, wrapped) = try await house.custody.keys.createSubject(tenant: house.tenant)
      let early = try await reconciliation(house, hoursLater: 23).run(house.tenant) { true }
      #expect(early?.reaped == 0)
      let found = try await reconciliation(house).compare(house.tenant)
      #expect(found.orphans == 1)
      #expect(found.keyless == [])
      let (outcome, lines) = try await house.added {
        try await reconciliation(house, hoursLater: 25).run(house.tenant) { true }
      }
      #expect(outcome?.reaped == 1)
      #expect(lines.map(\.action) == [.keyReaped])
      #expect(lines.first?.record.subject == orphan.uuid)
      #expect(lines.first?.record.codes["key_commitment"] == Custody.hex(wrapped.commitment))
      let key = try await house.custody.keyCommitment(of: orphan, house.somebody())
      #expect(key.destroyedAt != nil)
      let again = try await reconciliation(house, hoursLater: 50).run(house.tenant) { true }
      #expect(again?.reaped == 0)
      let read = try await house.profiles.profile(person.id, house.somebody())
      #expect(read.email == person.email)
      let findings = try await house.findings()
      #expect(findings == [])
    }
  }

  @Test("an id that was claimed can't be created any more, and a creation under way defeats the claim")
  func race() async throws {
    try await withHouse { house in
      let (late, _, wrapped) = try await house.custody.keys.createSubject(tenant: house.tenant)
      _ = try await reconciliation(house, hoursLater: 25).run(house.tenant) { true }
      await #expect(throws: PostgresError.self) {
        try await house.custody.worker.transaction(settings: AccessContext.operation(house.tenant).settings) {
          try SubjectStore.insert(
            late, commitment: wrapped.commitment, tenant: house.tenant, at: 1, in: $0)
        }
      }
      // A creation that has inserted its row, and commits only once somebody waits for it.
      let (slow, _, other) = try await house.custody.keys.createSubject(tenant: house.tenant)
      let insert: SQL = """
        INSERT INTO custody.subjects (tenant_id, subject_id, state, key_commitment, created_at)
        VALUES (\(house.tenant.uuid), \(slow.uuid), 'live', \(other.commitment), 1) RETURNING 1
        """
      let reaping = try await house.holding(insert) {
        let reaping = Task { try await reconciliation(house, hoursLater: 25).run(house.tenant) { true } }
        try await eventually { try await house.waiting("lethe_worker") == 1 }
        return reaping
      }
      let outcome = try await reaping.value
      #expect(outcome?.reaped == 0)
      let key = try await house.custody.keyCommitment(of: slow, house.somebody())
      #expect(key.destroyedAt == nil)
    }
  }

  @Test("a reaping that stopped after its claim, or after the destruction, is finished by the next one")
  func stopped() async throws {
    try await withHouse { house in
      let (claimed, _, first) = try await house.custody.keys.createSubject(tenant: house.tenant)
      let (destroyed, _, second) = try await house.custody.keys.createSubject(tenant: house.tenant)
      try await house.custody.worker.transaction(settings: AccessContext.operation(house.tenant).settings) {
        for (subject, commitment) in [(claimed, first.commitment), (destroyed, second.commitment)] {
          _ = try ReconciliationStore.claim(subject, commitment: commitment, at: 1, tenant: house.tenant, in: $0)
        }
      }
      _ = try await house.custody.destroyKey(of: destroyed, commitment: second.commitment, house.somebody())
      let (outcome, lines) = try await house.added {
        try await reconciliation(house).run(house.tenant) { true }
      }
      #expect(outcome?.reaped == 2)
      #expect(Set(lines.compactMap(\.record.subject)) == [claimed.uuid, destroyed.uuid])
      let key = try await house.custody.keyCommitment(of: claimed, house.somebody())
      #expect(key.destroyedAt != nil)
    }
  }

  @Test("nothing is reaped on a database that is not as it was published, nor twice in a day")
  func bounded() async throws {
    try await withHouse { house in
      let (orphan, _, _) = try await house.custody.keys.createSubject(tenant: house.tenant)
      let refused = try await reconciliation(house, hoursLater: 25).runIfDue(house.tenant) { false }
      #expect(refused == nil)
      var key = try await house.custody.keyCommitment(of: orphan, house.somebody())
      #expect(key.destroyedAt == nil)
      let first = try await reconciliation(house).runIfDue(house.tenant) { true }
      #expect(first?.reaped == 0)
      let soon = try await reconciliation(house, hoursLater: 23).runIfDue(house.tenant) { true }
      #expect(soon == nil)
      let due = try await reconciliation(house, hoursLater: 25).runIfDue(house.tenant) { true }
      #expect(due?.reaped == 1)
      key = try await house.custody.keyCommitment(of: orphan, house.somebody())
      #expect(key.destroyedAt != nil)
    }
  }

  @Test("at most a hundred keys go in one run")
  func limit() async throws {
    try await withHouse { house in
      for _ in 0..<103 { _ = try await house.custody.keys.createSubject(tenant: house.tenant) }
      let first = try await reconciliation(house, hoursLater: 25).run(house.tenant) { true }
      #expect(first?.reaped == 100)
      let second = try await reconciliation(house, hoursLater: 50).run(house.tenant) { true }
      #expect(second?.reaped == 3)
    }
  }

  @Test("a row without a key is reported by its id, and left as it is")
  func keyless() async throws {
    try await withHouse { house in
      let missing = try await house.profile("Missing")
      let destroyed = try await house.profile("Destroyed")
      let erased = try await house.profile("Erased")
      try await house.eraseWhole(erased)
      try await house.installation.vault.sql(
        """
        SET session_replication_role = replica;
        DELETE FROM vault.keys WHERE key_id = '\(missing.subject)';
        UPDATE vault.keys SET wrapped = NULL, epoch = NULL, destroyed_at = 1 WHERE key_id = '\(destroyed.subject)';
        """)
      let outcome = try #require(try await reconciliation(house).run(house.tenant) { true })
      #expect(Set(outcome.keyless) == [missing.subject, destroyed.subject])
      #expect(house.installation.log.lines.contains { $0.contains(missing.subject.description) })
      let states = try await house.number(
        """
        SELECT count(*) FROM custody.subjects
        WHERE state = 'live' AND subject_id = ANY(\([missing.subject.uuid, destroyed.subject.uuid]))
        """)
      #expect(states == 2)
    }
  }
}
