import Audit
import Foundation
import Postgres
import Profiles
import Schema
import Testing

@testable import Custody

@Suite("The journal", .serialized)
struct JournalTests {
  @Test("500 reads at once are 500 entries in fewer commits, chained without a gap")
  func many() async throws {
    try await withHouse { house in
      var people: [Profile] = []
      for number in 0..<10 { people.append(try await house.profile("Person \(number)")) }
      let everybody = people
      let (_, lines) = try await house.added {
        try await house.withPatientCustody { custody in
          let profiles = Profiles(custody: custody)
          try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<500 {
              group.addTask {
                let person = everybody[number % 10]
                let read = try await profiles.profile(person.id, house.somebody())
                #expect(read.fullName == person.fullName)
              }
            }
            try await group.waitForAll()
          }
        }
      }
      #expect(lines.count == 500)
      #expect(lines.allSatisfy { $0.action == .personalDataRead })
      for person in people { #expect(lines.filter { $0.record.subject == person.subject.uuid }.count == 50) }
      #expect(Set(lines.map(\.record.actor)).count == 500)
      let first = try #require(lines.first).sequence
      let commits = try await house.number(
        "SELECT count(DISTINCT xmin::text) FROM audit.entries WHERE seq >= \(first)")
      #expect(commits < 250)
      let side = try await house.number("SELECT count(*) FROM audit.entry_subjects WHERE seq >= \(first)")
      #expect(side == 500)
    }
  }

  @Test("reads, writes and refusals at once keep one chain")
  func mixed() async throws {
    try await withHouse { house in
      var people: [Profile] = []
      for number in 0..<5 { people.append(try await house.profile("Person \(number)")) }
      let everybody = people
      let (_, lines) = try await house.added {
        try await withThrowingTaskGroup(of: Void.self) { group in
          for number in 0..<120 {
            group.addTask {
              switch number % 4 {
              case 0: _ = try await house.profiles.profile(everybody[number % 5].id, house.somebody())
              case 1: _ = try await house.profile("New \(number)")
              case 2:
                try await house.custody.note(
                  house.somebody(), .securityRefused, outcome: .denied, codes: ["reason": "scope"])
              default: _ = try await house.profiles.page(ProfileFilter(), after: nil, limit: 3, house.somebody())
              }
            }
          }
          try await group.waitForAll()
        }
      }
      #expect(lines.filter { $0.action == .personalDataRead }.count == 60)
      #expect(lines.filter { $0.action == .profileCreated }.count == 30)
      #expect(lines.filter { $0.action == .securityRefused && $0.record.outcome == "denied" }.count == 30)
    }
  }

  @Test("many tenants at once don't mix")
  func tenants() async throws {
    try await withHouse { house in
      let tenants = (0..<6).map { _ in TenantID(UUID()) }
      for tenant in tenants {
        let created = try await house.custody.createTenant(Tenant(id: tenant, kind: .merchant, name: "Shop"))
        #expect(created)
      }
      try await withThrowingTaskGroup(of: Void.self) { group in
        for (position, tenant) in tenants.enumerated() {
          group.addTask {
            let context = AccessContext(
              tenant: tenant, actor: ActorID(UUID()), purpose: .profileAdministration, requestID: UUID())
            let draft = try ProfileDraft(
              fullName: "Same name", email: "same@example.org", phone: nil, identity: nil, country: nil, language: nil)
            let profile = try await house.profiles.create(draft, context)
            try await withThrowingTaskGroup(of: Void.self) { reads in
              for _ in 0..<(10 + position) {
                reads.addTask { _ = try await house.profiles.profile(profile.id, context) }
              }
              try await reads.waitForAll()
            }
          }
        }
        try await group.waitForAll()
      }
      for (position, tenant) in tenants.enumerated() {
        let lines = try await house.log(of: tenant)
        #expect(lines.first?.action == .logStarted)
        #expect(lines.count == 1 + 2 + 10 + position)
        #expect(Set(lines.dropFirst().map(\.record.subject)).count == 1)
      }
      // The same address has another tag for each of them.
      let tags = try await house.number("SELECT count(DISTINCT tag) FROM custody.lookup_tags")
      #expect(tags == 6)
    }
  }

  @Test("a clock that stands before the last entry is held, and an entry says so first")
  func clockBack() async throws {
    try await withHouse { house in
      let profile = try await house.profile()
      let future = Microseconds.now() + 3_600_000_000
      try await house.tamper("UPDATE audit.heads SET last_time = \(future)")
      let (_, lines) = try await house.added { try await house.profiles.profile(profile.id, house.somebody()) }
      #expect(lines.map(\.action) == [.logClockAdjusted, .personalDataRead])
      #expect(lines.map(\.entry.time) == [future, future])
      let side = try await house.side(of: lines[1].sequence)
      #expect(side.map(\.subject) == [profile.subject])
      let (_, written) = try await house.added { try await house.profile("Next") }
      #expect(written.map(\.action) == [.logClockAdjusted, .keyCreated, .profileCreated])
      #expect(written.allSatisfy { $0.entry.time == future })
    }
  }

