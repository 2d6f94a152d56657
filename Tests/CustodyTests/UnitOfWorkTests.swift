import Audit
import Foundation
import Postgres
import Profiles
import Redaction
import Schema
import ServiceTesting
import Testing
import Vault

@testable import Custody

@Suite("A unit of work", .serialized)
struct UnitOfWorkTests {
  private func scope(_ context: AccessContext) -> IdempotencyScope {
    IdempotencyScope(client: "client", actor: context.actor, operation: "POST /profiles", key: "k1")
  }

  private func proceed(_ house: House, _ context: AccessContext) async throws -> IdempotencyClaim {
    let outcome = try await house.custody.claim(scope(context), payload: [1], context)
    guard case .proceed(let claim) = outcome else { throw Thrown() }
    return claim
  }

  @Test("a write commits rows, tags, entries and the kept answer together")
  func together() async throws {
    try await withHouse { house in
      let context = house.somebody()
      let claim = try await proceed(house, context)
      let (profile, lines) = try await house.added {
        try await house.profile(
          email: "zoe@example.org", phone: "+51999000111", identity: "sub-1", context,
          answering: Answering(claim: claim) { profile in
            KeptAnswer(status: 201, headers: ["etag": "\"1\""], body: Array(profile.fullName.disclosed().utf8))
          })
      }
      #expect(lines.map(\.action) == [.keyCreated, .profileCreated])
      #expect(lines.map(\.record.actor) == [context.actor.uuid, context.actor.uuid])
      #expect(lines.map(\.record.requestID) == [context.requestID, context.requestID])
      #expect(lines.map(\.record.subject) == [profile.subject.uuid, profile.subject.uuid])
      #expect(lines.last?.record.fields == ["full_name", "email", "phone", "identity"])
      let tags = try await house.number(
        "SELECT count(*) FROM custody.lookup_tags WHERE subject_id = \(profile.subject.uuid)")
      #expect(tags == 3)
      let rows = try await house.number(
        "SELECT count(*) FROM user_profiles.profiles WHERE id = \(profile.id) AND version = 1")
      #expect(rows == 1)
      guard case .replay(let kept) = try await house.custody.claim(scope(context), payload: [1], context) else {
        Issue.record("the answer was not kept")
        return
      }
      #expect(kept == KeptAnswer(status: 201, headers: ["etag": "\"1\""], body: Array("Zoë Ñandú".utf8)))
    }
  }

  enum Failure: String, CaseIterable {
    case thrownByTheBody
    case aCodeThatIsTooLong
    case anEntryThatIsTooLarge
    case aStatementThatFails
    case aTagThatIsTaken
    case aClaimThatWasLost
    case anEntryTableThatRefuses
  }

