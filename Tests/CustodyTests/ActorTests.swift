import Audit
import Foundation
import Postgres
import Redaction
import Schema
import Testing
import Vault

@testable import Custody

@Suite("Actors", .serialized)
struct ActorTests {
  private let sub = Personal("auth0|5f7c8ec7c33c6c004bbafe82")

  @Test("the same sub is the same actor, also for a directory that has forgotten it")
  func same() async throws {
    try await withHouse { house in
      let (first, lines) = try await house.added {
        try await ActorDirectory(custody: house.custody).actor(for: sub, tenant: house.tenant, requestID: UUID())
      }
      #expect(lines.map(\.action) == [.keyCreated])
      let (again, none) = try await house.added {
        let directory = ActorDirectory(custody: house.custody, capacity: 1)
        let again = try await directory.actor(for: sub, tenant: house.tenant, requestID: UUID())
        let other = try await directory.actor(for: Personal("other"), tenant: house.tenant, requestID: UUID())
        #expect(other != again)
        let third = try await directory.actor(for: sub, tenant: house.tenant, requestID: UUID())
        #expect(third == again)
        return again
      }
      #expect(again == first)
      #expect(none.count == 1)
      let rows = try await house.number("SELECT count(*) FROM custody.actors")
      #expect(rows == 2)
    }
  }

  @Test("a sub first seen twenty times at once is one actor")
  func atOnce() async throws {
    try await withHouse { house in
      let actors = try await withThrowingTaskGroup(of: ActorID.self) { group in
        for _ in 0..<20 {
          group.addTask {
            try await ActorDirectory(custody: house.custody).actor(for: sub, tenant: house.tenant, requestID: UUID())
          }
        }
        return try await group.reduce(into: Set()) { $0.insert($1) }
      }
      #expect(actors.count == 1)
      let rows = try await house.number("SELECT count(*) FROM custody.actors")
      #expect(rows == 1)
      let created = try await house.log().filter { $0.action == .keyCreated }
      #expect(created.count == 1)
    }
  }

  @Test("in another tenant the same sub is somebody else")
  func tenants() async throws {
    try await withHouse { house in
      let other = TenantID(UUID())
      _ = try await house.custody.createTenant(Tenant(id: other, kind: .merchant, name: "Other"))
      let directory = ActorDirectory(custody: house.custody)
      let here = try await directory.actor(for: sub, tenant: house.tenant, requestID: UUID())
      let there = try await directory.actor(for: sub, tenant: other, requestID: UUID())
      #expect(here != there)
      let again = try await directory.actor(for: sub, tenant: house.tenant, requestID: UUID())
      #expect(again == here)
      let tags = try await house.number("SELECT count(DISTINCT tag) FROM custody.lookup_tags WHERE kind = 'actor'")
      #expect(tags == 2)
      let nowhere = TenantID(UUID())
      let code = try await refusal { try await directory.actor(for: sub, tenant: nowhere, requestID: UUID()) }
      #expect(code == .unknownTenant)
    }
  }

  @Test("the sub is in no table, entry or log line in clear")
  func nowhere() async throws {
    try await withHouse { house in
      let actor = try await ActorDirectory(custody: house.custody)
        .actor(for: sub, tenant: house.tenant, requestID: UUID())
      let profile = try await house.profile()
      let context = AccessContext(
        tenant: house.tenant, actor: actor, purpose: .profileAdministration, requestID: UUID())
      let (_, lines) = try await house.added { try await house.profiles.profile(profile.id, context) }
      #expect(lines.first?.record.actor == actor.uuid)
      let clear = sub.disclosed()
      for table in DataRegistry.tables {
        let hits = try await house.number(
          """
          SELECT count(*) FROM \(unsafe: table.qualifiedName) t
          WHERE position(\(clear) IN t::text) > 0 OR position(\(Custody.hex(Array(clear.utf8))) IN t::text) > 0
          """)
        #expect(hits == 0, "\(table.qualifiedName)")
      }
      #expect(house.installation.log.lines.allSatisfy { !$0.contains(clear) })
      // The mapping is there, for those who may open it.
      let row = try #require(
        try await house.admin.read("SELECT subject_id, identity_sealed FROM custody.actors").first)
      let subject = SubjectID(try row.decode("subject_id", as: UUID.self))
      let sealed = try row.decode("identity_sealed", as: [UInt8].self)
      let opened = try await house.custody.read(house.somebody(), of: [subject]) {
        try $0.open(sealed, as: .actorIdentity, row: actor.uuid, of: subject)
      }
      #expect(opened == sub)
    }
  }
}