  @Test("the positions that a unit is told are those of its own entries")
  func positions() async throws {
    try await withHouse { house in
      for ahead: Int64 in [0, 3_600_000_000] {
        try await house.tamper("UPDATE audit.heads SET last_time = last_time + \(ahead)")
        let (positions, lines) = try await house.added {
          try await house.custody.operate(.operation(house.tenant)) { unit in
            unit.record(.securityRefused, outcome: .denied)
            unit.record(.logRead)
            let positions = try unit.appendEntries()
            // What comes later in the same unit is appended after them.
            unit.record(.logRecovered)
            return positions
          }
        }
        let own: [AuditAction] = [.securityRefused, .logRead]
        #expect(positions == lines.filter { own.contains($0.action) }.map(\.sequence))
        #expect(positions.count == 2)
        #expect(lines.last?.action == .logRecovered)
        #expect(lines.contains { $0.action == .logClockAdjusted } == (ahead > 0))
      }
    }
  }

  @Test("a clock that is behind by less than a second is held without a word")
  func clockSlightlyBack() async throws {
    try await withHouse { house in
      let profile = try await house.profile()
      // Half a second ahead of the time at which the read comes, or already past: never a second.
      let soon = Microseconds.now() + 900_000
      try await house.tamper("UPDATE audit.heads SET last_time = \(soon)")
      let (_, lines) = try await house.added { try await house.profiles.profile(profile.id, house.somebody()) }
      #expect(lines.map(\.action) == [.personalDataRead])
      #expect(lines.allSatisfy { $0.entry.time >= soon })
    }
  }

  @Test("an entry that can't be written is refused to its own caller, not to those in the same commit")
  func poison() async throws {
    try await withHouse { house in
      let profile = try await house.profile()
      try await withThrowingTaskGroup(of: Bool.self) { group in
        try await house.holding(house.headLock) {
          // The first one occupies the journal; the others are one commit after it.
          group.addTask {
            _ = try await house.profiles.profile(profile.id, house.somebody())
            return true
          }
          try await eventually { try await house.waiting("lethe_app") == 1 }
          for number in 0..<10 {
            group.addTask {
              do {
                try await house.custody.read(
                  house.somebody(), of: [profile.subject], codes: number == 4 ? ["bad": "a b"] : [:]
                ) { _ in }
                return true
              } catch let error as AuditError {
                #expect(error.code == .notNeutral)
                return false
              }
            }
          }
          let early = try await group.next()
          #expect(early == false)
        }
        var good = 0
        for try await wasCommitted in group where wasCommitted { good += 1 }
        #expect(good == 10)
      }
      let reads = try await house.log().filter { $0.action == .personalDataRead }
      #expect(reads.count == 10)
    }
  }

  @Test("more reads than the queue holds are refused at once, and those in it are committed")
  func full() async throws {
    try await withHouse { house in
      let journal = ReadJournal(pool: house.custody.data, capacity: 3, batchSize: 2)
      let entry = JournalEntry(
        record: AuditRecord(action: .securityRefused, actor: UUID(), purpose: "operation", requestID: UUID()),
        subjects: [])
      let before = try await house.log().count
      try await withThrowingTaskGroup(of: CustodyError.Code?.self) { group in
        try await house.holding(house.headLock) {
          group.addTask { try await refusal { try await journal.append(entry, tenant: house.tenant) } }
          try await eventually { try await house.waiting("lethe_app") == 1 }
          for _ in 0..<5 {
            group.addTask { try await refusal { try await journal.append(entry, tenant: house.tenant) } }
          }
          let early = try await [group.next(), group.next()]
          #expect(early == [.unavailable, .unavailable])
        }
        for try await code in group { #expect(code == nil) }
      }
      let after = try await house.log().count
      #expect(after == before + 4)
    }
  }

  @Test(
    "no role may change, delete or cut off entries, not even their owner",
    arguments: [
      "UPDATE audit.entries SET entry = '\\x00'", "DELETE FROM audit.entries", "TRUNCATE audit.entries CASCADE",
      "TRUNCATE audit.entries_0", "DELETE FROM audit.entries_0",
    ])
  func appendOnly(_ statement: String) async throws {
    try await withHouse { house in
      for role in ["lethe_app", "lethe_worker", "lethe_owner", "postgres"] {
        let before = try await house.number("SELECT count(*) FROM audit.entries")
        _ = try? await house.installation.data.sql(
          (role == "postgres" ? "" : "SET ROLE \(role);") + "SET app.tenant_id = '\(house.tenant)'; \(statement)")
        let after = try await house.number("SELECT count(*) FROM audit.entries")
        #expect(after == before)
        #expect(before > 0)
      }
      _ = try await house.log()
    }
  }
}
