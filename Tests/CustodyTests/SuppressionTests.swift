import Audit
import Foundation
import Postgres
import Redaction
import Schema
import StrictJSON
import SubjectRights
import Testing
import Vault

@testable import Custody
@testable import Profiles

@Suite("Late data of erased people", .serialized)
struct SuppressionTests {
  @Test(
    "an import of an erased value is refused when it was collected before, at or nobody knows when; later it is taken",
    arguments: [
      ("email", "zoe@example.org", " ZOE@example.org"), ("phone", "+51999000111", "+51 (999) 000-111"),
      ("identity", "auth|zoe", "auth|zoe"),
    ])
  func late(field: String, value: String, spelling: String) async throws {
    try await withHouse { house in
      let first = try await house.create([field: value])
      try await house.eraseWhole(first)
      let erasedAt = try await house.number("SELECT max(erased_at) FROM custody.erased_tags")
      for collectedAt in [nil, 0, erasedAt - 1, erasedAt] {
        let error = try await house.refusedImport([field: spelling], collectedAt: collectedAt)
        #expect(error == CustodyError(.suppressed, field: field))
      }
      let later = try await house.imported([field: spelling], collectedAt: erasedAt + 1)
      #expect(later.subject != first.subject)
      let taken = try await house.refusedImport([field: spelling], collectedAt: nil)
      #expect(taken == CustodyError(.taken, field: field), "somebody has it again")
    }
  }

  @Test("the person may sign up again: as somebody new, with nothing taken over")
  func signUp() async throws {
    try await withHouse { house in
      let first = try await house.create(["email": "zoe@example.org", "phone": "+51999000111", "country": "PE"])
      _ = try await house.profiles.move(first.id, .activate, house.somebody())
      try await house.eraseWhole(first)
      let again = try await house.create(["email": "zoe@example.org"])
      #expect(again.subject != first.subject && again.id != first.id)
      let read = try await house.profiles.profile(again.id, house.somebody())
      #expect(read.status == .pending && read.version == 1)
      #expect(read.email?.disclosed() == "zoe@example.org")
      #expect(read.phone == nil && read.country == nil)
      let found = try await house.profiles.search(.email(Personal("zoe@example.org")), house.somebody())
      #expect(found.map(\.id) == [again.id])
      // What was erased stays known: an old file still doesn't bring the number back.
      let error = try await house.refusedImport(["phone": "+51999000111"], collectedAt: nil)
      #expect(error == CustodyError(.suppressed, field: "phone"))
    }
  }

