import Audit
import Foundation
import Postgres
import PostgresTesting
import Profiles
import Redaction
import Schema
import StrictJSON
import SubjectRights
import Testing
import Vault

@testable import Custody

@Suite("Holds", .serialized)
struct HoldTests {
  @Test("a hold keeps its fields over the erasure, and only them; the person's own key is gone all the same")
  func overTheErasure() async throws {
    try await withHouse { house in
      let profile = try await house.profile("Zoë Ñandú", email: "zoe@example.org", phone: "+51999000111")
      let hold = try await house.hold(profile, [.profileFullName, .profileEmail], basis: "tax_law")
      #expect(hold.state == .placed)
      let request = try await house.orderedErasure(of: profile)
      let reached = try await house.runner().run(request, tenant: house.tenant)
      #expect(reached == .certified)
      try await house.expectErasedOnce(request, of: profile.subject)

      let (values, lines) = try await house.added { try await house.custody.openHold(hold.id, house.somebody()) }
      #expect(values.map(\.field) == [.profileFullName, .profileEmail])
      #expect(values.map { $0.value.disclosed() } == ["Zoë Ñandú", "zoe@example.org"])
      #expect(values.allSatisfy { $0.row == profile.id })
      #expect(lines.map(\.action) == [.holdOpened])
      #expect(lines.first?.record.fields == ["full_name", "email"])
      #expect(lines.first?.record.subject == profile.subject.uuid)

      // The profile itself is as gone as any other.
      let code = try await refusal { try await house.profiles.profile(profile.id, house.somebody()) }
      #expect(code == .erased)
      let destroyed = try await house.custody.keyCommitment(of: profile.subject, house.somebody()).destroyedAt
      #expect(destroyed != nil)
      let held = try await house.custody.holds(of: profile.subject, house.somebody())
      #expect(held.map(\.state) == [.sealed])
      #expect(held.map(\.fields) == [[.profileFullName, .profileEmail]])
    }
  }

  @Test("what is kept is what the fields hold at the erasure, not at the placing")
  func laterValue() async throws {
    try await withHouse { house in
      let profile = try await house.profile(email: "old@example.org")
      let hold = try await house.hold(profile, [.profileEmail])
      _ = try await house.profiles.change(
        profile.id, try house.patch(email: "new@example.org"), version: 1, house.somebody())
      try await house.eraseWhole(profile)
      let values = try await house.custody.openHold(hold.id, house.somebody())
      #expect(values.map { $0.value.disclosed() } == ["new@example.org"])
    }
  }

  @Test("the certificate names each field that was kept, with its basis, and none that there wasn't")
  func certificate() async throws {
    try await withHouse { house in
      let profile = try await house.profile(email: "zoe@example.org")
      try await house.hold(profile, [.profileFullName, .profilePhone], basis: "tax_law")
      try await house.hold(profile, [.profileFullName, .profileEmail], basis: "litigation")
      let over = try await house.hold(profile, [.profileEmail], basis: "released_before")
      try await house.custody.releaseHold(over.id, house.somebody())
      let exempted = try await house.exempted(try await house.eraseWhole(profile))
      #expect(exempted == ["full_name litigation", "full_name tax_law", "email litigation"])

      let other = try await house.profile("Other", email: "other@example.org")
      let none = try await house.exempted(try await house.eraseWhole(other))
      #expect(none == [])
    }
  }

  @Test("an officer's note, sealed in another table, can be held like any field")
  func otherTable() async throws {
    try await withHouse { house in
      let profile = try await house.profile()
      let hold = try await house.hold(profile, [.requestNote])
      let request = try await house.orderedErasure(of: profile, note: "asked by letter")
      _ = try await house.runner().run(request, tenant: house.tenant)
      let values = try await house.custody.openHold(hold.id, house.somebody())
      #expect(values.map { $0.value.disclosed() } == ["asked by letter"])
      #expect(values.map(\.row) == [request])
    }
  }

