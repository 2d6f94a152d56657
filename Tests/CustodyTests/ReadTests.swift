import Audit
import Foundation
import Postgres
import Profiles
import Redaction
import Schema
import Signing
import Testing
import Vault

@testable import Custody

@Suite("A read", .serialized)
struct ReadTests {
  @Test("of one person adds one entry that names the subject, the fields, the actor and the purpose")
  func one() async throws {
    try await withHouse { house in
      let profile = try await house.profile(email: "a@example.org")
      let context = house.somebody(.subjectRequest)
      let (read, lines) = try await house.added { try await house.profiles.profile(profile.id, context) }
      #expect(read.fullName == profile.fullName)
      #expect(lines.map(\.action) == [.personalDataRead])
      let record = try #require(lines.first).record
      #expect(record.subject == profile.subject.uuid)
      #expect(record.fields == ["full_name", "email"])
      #expect(record.actor == context.actor.uuid)
      #expect(record.purpose == "subject_request")
      #expect(record.subjectCount == nil)
      #expect(record.subjectRoot == nil)
      let side = try await house.side(of: lines[0].sequence)
      #expect(side.map(\.subject) == [profile.subject])
    }
  }

  @Test("of a page of many adds exactly one entry, bound by its root to the side table")
  func page() async throws {
    try await withHouse { house in
      var people: [Profile] = []
      for number in 0..<7 {
        people.append(try await house.profile("Person \(number)", email: "p\(number)@example.org"))
      }
      let (page, lines) = try await house.added {
        try await house.profiles.page(ProfileFilter(), after: nil, limit: 200, house.somebody())
      }
      #expect(Set(page.profiles.map(\.id)) == Set(people.map(\.id)))
      #expect(lines.map(\.action) == [.personalDataRead])
      let line = try #require(lines.first)
      #expect(line.record.subject == nil)
      #expect(line.record.subjectCount == 7)
      let side = try await house.side(of: line.sequence)
      #expect(side.map(\.subject) == people.map(\.subject).sorted())
      #expect(Set(side.map(\.salt)).count == 7)
      let leaves = side.map { row -> SHA256Digest in
        MerkleTree.leafHash(row.salt + withUnsafeBytes(of: row.subject.uuid.uuid) { Array($0) })
      }
      #expect(line.record.subjectRoot == MerkleTree.root(of: leaves))
      let body = String(decoding: line.entry.body, as: UTF8.self)
      for person in people { #expect(!body.contains(person.subject.description)) }
      // Each of them is told of it.
      for person in people {
        let touches = try await house.custody.touches(of: person.subject, limit: 10, house.somebody())
        #expect(touches.last?.action == "personal_data.read")
        #expect(touches.last?.time == line.entry.time)
      }
    }
  }

  @Test("that finds nobody opens nothing and adds nothing")
  func emptyPage() async throws {
    try await withHouse { house in
      let (page, lines) = try await house.added {
        try await house.profiles.page(ProfileFilter(status: .locked), after: nil, limit: 10, house.somebody())
      }
      #expect(page.profiles.isEmpty)
      #expect(lines.isEmpty)
    }
  }

  @Test("a look-up by tag adds no entry; a search is in the log, hit or miss, without its value")
  func searches() async throws {
    try await withHouse { house in
      let profile = try await house.profile(email: "known@example.org")
      let (found, none) = try await house.added {
        try await house.custody.lookUp(Personal("known@example.org"), as: .email, house.somebody())
      }
      #expect(found?.row == profile.id)
      #expect(found?.subject == profile.subject)
      #expect(none.isEmpty)
      let (missed, miss) = try await house.added {
        try await house.profiles.search(.email(Personal("unknown@example.org")), house.somebody())
      }
      #expect(missed.isEmpty)
      #expect(miss.map(\.action) == [.personalDataSearched])
      #expect(miss.first?.record.codes == ["by": "email", "hits": "0"])
      #expect(miss.first?.record.subject == nil)
      let (hits, hit) = try await house.added {
        try await house.profiles.search(.email(Personal("known@example.org")), house.somebody())
      }
      #expect(hits.map(\.id) == [profile.id])
      #expect(hit.map(\.action) == [.personalDataSearched])
      #expect(hit.first?.record.codes == ["by": "email", "hits": "1"])
      #expect(hit.first?.record.subject == profile.subject.uuid)
      let everything = try await house.log().map { String(decoding: $0.entry.body, as: UTF8.self) }.joined()
      #expect(!everything.contains("example.org"))
    }
  }

  enum Fault: String, CaseIterable {
    case headHeld
    case insertRevoked
    case sideTableRevoked
    case sessionEnded
    case headGone
  }

  /// Makes the log unwritable while `body` runs.
  private func with<Result: Sendable>(
    _ fault: Fault, _ house: House, _ body: @escaping @Sendable () async throws -> Result
  ) async throws -> Result {
    func script(_ breaking: String, _ mending: String) async throws -> Result {
      try await house.installation.data.sql(breaking)
      do {
        let result = try await body()
        try await house.installation.data.sql(mending)
        return result
      } catch {
        try await house.installation.data.sql(mending)
        throw error
      }
    }
    switch fault {
    case .headHeld: return try await house.holding(house.headLock) { try await body() }
    case .insertRevoked:
      return try await script(
        "REVOKE INSERT ON audit.entries FROM lethe_app", "GRANT INSERT ON audit.entries TO lethe_app")
    case .sideTableRevoked:
      return try await script(
        "REVOKE INSERT ON audit.entry_subjects FROM lethe_app", "GRANT INSERT ON audit.entry_subjects TO lethe_app")
    case .headGone:
      return try await script(
        "ALTER TABLE audit.heads RENAME TO heads_gone", "ALTER TABLE audit.heads_gone RENAME TO heads")
    case .sessionEnded:
      return try await house.holding(house.headLock) {
        async let result = body()
        try await eventually {
          try await house.number(
            """
            SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
            WHERE datname = current_database() AND usename = 'lethe_app' AND wait_event_type = 'Lock'
            """) > 0
        }
        return try await result
      }
    }
  }

  @Test("releases nothing when its entry can't be committed, whatever was opened", arguments: Fault.allCases)
  func logUnwritable(_ fault: Fault) async throws {
    try await withHouse { house in
      let profile = try await house.profile()
      let rows = try await house.admin.read(
        "SELECT full_name_sealed FROM user_profiles.profiles WHERE id = \(profile.id)")
      let sealed = try #require(rows.first).decode("full_name_sealed", as: [UInt8].self)
      try await house.withImpatientCustody { custody in
        let opened = Flag()
        let before = try await house.log().count
        let code = try await with(fault, house) {
          try await refusal {
            try await custody.read(house.somebody(), of: [profile.subject]) { opener in
              let name = try opener.open(sealed, as: .profileFullName, row: profile.id, of: profile.subject)
              if name == profile.fullName { opened.set() }
              return name
            }
          }
        }
        #expect(opened.isSet)
        #expect(code == .unavailable)
        let between = try await house.log().count
        #expect(between == before)
        // It works again by itself once the log does.
        let name = try await custody.read(house.somebody(), of: [profile.subject]) {
          try $0.open(sealed, as: .profileFullName, row: profile.id, of: profile.subject)
        }
        #expect(name == profile.fullName)
        let after = try await house.log()
        #expect(after.count == before + 1)
        #expect(after.last?.action == .personalDataRead)
      }
    }
  }

  @Test("a write changes nothing when its entries can't be committed", arguments: Fault.allCases)
  func writeUnwritable(_ fault: Fault) async throws {
    try await withHouse { house in
      let profile = try await house.profile(email: "a@example.org")
      try await house.withImpatientCustody { custody in
        let profiles = Profiles(custody: custody)
        let before = try await house.snapshot()
        let failed = try await with(fault, house) { () -> (any Error)? in
          do {
            _ = try await profiles.change(
              profile.id, try house.patch(email: "b@example.org"), version: 1, house.somebody())
            return nil
          } catch {
            return error
          }
        }
        #expect(failed != nil)
        switch fault {
        case .headHeld, .sessionEnded: #expect((failed as? CustodyError)?.code == .unavailable)
        case .insertRevoked, .sideTableRevoked: #expect((failed as? PostgresError)?.isPermissionDenied == true)
        case .headGone: #expect((failed as? PostgresError)?.sqlState == "42P01")
        }
        let after = try await house.snapshot()
        #expect(after == before)
      }
    }
  }

  @Test("releases nothing when the vault can't be reached")
  func vaultGone() async throws {
    try await withHouse { house in
      let profile = try await house.profile()
      let before = try await house.log().count
      await house.custody.keyStore.pool.shutdown()
      let code = try await refusal { try await house.profiles.profile(profile.id, house.somebody()) }
      #expect(code == .unavailable)
      let after = try await house.log().count
      #expect(after == before)
    }
  }

  @Test("of a row whose subject has no key in the vault is refused as a finding of its own")
  func keyMissing() async throws {
    try await withHouse { house in
      let profile = try await house.profile()
      try await house.installation.vault.sql(
        "SET session_replication_role = replica; DELETE FROM vault.keys WHERE key_id = '\(profile.subject)'")
      let code = try await refusal { try await house.profiles.profile(profile.id, house.somebody()) }
      #expect(code == .keyMissing)
    }
  }
}
