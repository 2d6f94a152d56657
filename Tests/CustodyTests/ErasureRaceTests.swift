import Audit
import Foundation
import Postgres
import Profiles
import Redaction
import Schema
import SubjectRights
import Synchronization
import Testing
import Vault

@testable import Custody

@Suite("Reads and writes against an erasure", .serialized)
struct ErasureRaceTests {
  @Test("no reader gets anything that was asked for after the tombstone's commit")
  func readers() async throws {
    try await withHouse { house in
      let profile = try await house.profile(email: "a@example.org")
      let others = try await [house.profile("Other 1"), house.profile("Other 2")]
      let request = try await house.orderedErasure(of: profile)
      let tombstoned = Flag()
      let reads = Counter()

      let after = try await withThrowingTaskGroup(of: Int.self) { group in
        for number in 0..<6 {
          group.addTask {
            var late = 0
            var refused = 0
            // A few rounds beyond the first refusal, since it has to stay refused.
            while refused < 5 {
              let wasTombstoned = tombstoned.isSet
              let gotIt: Bool
              if number.isMultiple(of: 2) {
                gotIt = try await refusal { try await house.profiles.profile(profile.id, house.somebody()) } == nil
              } else {
                let page = try await house.profiles.page(ProfileFilter(), after: nil, limit: 50, house.somebody())
                #expect(Set(others.map(\.id)).isSubset(of: page.profiles.map(\.id)))
                gotIt = page.profiles.contains { $0.id == profile.id }
              }
              if gotIt { reads.add() } else { refused += 1 }
              if gotIt && (wasTombstoned || refused > 0) { late += 1 }
            }
            return late
          }
        }
        group.addTask {
          try await eventually { reads.value >= 20 }
          let runner = house.runner { step in if step >= .tombstoned { tombstoned.set() } }
          let reached = try await runner.run(request, tenant: house.tenant)
          #expect(reached == .certified)
          return 0
        }
        return try await group.reduce(0, +)
      }
      #expect(after == 0)
      #expect(reads.value >= 20)

      let lines = try await house.log()
      let started = try #require(lines.first { $0.action == .erasureStarted }).sequence
      let own = lines.filter { $0.action == .personalDataRead && $0.record.subject == profile.subject.uuid }
      #expect(!own.isEmpty)
      #expect(own.allSatisfy { $0.sequence < started })
      // Nobody is listed any more, and what is listed later lists the others only.
      let listed = try await house.number(
        "SELECT count(*) FROM audit.entry_subjects WHERE subject_id = \(profile.subject.uuid)")
      #expect(listed == 0)
      let pages = lines.filter { $0.action == .personalDataRead && $0.sequence > started }
      #expect(pages.allSatisfy { $0.record.subjectCount == 2 })
    }
  }

  @Test("a read that opened before the tombstone and commits after it gets nothing")
  func inBetween() async throws {
    try await withHouse { house in
      let profile = try await house.profile()
      let rows = try await house.custody.rows(
        "SELECT full_name_sealed FROM user_profiles.profiles WHERE id = \(profile.id)", house.somebody())
      let sealed = try #require(rows.first).decode("full_name_sealed", as: [UInt8].self)
      let opened = Flag()
      let code = try await withTaskExecutorPreference(OwnThread()) {
        try await refusal {
          try await house.custody.read(house.somebody(), of: [profile.subject]) { opener in
            let name = try opener.open(sealed, as: .profileFullName, row: profile.id, of: profile.subject)
            if name == profile.fullName { opened.set() }
            let done = DispatchSemaphore(value: 0)
            Task.detached {
              let isFirst = try? await house.tombstone(profile.subject)
              #expect(isFirst == true)
              done.signal()
            }
            done.wait()
            return name
          }
        }
      }
      #expect(opened.isSet)
      #expect(code == .erased)
      let lines = try await house.log()
      #expect(lines.last?.action == .erasureStarted)
      #expect(!lines.contains { $0.action == .personalDataRead })
    }
  }

  @Test("a read that waits for the log while the tombstone is committed gets nothing; others of its commit do")
  func inTheQueue() async throws {
    try await withHouse { house in
      let profile = try await house.profile()
      let other = try await house.profile("Other")
      try await withThrowingTaskGroup(of: (SubjectID, CustodyError.Code?).self) { group in
        try await house.holding(house.headLock) {
          for person in [profile, other, profile, other] {
            group.addTask {
              (person.subject, try await refusal { try await house.profiles.profile(person.id, house.somebody()) })
            }
          }
          try await eventually { try await house.waiting("lethe_app") > 0 }
          // As another replica's tombstone would have it, were it committed before the head was free.
          let marked = try await house.tamper(
            "UPDATE custody.subjects SET state = 'erasing', erasing_at = 1 WHERE subject_id = \(profile.subject.uuid)")
          #expect(marked == 1)
        }
        for try await (subject, code) in group {
          #expect(code == (subject == profile.subject ? .erased : nil))
        }
      }
      let reads = try await house.log().filter { $0.action == .personalDataRead }
      #expect(reads.map(\.record.subject) == [other.subject.uuid, other.subject.uuid])
    }
  }

  @Test("a write that names an erased subject under the head is undone")
  func writeInTheQueue() async throws {
    try await withHouse { house in
      let profile = try await house.profile()
      try await house.tombstone(profile.subject)
      let before = try await house.snapshot()
      let code = try await refusal {
        // Declares nobody, so nothing stops it before its entry.
        try await house.custody.write(house.somebody()) { unit in
          unit.record(.profileUpdated, subject: profile.subject)
        }
      }
      #expect(code == .erased)
      let after = try await house.snapshot()
      #expect(after == before)
    }
  }