  @Test("the log says placed, sealed, opened and released, with names of fields and the basis, and no value")
  func log() async throws {
    try await withHouse { house in
      let profile = try await house.profile(email: "zoe@example.org")
      let (hold, placed) = try await house.added { try await house.hold(profile, [.profileEmail], basis: "tax_law") }
      #expect(placed.map(\.action) == [.holdPlaced])
      #expect(placed.first?.record.codes["key_commitment"]?.count == 64)
      try await house.eraseWhole(profile)
      _ = try await house.custody.openHold(hold.id, house.somebody())
      try await house.custody.releaseHold(hold.id, house.somebody())
      let lines = try await house.log().filter { $0.record.codes["hold"] == hold.id.uuidString.lowercased() }
      #expect(lines.map(\.action) == [.holdPlaced, .holdSealed, .holdOpened, .holdReleased])
      for line in lines {
        #expect(line.record.codes["basis"] == "tax_law")
        #expect(line.record.fields == ["email"])
        #expect(line.record.subject == profile.subject.uuid)
        #expect(!String(decoding: line.entry.bytes, as: UTF8.self).contains("zoe"))
      }
      let sealed = try #require(lines.first { $0.action == .holdSealed }).sequence
      let started = try await house.log().first { $0.action == .erasureStarted }?.sequence
      #expect(sealed < started ?? 0)
      let report = try house.verifiedArchive()
      #expect(report.findings == [])
    }
  }

  @Test("who is erased, or was never there, can't be put under a hold, and no key is left of the attempt")
  func refusedPeople() async throws {
    try await withHouse { house in
      let profile = try await house.profile()
      try await house.tombstone(profile.subject)
      let erased = try await refusal { try await house.hold(profile, [.profileEmail]) }
      #expect(erased == .erased)
      let stranger = try await refusal {
        try await house.custody.placeHold(
          on: SubjectID(UUID()), fields: [.profileEmail], basis: "tax_law", keepUntil: nil, house.somebody())
      }
      #expect(stranger == .notFound)
      #expect(try await house.liveHoldKeys() == 0)
      #expect(try await house.number("SELECT count(*) FROM custody.holds") == 0)
    }
  }

  struct Refused: Sendable, CustomTestStringConvertible {
    let fields: [PersonalField]
    var basis = "tax_law"
    var keepUntil: Int64?
    let error: HoldError
    var testDescription: String { "\(error)" }
  }

