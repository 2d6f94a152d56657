import Foundation
import Postgres
import Profiles
import Schema
import SubjectRights
import Testing
import Vault

@testable import Custody

@Suite("Housekeeping", .serialized)
struct HousekeepingTests {
  private func proof(_ number: UInt8) -> [UInt8] { [UInt8](repeating: number, count: 32) }

  @Test("a proof is used once, also by many at once, and forgotten when it could no longer be accepted")
  func proofs() async throws {
    try await withHouse { house in
      let proofs = UsedProofs(pool: house.custody.data)
      let now = Microseconds.now() / 1_000_000
      let firsts = try await withThrowingTaskGroup(of: Bool.self) { group in
        for _ in 0..<20 {
          group.addTask { try await proofs.consume(thumbprint: "a", proof: proof(1), until: now + 120) }
        }
        return try await group.reduce(into: []) { $0.append($1) }
      }
      #expect(firsts.filter { $0 }.count == 1)
      let otherKey = try await proofs.consume(thumbprint: "b", proof: proof(1), until: now - 30)
      #expect(otherKey)
      let expired = try await proofs.consume(thumbprint: "c", proof: proof(1), until: now - 61)
      #expect(expired)
      let gone = try await house.custody.deleteExpiredProofs()
      #expect(gone == 1)
      // Kept: what is valid, and what expired less than a minute ago, since clocks differ.
      for thumbprint in ["a", "b"] {
        let again = try await proofs.consume(thumbprint: thumbprint, proof: proof(1), until: now + 120)
        #expect(!again)
      }
      let forgotten = try await proofs.consume(thumbprint: "c", proof: proof(1), until: now + 120)
      #expect(forgotten)
    }
  }

  @Test("an answer is kept for 24 hours, and a tenant's housekeeping is its own")
  func answers() async throws {
    try await withHouse { house in
      let other = TenantID(UUID())
      _ = try await house.custody.createTenant(Tenant(id: other, kind: .merchant, name: "Other"))
      let day: Int64 = 86_400_000_000
      let now = Microseconds.now()
      for tenant in [house.tenant, other] {
        for (number, age) in [0, day - 60_000_000, day + 60_000_000, 3 * day].enumerated() {
          let context = AccessContext(tenant: tenant, actor: ActorID(UUID()), purpose: .operation, requestID: UUID())
          let scope = IdempotencyScope(client: "c", actor: context.actor, operation: "o", key: "\(number)")
          _ = try await house.custody.claim(scope, payload: [], context)
          try await house.tamper(
            """
            UPDATE custody.idempotency SET created_at = \(now - age)
            WHERE created_at = (SELECT max(created_at) FROM custody.idempotency WHERE tenant_id = \(tenant.uuid))
              AND created_at > \(now) - 1000000 AND tenant_id = \(tenant.uuid)
            """)
        }
      }
      let rows = try await house.number("SELECT count(*) FROM custody.idempotency")
      #expect(rows == 8)
      let here = try await house.custody.deleteExpired(in: house.tenant)
      #expect(here == 2)
      let there = try await house.custody.deleteExpired(in: other)
      #expect(there == 2)
      let old = try await house.number(
        "SELECT count(*) FROM custody.idempotency WHERE created_at < \(now - day)")
      #expect(old == 0)
      let left = try await house.number("SELECT count(*) FROM custody.idempotency")
      #expect(left == 4)
    }
  }

  @Test("expiring keys and packages go at their time; subjects' keys, tenants' secrets and tombstones stay")
  func keys() async throws {
    try await withHouse { house in
      let profile = try await house.profile()
      let erased = try await house.profile("Erased")
      let context = house.somebody()
      let commitment = try await house.custody.keyCommitment(of: erased.subject, context).commitment
      _ = try await house.custody.destroyKey(of: erased.subject, commitment: commitment, context)
      let now = Microseconds.now()
      let old = UUID()
      let new = UUID()
      let envelope = try await house.custody.sealExpiring(
        [1], as: .accessPackage, id: old, of: profile.subject, expires: now - 1, context)
      let fresh = try await house.custody.sealExpiring(
        [2], as: .accessPackage, id: new, of: profile.subject, expires: now + 60_000_000, context)
      let gone = try await house.custody.deleteExpired(in: house.tenant)
      #expect(gone == 1)
      let code = try await refusal {
        try await house.custody.openExpiring(
          envelope, as: .accessPackage, id: old, of: profile.subject, action: .exportDownloaded, codes: [:], context)
      }
      #expect(code == .erased)
      let opened = try await house.custody.openExpiring(
        fresh, as: .accessPackage, id: new, of: profile.subject, action: .exportDownloaded, codes: [:], context)
      #expect(opened == [2])
      let kinds = try await house.installation.vault.sql(
        "SELECT kind, destroyed_at IS NULL, count(*) FROM vault.keys GROUP BY 1, 2 ORDER BY 1, 2")
      #expect(kinds.split(separator: "\n") == ["1|f|1", "1|t|1", "2|t|1", "3|t|1"])
      let again = try await house.custody.deleteExpired(in: house.tenant)
      #expect(again == 0)
    }
  }

  @Test("a package that expired is not released, and its row goes with the next round")
  func packages() async throws {
    try await withHouse { house in
      let profile = try await house.profile()
      var requests: [UUID] = []
      for _ in 0..<2 {
        let request = try await house.open(.access, profile)
        _ = try await house.rights.verify(request.id, by: .login, house.somebody())
        _ = try await house.rights.execute(request.id, house.somebody())
        requests.append(request.id)
      }
      try await house.tamper("UPDATE subject_rights.packages SET expires_at = 1 WHERE request_id = \(requests[0])")
      for _ in 0..<2 {
        await #expect(throws: SubjectRightsError.self) {
          try await house.rights.package(of: requests[0], house.somebody())
        }
        let kept = try await house.rights.package(of: requests[1], house.somebody())
        #expect(!kept.isEmpty)
        try await house.rights.deleteExpiredPackages(in: house.tenant)
        let rows = try await house.number("SELECT count(*) FROM subject_rights.packages")
        #expect(rows == 1)
      }
    }
  }
}