  @Test("a writer holds the subject: the erasure waits for its commit and takes what it wrote along")
  func writerFirst() async throws {
    try await withHouse { house in
      let profile = try await house.profile(email: "old@example.org")
      let request = try await house.orderedErasure(of: profile)
      let (inside, continuation) = AsyncStream<Void>.makeStream()
      let release = DispatchSemaphore(value: 0)
      async let written: Void = house.custody.write(house.somebody(), subjects: .existing([profile.subject])) { unit in
        // Before anything is written: it is held because it was declared.
        continuation.finish()
        release.wait()
        try unit.claim(
          Personal("late@example.org"), as: .phone, field: .profilePhone, row: profile.id, of: profile.subject)
        unit.record(.profileUpdated, subject: profile.subject, fields: [.profilePhone])
      }
      for await _ in inside {}
      async let erased = house.runner().run(request, tenant: house.tenant)
      try await eventually { try await house.waiting("lethe_worker") > 0 }
      let progress = try await house.rights.erasure(of: request, house.somebody())
      #expect(progress?.step == .ordered)
      release.signal()
      try await written
      let reached = try await erased
      #expect(reached == .certified)
      let lines = try await house.log()
      let updated = try #require(lines.last { $0.action == .profileUpdated }).sequence
      let started = try #require(lines.first { $0.action == .erasureStarted }).sequence
      #expect(updated < started)
      let tags = try await house.number("SELECT count(*) FROM custody.lookup_tags")
      #expect(tags == 0)
      let moved = try await house.number("SELECT count(*) FROM custody.erased_tags")
      #expect(moved == 2)
      try await house.expectErasedOnce(request, of: profile.subject)
    }
  }

  @Test("a change that races an erasure leaves no tag, no linkable value and no later entry behind, 100 times over")
  func patches() async throws {
    try await withHouse { house in
      let outcomes = try await withThrowingTaskGroup(of: Bool.self) { group in
        var outcomes: [Bool] = []
        for round in 0..<100 {
          // A few at a time, so that they are about the race and not about waiting for a connection.
          if round >= 8, let wasChanged = try await group.next() { outcomes.append(wasChanged) }
          group.addTask {
            let profile = try await house.profile("Person \(round)", email: "old\(round)@example.org")
            async let changed = refusal {
              try await house.profiles.change(
                profile.id, try house.patch(email: "new\(round)@example.org"), version: 1, house.somebody())
            }
            async let first = house.tombstone(profile.subject)
            let code = try await changed
            #expect(try await first)
            #expect(code == nil || code == .erased)
            return code == nil
          }
        }
        return try await group.reduce(into: outcomes) { $0.append($1) }
      }
      #expect(outcomes.count == 100)
      let tags = try await house.number("SELECT count(*) FROM custody.lookup_tags")
      #expect(tags == 0)
      let linkable = try await house.number(
        "SELECT count(*) FROM user_profiles.profiles WHERE country IS NOT NULL OR language IS NOT NULL")
      #expect(linkable == 0)
      // What was claimed at the time of the tombstone, and nothing else, is remembered.
      let erased = try await house.number("SELECT count(*) FROM custody.erased_tags")
      #expect(erased == 100)
      let lines = try await house.log()
      var started: [UUID: Int64] = [:]
      for line in lines where line.action == .erasureStarted {
        started[try #require(line.record.subject)] = line.sequence
      }
      #expect(started.count == 100)
      for line in lines where line.action != .erasureStarted {
        guard let subject = line.record.subject, let limit = started[subject] else { continue }
        #expect(line.sequence < limit)
      }
      #expect(lines.filter { $0.action == .profileUpdated }.count == outcomes.filter { $0 }.count)
      let side = try await house.number("SELECT count(*) FROM audit.entry_subjects")
      #expect(side == 0)
    }
  }

  @Test("two tombstones at once: one is made")
  func twoTombstones() async throws {
    try await withHouse { house in
      let profile = try await house.profile()
      let firsts = try await withThrowingTaskGroup(of: Bool.self) { group in
        for _ in 0..<6 { group.addTask { try await house.tombstone(profile.subject) } }
        return try await group.reduce(into: []) { $0.append($1) }
      }
      #expect(firsts.filter { $0 }.count == 1)
      let entries = try await house.log().filter { $0.action == .erasureStarted }
      #expect(entries.count == 1)
    }
  }

  @Test("a package that is fetched while its subject is erased is not released")
  func packages() async throws {
    try await withHouse { house in
      let profile = try await house.profile()
      let request = try await house.open(.access, profile)
      _ = try await house.rights.verify(request.id, by: .login, house.somebody())
      _ = try await house.rights.execute(request.id, house.somebody())
      let (bytes, lines) = try await house.added { try await house.rights.package(of: request.id, house.somebody()) }
      #expect(!bytes.isEmpty)
      #expect(lines.map(\.action) == [.exportDownloaded])
      #expect(lines.first?.record.fields == ["access_package"])
      let code = try await withThrowingTaskGroup(of: CustodyError.Code?.self) { group in
        try await house.holding(house.headLock) {
          group.addTask { try await refusal { try await house.rights.package(of: request.id, house.somebody()) } }
          try await eventually { try await house.waiting("lethe_app") > 0 }
          try await house.tamper("UPDATE custody.subjects SET state = 'erasing', erasing_at = 1")
        }
        return try await group.next() ?? nil
      }
      #expect(code == .erased)
    }
  }
}

final class Flag: Sendable {
  private let flag = Mutex(false)
  var isSet: Bool { flag.withLock { $0 } }
  func set() { flag.withLock { $0 = true } }
}

final class Counter: Sendable {
  private let count = Mutex(0)
  var value: Int { count.withLock { $0 } }
  func add() { count.withLock { $0 += 1 } }
}