  @Test(
    "a hold that could not hold is refused by name, and leaves nothing",
    arguments: [
      Refused(fields: [], error: HoldError(.noFields)),
      Refused(fields: [.profileEmail, .accessPackage], error: HoldError(.notHoldable, field: "access_package")),
      Refused(fields: [.heldValue], error: HoldError(.notHoldable, field: "held_value")),
      Refused(fields: [.idempotentAnswer], error: HoldError(.notHoldable, field: "idempotent_answer")),
      Refused(fields: [.profileEmail], basis: "", error: HoldError(.malformedBasis)),
      Refused(fields: [.profileEmail], basis: "Tax law", error: HoldError(.malformedBasis)),
      Refused(fields: [.profileEmail], basis: String(repeating: "a", count: 65), error: HoldError(.malformedBasis)),
      Refused(fields: [.profileEmail], keepUntil: 1, error: HoldError(.past)),
    ])
  func refusedHolds(_ refused: Refused) async throws {
    try await withHouse { house in
      let profile = try await house.profile()
      await #expect(throws: refused.error) {
        try await house.custody.placeHold(
          on: profile.subject, fields: refused.fields, basis: refused.basis, keepUntil: refused.keepUntil,
          house.somebody())
      }
      #expect(try await house.liveHoldKeys() == 0)
    }
  }

  @Test("nothing can be opened before the erasure or after the release; a release is final and happens once")
  func openAndRelease() async throws {
    try await withHouse { house in
      let profile = try await house.profile(email: "zoe@example.org")
      let hold = try await house.hold(profile, [.profileEmail])
      await #expect(throws: HoldError(.notSealed)) { try await house.custody.openHold(hold.id, house.somebody()) }
      try await house.eraseWhole(profile)
      #expect(try await house.number("SELECT count(*) FROM custody.held_values") == 1)

      let released = try await house.custody.releaseHold(hold.id, house.somebody())
      #expect(released.state == .released)
      await #expect(throws: HoldError(.released)) { try await house.custody.openHold(hold.id, house.somebody()) }
      #expect(try await house.number("SELECT count(*) FROM custody.held_values") == 0)
      #expect(try await house.liveHoldKeys() == 0)
      let owner = KeyOwner(kind: .hold, tenant: house.tenant.uuid, id: hold.id)
      let again = try await house.custody.keys.create(owner)
      #expect(again == nil, "a destroyed hold's key can't be made again")

      let (repeated, lines) = try await house.added {
        try await house.custody.releaseHold(hold.id, house.somebody())
      }
      #expect(repeated.releasedAt == released.releasedAt)
      #expect(lines.isEmpty)
      let shown = try await house.custody.holds(house.somebody())
      let all = try await house.custody.holds(releasedToo: true, house.somebody())
      #expect(shown.isEmpty)
      #expect(all.map(\.id) == [hold.id])
      let unknown = try await refusal { try await house.custody.releaseHold(UUID(), house.somebody()) }
      #expect(unknown == .notFound)
    }
  }

  @Test("a released hold's key is dead even for whoever kept the sealed values")
  func releasedMeansDead() async throws {
    try await withHouse { house in
      let profile = try await house.profile(email: "zoe@example.org")
      let hold = try await house.hold(profile, [.profileEmail])
      try await house.eraseWhole(profile)
      try await house.tamper("CREATE TABLE public.copy AS SELECT * FROM custody.held_values")
      try await house.custody.releaseHold(hold.id, house.somebody())
      // A data database from before the release, against today's vault.
      try await house.tamper("INSERT INTO custody.held_values SELECT * FROM public.copy")
      try await house.tamper("UPDATE custody.holds SET released_at = NULL")
      await #expect(throws: HoldError(.released)) { try await house.custody.openHold(hold.id, house.somebody()) }
    }
  }

  @Test("a hold whose time has passed is released by housekeeping, and an erasure seals nothing under it")
  func expiry() async throws {
    try await withHouse { house in
      let (first, second) = try await (
        house.profile("One", email: "one@example.org"), house.profile("Two", email: "two@example.org")
      )
      let soon = Microseconds.now() + 3_600_000_000
      let sealed = try await house.hold(first, [.profileEmail], until: soon)
      let waiting = try await house.hold(second, [.profileEmail], until: soon)
      let lasting = try await house.hold(second, [.profileFullName], until: soon + 3_600_000_000)
      try await house.eraseWhole(first)
      let none = try await house.custody.releaseExpiredHolds(in: house.tenant)
      #expect(none == 0)

      try await house.tamper("UPDATE custody.holds SET keep_until = 1 WHERE keep_until = \(soon)")
      try await house.eraseWhole(second)
      await #expect(throws: HoldError(.notSealed)) { try await house.custody.openHold(waiting.id, house.somebody()) }
      let (count, lines) = try await house.added { try await house.custody.releaseExpiredHolds(in: house.tenant) }
      #expect(count == 2)
      #expect(lines.map(\.action) == [.holdReleased, .holdReleased])
      #expect(lines.allSatisfy { $0.record.codes["reason"] == "expired" })
      await #expect(throws: HoldError(.released)) { try await house.custody.openHold(sealed.id, house.somebody()) }
      let values = try await house.custody.openHold(lasting.id, house.somebody())
      #expect(values.map { $0.value.disclosed() } == ["Two"])
    }
  }

  @Test("a hold that is placed after its keys were fetched makes the tombstone wait for the next round")
  func placedInBetween() async throws {
    try await withHouse { house in
      let profile = try await house.profile(email: "zoe@example.org")
      let first = try await house.hold(profile, [.profileEmail])
      let sealing = try await house.custody.holdSealing(of: profile.subject, .operation(house.tenant))
      let second = try await house.hold(profile, [.profileFullName])
      for sealing in [sealing, nil] {
        let stale = try await refusal {
          try await house.custody.operate(.operation(house.tenant)) {
            try $0.tombstone(profile.subject, codes: [:], sealing: sealing)
          }
        }
        #expect(stale == .stale)
      }
      // Nothing has happened.
      let name = try await house.profiles.profile(profile.id, house.somebody()).fullName
      #expect(name == profile.fullName)
      #expect(try await house.number("SELECT count(*) FROM custody.held_values") == 0)

      try await house.eraseWhole(profile)
      for (hold, value) in [(first, "zoe@example.org"), (second, "Zoë Ñandú")] {
        let values = try await house.custody.openHold(hold.id, house.somebody())
        #expect(values.map { $0.value.disclosed() } == [value])
      }
    }
  }

  @Test("holds that are placed while their person is erased are sealed or refused, never lost")
  func placedMeanwhile() async throws {
    try await withHouse { house in
      let profile = try await house.profile(email: "zoe@example.org")
      let request = try await house.orderedErasure(of: profile)
      let placed = try await withThrowingTaskGroup(of: [UUID].self) { group in
        for _ in 0..<3 {
          group.addTask {
            var placed: [UUID] = []
            // Not for ever: an erasure begins again for each hold that comes in between.
            while placed.count < 6 {
              do {
                placed.append(try await house.hold(profile, [.profileEmail]).id)
              } catch let error as CustodyError where error.code == .erased {
                return placed
              }
            }
            return placed
          }
        }
        group.addTask {
          try await eventually { try await house.number("SELECT count(*) FROM custody.holds") >= 3 }
          try await eventually {
            // Another hold since is .stale; the next round has its key.
            try await house.runner().resumeAll() == 0
          }
          return []
        }
        return try await group.reduce([], +)
      }
      #expect(placed.count >= 3)
      let reached = try await house.rights.erasure(of: request, house.somebody())?.step
      #expect(reached == .certified)
      for hold in placed {
        let values = try await house.custody.openHold(hold, house.somebody())
        #expect(values.map { $0.value.disclosed() } == ["zoe@example.org"])
      }
      #expect(try await house.liveHoldKeys() == Int64(placed.count), "refused holds leave no key")
    }
  }

  @Test("a hold whose release has begun is not carried over, and its release ends what it left")
  func halfReleased() async throws {
    try await withHouse { house in
      let profile = try await house.profile(email: "zoe@example.org")
      let (gone, late) = try await (
        house.hold(profile, [.profileEmail], basis: "one"), house.hold(profile, [.profileFullName], basis: "two")
      )
      let keys = HoldKeyStore(pool: house.custody.keyStore.pool)
      try await keys.destroy(gone.id, tenant: house.tenant, at: Microseconds.now())
      // The second one's release begins after its key was fetched: what is sealed under it opens no more.
      let sealing = try await house.custody.holdSealing(of: profile.subject, .operation(house.tenant))
      try await keys.destroy(late.id, tenant: house.tenant, at: Microseconds.now())
      let tombstoned = try await house.custody.operate(.operation(house.tenant)) {
        try $0.tombstone(profile.subject, codes: [:], sealing: sealing)
      }
      #expect(tombstoned)
      await #expect(throws: HoldError(.notSealed)) { try await house.custody.openHold(gone.id, house.somebody()) }
      await #expect(throws: HoldError(.released)) { try await house.custody.openHold(late.id, house.somebody()) }
      for hold in [gone, late] { try await house.custody.releaseHold(hold.id, house.somebody()) }
      #expect(try await house.number("SELECT count(*) FROM custody.held_values") == 0)
      let exempted = try await house.custody.exemptions(of: profile.subject, .operation(house.tenant))
      #expect(exempted == [])
    }
  }

  @Test("in a database from before the erasure, a hold that can't be sealed any more is said, not passed over")
  func keyGoneBefore() async throws {
    try await withHouse { house in
      let profile = try await house.profile(email: "zoe@example.org")
      let hold = try await house.hold(profile, [.profileEmail])
      let commitment = try await house.custody.keyCommitment(of: profile.subject, house.somebody()).commitment
      _ = try await house.custody.destroyKey(of: profile.subject, commitment: commitment, house.somebody())
      let sealing = try await house.custody.holdSealing(of: profile.subject, .operation(house.tenant))
      let (tombstoned, lines) = try await house.added {
        try await house.custody.operate(.operation(house.tenant)) {
          try $0.tombstone(profile.subject, codes: [:], sealing: sealing)
        }
      }
      #expect(tombstoned)
      let line = try #require(lines.first { $0.action == .holdSealed })
      #expect(line.record.outcome == "failed")
      #expect(line.record.codes["reason"] == "key_destroyed")
      await #expect(throws: HoldError(.notSealed)) { try await house.custody.openHold(hold.id, house.somebody()) }
    }
  }

  @Test("a field that doesn't open holds its erasure up until the hold is released: a law is not passed over")
  func unreadableField() async throws {
    try await withHouse { house in
      let profile = try await house.profile(email: "zoe@example.org")
      let hold = try await house.hold(profile, [.profileEmail])
      let request = try await house.orderedErasure(of: profile)
      try await house.tamper("UPDATE user_profiles.profiles SET email_sealed = full_name_sealed")
      let code = try await refusal { try await house.runner().run(request, tenant: house.tenant) }
      #expect(code == .unreadable)
      let step = try await house.rights.erasure(of: request, house.somebody())?.step
      #expect(step == .ordered)
      try await house.custody.releaseHold(hold.id, house.somebody())
      let reached = try await house.runner().run(request, tenant: house.tenant)
      #expect(reached == .certified)
    }
  }

  @Test("a hold without a key in the vault stops its erasure: a finding, never ignored")
  func keyless() async throws {
    try await withHouse { house in
      let profile = try await house.profile(email: "zoe@example.org")
      let hold = try await house.hold(profile, [.profileEmail])
      // As if the vault had been restored from before the hold.
      try await house.tamper("UPDATE custody.holds SET id = \(UUID()) WHERE id = \(hold.id)")
      let code = try await refusal { try await house.custody.holdSealing(of: profile.subject, house.somebody()) }
      #expect(code == .keyMissing)
    }
  }

  @Test("a kept value opens only at its own row and field of its own hold")
  func swapped() async throws {
    try await withHouse { house in
      let profile = try await house.profile("Zoë", email: "zoe@example.org")
      let (first, second) = try await (
        house.hold(profile, [.profileEmail, .profileFullName]), house.hold(profile, [.profileEmail])
      )
      try await house.eraseWhole(profile)
      let sealed: SQL = """
        SELECT hold_id, field, row_id, sealed FROM custody.held_values WHERE hold_id = \(first.id) ORDER BY field
        """
      let values = try await house.admin.read(sealed).map { try $0.decode("sealed", as: [UInt8].self) }
      try #require(values.count == 2)
      let swaps: [SQL] = [
        "UPDATE custody.held_values SET sealed = \(values[0]) WHERE hold_id = \(first.id)",
        "UPDATE custody.held_values SET sealed = \(values[1]) WHERE hold_id = \(second.id)",
        "UPDATE custody.held_values SET row_id = \(UUID()) WHERE hold_id = \(second.id)",
      ]
      for (swap, hold) in zip(swaps, [first, second, second]) {
        let before = try await house.snapshot()["custody.held_values"]
        try await house.tamper("CREATE TABLE public.kept AS SELECT * FROM custody.held_values")
        try await house.tamper(swap)
        let (code, lines) = try await house.added {
          try await refusal { try await house.custody.openHold(hold.id, house.somebody()) }
        }
        #expect(code == .unreadable)
        #expect(lines.isEmpty)
        try await house.tamper("DELETE FROM custody.held_values")
        try await house.tamper("INSERT INTO custody.held_values SELECT * FROM public.kept")
        try await house.tamper("DROP TABLE public.kept")
        let after = try await house.snapshot()["custody.held_values"]
        #expect(after == before)
      }
      let opened = try await house.custody.openHold(second.id, house.somebody())
      #expect(opened.count == 1)
    }
  }

  @Test("a hold is its tenant's own: another one neither sees, opens nor releases it")
  func otherTenant() async throws {
    try await withHouse { house in
      let profile = try await house.profile(email: "zoe@example.org")
      let hold = try await house.hold(profile, [.profileEmail])
      try await house.eraseWhole(profile)
      let other = TenantID(UUID())
      _ = try await house.custody.createTenant(Tenant(id: other, kind: .merchant, name: "Other"))
      let context = AccessContext.operation(other)
      let seen = try await house.custody.holds(releasedToo: true, context)
      #expect(seen.isEmpty)
      let opened = try await refusal { try await house.custody.openHold(hold.id, context) }
      #expect(opened == .notFound)
      let released = try await refusal { try await house.custody.releaseHold(hold.id, context) }
      #expect(released == .notFound)
      let placed = try await refusal {
        try await house.custody.placeHold(
          on: profile.subject, fields: [.profileEmail], basis: "x", keepUntil: nil, context)
      }
      #expect(placed == .notFound)
      let values = try await house.custody.openHold(hold.id, house.somebody())
      #expect(values.map { $0.value.disclosed() } == ["zoe@example.org"])
    }
  }

  @Test("a hold survives the rotation that ends every backup of the person's key")
  func rotated() async throws {
    try await withHouse { house in
      let profile = try await house.profile(email: "zoe@example.org")
      let hold = try await house.hold(profile, [.profileEmail])
      try await house.eraseWhole(profile)
      let outcome = try await house.rotation().run()
      #expect(outcome == .retired(EpochNumber(rawValue: 1)))
      let values = try await house.custody.openHold(hold.id, house.somebody())
      #expect(values.map { $0.value.disclosed() } == ["zoe@example.org"])
    }
  }
}

extension House {
  /// A hold on fields of a profile's person.
  @discardableResult
  func hold(_ profile: Profile, _ fields: [PersonalField], basis: String = "tax_law", until: Int64? = nil) async throws
    -> Hold
  {
    try await custody.placeHold(on: profile.subject, fields: fields, basis: basis, keepUntil: until, somebody())
  }

  /// What the request's certificate exempts, as `field basis`.
  func exempted(_ request: UUID) async throws -> [String] {
    let json = try JSONValue(parsing: try await rights.certificate(of: request, somebody(.subjectRequest)))
    let list = try #require(json["certificate"]?["exempted"]?.array)
    return list.map { "\($0["field"]?.string ?? "") \($0["basis"]?.string ?? "")" }
  }

  /// How many holds' keys are in the vault.
  func liveHoldKeys() async throws -> Int64 {
    let text = try await installation.vault.sql(
      "SELECT count(*) FROM vault.keys WHERE kind = 4 AND destroyed_at IS NULL")
    return try #require(Int64(text.trimmingCharacters(in: .whitespacesAndNewlines)))
  }
}