  @Test("a refused import leaves an entry that names the field, and nothing else")
  func refusalIsLogged() async throws {
    try await withHouse { house in
      try await house.eraseWhole(try await house.create(["phone": "+51999000111"]))
      let tables = ["user_profiles.profiles", "custody.subjects", "custody.lookup_tags", "custody.erased_tags"]
      let before = try await house.snapshot()
      let (error, lines) = try await house.added {
        try await house.refusedImport(["email": "new@example.org", "phone": "+51999000111"], collectedAt: nil)
      }
      #expect(error == CustodyError(.suppressed, field: "phone"))
      #expect(lines.map(\.action) == [.profileCreated])
      #expect(lines.first?.record.outcome == "denied")
      #expect(lines.first?.record.codes == ["reason": "suppressed", "field": "phone"])
      #expect(lines.first?.record.subject == nil)
      let after = try await house.snapshot()
      for table in tables { #expect(before[table] == after[table], "\(table)") }
      // The claim on the address went with it.
      _ = try await house.imported(["email": "new@example.org"], collectedAt: nil)
    }
  }

  @Test("another tenant's imports are not affected: the tags of each are keyed by its own secret")
  func otherTenant() async throws {
    try await withHouse { house in
      try await house.eraseWhole(try await house.create(["email": "zoe@example.org"]))
      let other = TenantID(UUID())
      _ = try await house.custody.createTenant(Tenant(id: other, kind: .merchant, name: "Other"))
      let context = AccessContext(
        tenant: other, actor: ActorID(UUID()), purpose: .profileAdministration, requestID: UUID())
      let profile = try await house.imported(["email": "zoe@example.org"], collectedAt: nil, context)
      #expect(profile.email?.disclosed() == "zoe@example.org")
      // Not even by the very same bytes.
      try await house.tamper("UPDATE custody.erased_tags SET tenant_id = \(other.uuid)")
      let own = try await house.imported(["email": "zoe@example.org"], collectedAt: nil)
      #expect(own.email?.disclosed() == "zoe@example.org")
    }
  }

  @Test("a value that was given up, not erased, is not remembered")
  func givenUp() async throws {
    try await withHouse { house in
      let profile = try await house.create(["email": "old@example.org"])
      _ = try await house.profiles.change(
        profile.id, try house.patch(email: "new@example.org"), version: 1, house.somebody())
      try await house.eraseWhole(profile)
      _ = try await house.imported(["email": "old@example.org"], collectedAt: nil)
      let error = try await house.refusedImport(["email": "new@example.org"], collectedAt: nil)
      #expect(error == CustodyError(.suppressed, field: "email"))
    }
  }

  @Test("while a rotation holds both epochs late data is refused; with the old epoch its memory ends")
  func endsWithItsEpoch() async throws {
    try await withHouse { house in
      try await house.eraseWhole(try await house.create(["email": "zoe@example.org"]))
      let waiting = try await house.rotation(standbys: ["nobody"]).run()
      guard case .waiting(.standbys) = waiting else {
        Issue.record("\(waiting)")
        return
      }
      // From here on tags are written of the new epoch only; the erased one is of the old.
      let state = try await house.custody.rotation()?.state
      #expect(state == .switched)
      let error = try await house.refusedImport(["email": "zoe@example.org"], collectedAt: nil)
      #expect(error == CustodyError(.suppressed, field: "email"))
      try await house.eraseWhole(try await house.create(["email": "ana@example.org"]))

      let outcome = try await house.rotation().run()
      #expect(outcome == .retired(EpochNumber(rawValue: 1)))
      _ = try await house.imported(["email": "zoe@example.org"], collectedAt: nil)
      let still = try await house.refusedImport(["email": "ana@example.org"], collectedAt: nil)
      #expect(still == CustodyError(.suppressed, field: "email"), "erased under the new epoch")
    }
  }

  @Test("without the erased tags of an epoch nothing is suppressed")
  func tagsGone() async throws {
    try await withHouse { house in
      try await house.eraseWhole(try await house.create(["email": "zoe@example.org"]))
      try await house.tamper("DELETE FROM custody.erased_tags")
      _ = try await house.imported(["email": "zoe@example.org"], collectedAt: nil)
    }
  }

  @Test("an import that waits for an erasure's very commit is refused by what that commits")
  func interleaved() async throws {
    try await withHouse { house in
      let profile = try await house.create(["email": "zoe@example.org"])
      let (moved, continuation) = AsyncStream<Void>.makeStream()
      let release = DispatchSemaphore(value: 0)
      let erasure = Task {
        try await house.custody.operate(.operation(house.tenant)) { unit in
          let tombstoned = try unit.tombstone(profile.subject, codes: [:])
          // The tags are moved, and nobody sees it yet. This is the connection's own thread.
          continuation.yield()
          release.wait()
          return tombstoned
        }
      }
      for await _ in moved { break }
      let late = Task { try await house.refusedImport(["email": "zoe@example.org"], collectedAt: nil) }
      do {
        try await eventually { try await house.waiting("lethe_app") >= 1 }
      } catch {
        release.signal()
        throw error
      }
      release.signal()
      let tombstoned = try await erasure.value
      #expect(tombstoned)
      let error = try await late.value
      #expect(error == CustodyError(.suppressed, field: "email"))
      #expect(try await house.number("SELECT count(*) FROM custody.lookup_tags WHERE kind = 'email'") == 0)
    }
  }

  @Test("imports and an erasure at once never leave the address alive, whichever comes first", arguments: 1...6)
  func concurrent(round: Int) async throws {
    try await withHouse { house in
      let profile = try await house.create(["email": "zoe@example.org", "phone": "+51999000111"])
      let request = try await house.orderedErasure(of: profile)
      let refusals = try await withThrowingTaskGroup(of: [CustodyError?].self) { group in
        for number in 0..<4 {
          group.addTask {
            var refusals: [CustodyError?] = []
            // Until the erasure is through, and a few times more.
            var after = 0
            while after < 3 {
              let error = try await house.refusedImport(
                number.isMultiple(of: 2) ? ["email": "zoe@example.org"] : ["phone": "+51999000111"], collectedAt: nil)
              refusals.append(error)
              if error?.code != .taken { after += 1 }
            }
            return refusals
          }
        }
        group.addTask {
          _ = try await house.runner().run(request, tenant: house.tenant)
          return []
        }
        return try await group.reduce([], +)
      }
      #expect(refusals.allSatisfy { $0?.code == .taken || $0?.code == .suppressed })
      #expect(refusals.contains { $0?.code == .suppressed })
      let alive = try await house.number("SELECT count(*) FROM custody.lookup_tags WHERE kind IN ('email', 'phone')")
      #expect(alive == 0)
      #expect(try await house.number("SELECT count(*) FROM user_profiles.profiles") == 1)
    }
  }

  @Test(
    "times of RFC 3339 are read to the microsecond, whatever their offset",
    arguments: [
      ("1970-01-01T00:00:00Z", 0), ("1970-01-01T00:00:00.000001Z", 1), ("1970-01-02T00:00:00+00:00", 86_400_000_000),
      ("2026-11-21T09:42:53Z", 1_795_254_173_000_000), ("2026-11-21t09:42:53.5z", 1_795_254_173_500_000),
      ("2026-11-21T15:12:53+05:30", 1_795_254_173_000_000), ("2026-11-20T23:42:53-10:00", 1_795_254_173_000_000),
      ("2026-11-21T09:42:53.1234567891Z", 1_795_254_173_123_456), ("2000-02-29T23:59:59Z", 951_868_799_000_000),
      ("2400-02-29T00:00:00Z", 13_574_563_200_000_000), ("9999-12-31T23:59:59Z", 253_402_300_799_000_000),
    ])
  func times(text: String, microseconds: Int) {
    #expect(DateTime.microseconds(text) == Int64(microseconds))
  }

  @Test(
    "what isn't a whole date-time of RFC 3339 is none",
    arguments: [
      "", "2026-11-21", "2026-11-21T09:42Z", "2026-11-21T09:42:53", "2026-11-21 09:42:53Z", "2026-11-21T09:42:53.Z",
      "2026-11-21T09:42:53+0530", "2026-11-21T09:42:53+5:30", "2026-11-21T09:42:53Z ", " 2026-11-21T09:42:53Z",
      "2026-02-29T00:00:00Z", "2100-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z",
      "2026-01-00T00:00:00Z", "2026-04-31T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:60:00Z",
      "2026-01-01T00:00:60Z", "2026-01-01T00:00:00+24:00", "2026-01-01T00:00:00+00:60", "1969-12-31T23:59:59Z",
      "12026-01-01T00:00:00Z", "2026-1-1T00:00:00Z", "1795254173", "２０２６-01-01T00:00:00Z", "-026-01-01T00:00:00Z",
    ])
  func noTimes(text: String) {
    #expect(DateTime.microseconds(text) == nil)
  }
}

extension House {
  /// A profile as somebody signs up.
  func create(_ members: [String: String]) async throws -> Profile {
    let draft = try Self.draft(members)
    return try await profiles.create(draft, somebody())
  }

  /// A profile that is imported.
  func imported(_ members: [String: String], collectedAt: Int64?, _ context: AccessContext? = nil) async throws
    -> Profile
  {
    var draft = try Self.draft(members)
    draft.origin = .imported(collectedAt: collectedAt)
    return try await profiles.create(draft, context ?? somebody())
  }

  /// Why an import was refused; nil when it wasn't.
  func refusedImport(_ members: [String: String], collectedAt: Int64?) async throws -> CustodyError? {
    do {
      _ = try await imported(members, collectedAt: collectedAt)
      return nil
    } catch let error as CustodyError {
      return error
    }
  }

  private static func draft(_ members: [String: String]) throws -> ProfileDraft {
    let object = [JSONMember("full_name", .string("Zoë Ñandú"))] + members.map { JSONMember($0, .string($1)) }
    return try ProfileDraft(reading: ObjectReader(.object(object)))
  }
}