  @Test("of a write that fails anywhere nothing remains but a key that nobody uses", arguments: Failure.allCases)
  func nothingRemains(_ failure: Failure) async throws {
    try await withHouse { house in
      let context = house.somebody()
      let claim = try await proceed(house, context)
      _ = try await house.profile(email: "taken@example.org")
      switch failure {
      case .aClaimThatWasLost:
        try await house.tamper("UPDATE custody.idempotency SET fence = \(UUID())")
      case .anEntryTableThatRefuses:
        try await house.installation.data.sql("REVOKE INSERT ON audit.entry_subjects FROM lethe_app")
      default: break
      }
      let before = try await house.snapshot()
      let keys = try await liveSubjectKeys(house)

      var failed: (any Error)?
      do {
        try await house.custody.write(context, subjects: .creating) { unit in
          let subject = try unit.newSubject()
          let row = UUID()
          try unit.claim(Personal("new@example.org"), as: .email, field: .profileEmail, row: row, of: subject)
          try unit.database.execute(
            """
            INSERT INTO user_profiles.profiles
              (tenant_id, id, subject_id, status, full_name_sealed, version, created_at, updated_at)
            VALUES (\(context.tenant.uuid), \(row), \(subject.uuid), 'pending',
                    \(try unit.seal(Personal("Zoë"), as: .profileFullName, row: row, of: subject)), 1, 1, 1)
            """)
          unit.record(.profileCreated, subject: subject, fields: [.profileFullName])
          let answering = Answering<Int>(claim: claim) { _ in KeptAnswer(status: 201, body: [1]) }
          switch failure {
          case .thrownByTheBody:
            try unit.keep(1, answering, personal: subject)
            throw Thrown()
          case .aCodeThatIsTooLong:
            unit.record(.profileUpdated, subject: subject, codes: ["from": String(repeating: "a", count: 257)])
          case .anEntryThatIsTooLarge:
            unit.record(
              .profileUpdated, subject: subject,
              codes: Dictionary(uniqueKeysWithValues: (0..<300).map { ("c\($0)", String(repeating: "a", count: 250)) }))
          case .aStatementThatFails:
            try unit.database.execute("INSERT INTO custody.tenants (id, kind, name, created_at) SELECT NULL, '', '', 1")
          case .aTagThatIsTaken:
            try unit.claim(Personal("taken@example.org"), as: .email, field: .profileEmail, row: row, of: subject)
          case .aClaimThatWasLost: try unit.keep(1, answering, personal: subject)
          case .anEntryTableThatRefuses: break
          }
          try unit.keep(1, answering, personal: subject)
        }
      } catch {
        failed = error
      }
      switch failure {
      case .thrownByTheBody: #expect(failed is Thrown)
      case .aCodeThatIsTooLong: #expect((failed as? AuditError)?.code == .notNeutral)
      case .anEntryThatIsTooLarge: #expect((failed as? AuditError)?.code == .tooLarge)
      case .aStatementThatFails, .anEntryTableThatRefuses:
        #expect((failed as? PostgresError)?.isPermissionDenied == true)
      case .aTagThatIsTaken: #expect(failed as? CustodyError == CustodyError(.taken, field: "email"))
      case .aClaimThatWasLost: #expect((failed as? CustodyError)?.code == .fenced)
      }
      let after = try await house.snapshot()
      #expect(after == before)
      // The key that was made first is there, and is nobody's.
      let newKeys = try await liveSubjectKeys(house).subtracting(keys)
      #expect(newKeys.count == 1)
      let subjects = try await house.number(
        "SELECT count(*) FROM custody.subjects WHERE subject_id = ANY(\(Array(newKeys)))")
      #expect(subjects == 0)
      _ = try await house.log()
    }
  }

  private func liveSubjectKeys(_ house: House) async throws -> Set<UUID> {
    let text = try await house.installation.vault.sql(
      "SELECT key_id FROM vault.keys WHERE kind = 1 AND destroyed_at IS NULL")
    return Set(text.split(separator: "\n").compactMap { UUID(uuidString: String($0)) })
  }

  @Test("opening a field in a write adds a read to the log, with the fields that were opened")
  func openingIsReading() async throws {
    try await withHouse { house in
      let profile = try await house.profile(email: "a@example.org", phone: "+51999000111")
      let context = house.somebody()
      let (_, lines) = try await house.added {
        try await house.profiles.change(
          profile.id, try house.patch(email: "b@example.org"), version: profile.version, context)
      }
      #expect(lines.map(\.action) == [.profileUpdated, .personalDataRead])
      #expect(lines.map(\.record.fields) == [["email"], ["full_name", "email", "phone"]])
      #expect(lines.map(\.record.subject) == [profile.subject.uuid, profile.subject.uuid])
      #expect(lines.last?.record.actor == context.actor.uuid)
    }
  }

  @Test("a field opened in a write that fails is not released and not in the log")
  func openedInVain() async throws {
    try await withHouse { house in
      let profile = try await house.profile(email: "a@example.org")
      let (code, lines) = try await house.added {
        try await refusal {
          try await house.profiles.change(
            profile.id, try house.patch(email: "b@example.org"), version: profile.version + 1, house.somebody())
        }
      }
      #expect(code == .stale)
      #expect(lines.isEmpty)
    }
  }

  @Test("a field of a subject that the unit did not declare can't be opened")
  func undeclared() async throws {
    try await withHouse { house in
      let profile = try await house.profile()
      let other = try await house.profile("Somebody else")
      let rows = try await house.admin.read(
        "SELECT full_name_sealed FROM user_profiles.profiles WHERE id = \(profile.id)")
      let sealed = try #require(rows.first).decode("full_name_sealed", as: [UInt8].self)
      let (code, lines) = try await house.added {
        try await refusal {
          try await house.custody.write(house.somebody(), subjects: .existing([other.subject])) { unit in
            try unit.open(sealed, as: .profileFullName, row: profile.id, of: profile.subject)
          }
        }
      }
      #expect(code == .keyMissing)
      #expect(lines.isEmpty)
    }
  }

  @Test("a field moved to another row, field or subject does not open")
  func moved() async throws {
    try await withHouse { house in
      let profile = try await house.profile()
      let other = try await house.profile("Somebody else")
      let rows = try await house.admin.read(
        "SELECT full_name_sealed FROM user_profiles.profiles WHERE id = \(profile.id)")
      let sealed = try #require(rows.first).decode("full_name_sealed", as: [UInt8].self)
      let places: [(PersonalField, UUID, SubjectID)] = [
        (.profileEmail, profile.id, profile.subject), (.profileFullName, other.id, profile.subject),
        (.profileFullName, profile.id, other.subject),
      ]
      let (_, lines) = try await house.added {
        for (field, row, subject) in places {
          let code = try await refusal {
            try await house.custody.read(house.somebody(), of: [subject]) {
              try $0.open(sealed, as: field, row: row, of: subject)
            }
          }
          #expect(code == .unreadable)
        }
      }
      #expect(lines.isEmpty)
    }
  }

  @Test("two changes of the same version: one is made, the other is stale, and the log says one")
  func sameVersion() async throws {
    try await withHouse { house in
      let profile = try await house.profile(email: "a@example.org")
      let (codes, lines) = try await house.added {
        try await withThrowingTaskGroup(of: CustodyError.Code?.self) { group in
          for number in 0..<8 {
            group.addTask {
              try await refusal {
                try await house.profiles.change(
                  profile.id, try house.patch(email: "n\(number)@example.org"), version: 1, house.somebody())
              }
            }
          }
          return try await group.reduce(into: []) { $0.append($1) }
        }
      }
      #expect(codes.filter { $0 == nil }.count == 1)
      #expect(codes.filter { $0 == .stale }.count == 7)
      #expect(lines.filter { $0.action == .profileUpdated }.count == 1)
      let tags = try await house.number(
        "SELECT count(*) FROM custody.lookup_tags WHERE subject_id = \(profile.subject.uuid)")
      #expect(tags == 1)
    }
  }

  @Test("an address claimed by many at once belongs to one of them")
  func claimedAtOnce() async throws {
    try await withHouse { house in
      let codes = try await withThrowingTaskGroup(of: CustodyError.Code?.self) { group in
        for number in 0..<10 {
          group.addTask {
            try await refusal { try await house.profile("Person \(number)", email: "one@example.org") }
          }
        }
        return try await group.reduce(into: []) { $0.append($1) }
      }
      #expect(codes.filter { $0 == nil }.count == 1)
      #expect(codes.filter { $0 == .taken }.count == 9)
      let rows = try await house.number("SELECT count(*) FROM user_profiles.profiles")
      #expect(rows == 1)
    }
  }

  @Test("two that want each other's address are told to try again or that it is taken, never left waiting")
  func crossed() async throws {
    try await withHouse { house in
      let first = try await house.profile(email: "a@example.org", phone: "+51999000111")
      let second = try await house.profile(email: "b@example.org", phone: "+51999000222")
      let barrier = DispatchSemaphore(value: 0)
      let own = DispatchSemaphore(value: 0)
      // Each claims one value, waits for the other, and then wants what the other has claimed.
      func attempt(
        _ profile: Profile, _ values: [String], signal: DispatchSemaphore, wait: DispatchSemaphore
      ) async throws -> CustodyError.Code? {
        try await refusal {
          try await house.custody.write(house.somebody(), subjects: .existing([profile.subject])) { unit in
            try unit.claim(
              Personal(values[0]), as: .email, field: .profileEmail, row: profile.id, of: profile.subject)
            signal.signal()
            wait.wait()
            try unit.claim(
              Personal(values[1]), as: .email, field: .profileEmail, row: profile.id, of: profile.subject)
          }
        }
      }
      async let one = attempt(first, ["x@example.org", "y@example.org"], signal: own, wait: barrier)
      async let two = attempt(second, ["y@example.org", "x@example.org"], signal: barrier, wait: own)
      let codes = try await [one, two]
      #expect(codes.contains(.unavailable))
      #expect(codes.contains(nil))
    }
  }

  @Test("a tenant that is not ours has no unit of work")
  func unknownTenant() async throws {
    try await withHouse { house in
      let context = AccessContext.operation(TenantID(UUID()))
      let written = try await refusal { try await house.custody.write(context) { _ in } }
      #expect(written == .unknownTenant)
      let noted = try await refusal {
        try await house.custody.note(context, .securityRefused, outcome: .denied, codes: [:])
      }
      #expect(noted == .unknownTenant)
    }
  }
}
