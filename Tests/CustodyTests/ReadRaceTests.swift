import Audit
import Foundation
import Postgres
import Profiles
import Synchronization
import Testing

@testable import Custody

@Suite("Ten thousand readings, each racing the erasure of its person", .serialized)
struct ReadRaceTests {
  private static let people = 1_000
  private static let readsEach = 10

  /// One reading as its caller saw it.
  private struct Reading: Sendable {
    let request: UUID
    let subject: SubjectID
    /// Whether the erasure's commit was known before the reading was asked for.
    let wasErased: Bool
    /// Whether the plaintext came.
    let got: Bool
  }

  /// Who is known to be erased: set the moment that the commit is.
  private final class Erased: Sendable {
    private let subjects = Mutex<Set<SubjectID>>([])
    func insert(_ subject: SubjectID) { subjects.withLock { _ = $0.insert(subject) } }
    func contains(_ subject: SubjectID) -> Bool { subjects.withLock { $0.contains(subject) } }
  }

  @Test("no plaintext leaves after the erasure's commit: by what callers saw, and by the order of the log")
  func race() async throws {
    try await withHouse { house in
      try await house.withPatientCustody { custody in
        let people = try await create(Self.people, house, custody)
        let erased = Erased()
        let readings = try await readAndErase(people, house, custody, erased)
        #expect(readings.count == Self.people * Self.readsEach)

        // What a caller can know: whoever asks after the commit gets nothing.
        #expect(!readings.contains { $0.wasErased && $0.got })
        // Both happened often, or it was no race.
        let released = readings.count { $0.got }
        #expect(released > readings.count / 100)
        #expect(readings.count - released > readings.count / 100)

        // What the log says, which is the order of the commits: the answer's entry before the erasure's, always.
        var erasures: [UUID: Int64] = [:]
        var reads: [UUID: Int64] = [:]
        for line in try await house.log() {
          if line.action == .erasureStarted, let subject = line.record.subject { erasures[subject] = line.sequence }
          if line.action == .personalDataRead, let request = line.record.requestID { reads[request] = line.sequence }
        }
        #expect(erasures.count == Self.people)
        var wrong = 0
        for reading in readings {
          let entry = reads[reading.request]
          // An answer has its entry, a refusal has none.
          if (entry != nil) != reading.got { wrong += 1 }
          if let entry, let erasure = erasures[reading.subject.uuid], entry > erasure { wrong += 1 }
        }
        #expect(wrong == 0)
        #expect(reads.count == released)
        let listed = try await house.number(
          "SELECT count(*) FROM audit.entry_subjects s WHERE s.subject_id IN (SELECT p.subject_id FROM user_profiles.profiles p)"
        )
        #expect(listed == 0)
      }
    }
  }

  private typealias Person = (subject: SubjectID, row: UUID)

  /// People with one sealed name each, as a profile has it.
  private func create(_ count: Int, _ house: House, _ custody: Custody) async throws -> [Person] {
    let profiles = Profiles(custody: custody)
    let draft = try ProfileDraft(
      fullName: "Racing Reader", email: nil, phone: nil, identity: nil, country: nil, language: nil)
    return try await withThrowingTaskGroup(of: [Person].self) { group in
      let lanes = 12
      for lane in 0..<lanes {
        group.addTask {
          var made: [Person] = []
          for number in 0..<count where number % lanes == lane {
            let profile = try await profiles.create(draft, house.somebody())
            made.append((profile.subject, profile.id))
          }
          return made
        }
      }
      return try await group.reduce(into: []) { $0 += $1 }
    }
  }

  /// Reads and erases each person at once, many people in parallel.
  private func readAndErase(_ people: [Person], _ house: House, _ custody: Custody, _ erased: Erased) async throws
    -> [Reading]
  {
    let profiles = Profiles(custody: custody)
    return try await withThrowingTaskGroup(of: [Reading].self) { group in
      let lanes = 64
      for lane in 0..<lanes {
        group.addTask {
          var readings: [Reading] = []
          for (number, person) in people.enumerated() where number % lanes == lane {
            readings += try await race(person, number, house, profiles, custody, erased)
          }
          return readings
        }
      }
      return try await group.reduce(into: []) { $0 += $1 }
    }
  }

  private func race(
    _ person: Person, _ number: Int, _ house: House, _ profiles: Profiles, _ custody: Custody, _ erased: Erased
  ) async throws -> [Reading] {
    try await withThrowingTaskGroup(of: [Reading].self) { group in
      // The erasure is ordered while this one of the readings is on its way: another one from person to person.
      let order = number % Self.readsEach
      let (began, beginning) = AsyncStream<Void>.makeStream()
      group.addTask {
        for await _ in began { break }
        let first = try await custody.operate(.operation(house.tenant)) { unit in
          try unit.tombstone(person.subject, codes: [:])
        }
        erased.insert(person.subject)
        #expect(first)
        return []
      }
      group.addTask {
        defer { beginning.finish() }
        var readings: [Reading] = []
        for position in 0..<Self.readsEach {
          if position == order { beginning.yield() }
          let context = house.somebody()
          let wasErased = erased.contains(person.subject)
          let code = try await refusal {
            let profile = try await profiles.profile(person.row, context)
            guard profile.fullName.disclosed() == "Racing Reader" else { throw Thrown() }
          }
          guard code == nil || code == .erased else { throw CustodyError(code ?? .unreadable) }
          readings.append(
            Reading(
              request: context.requestID, subject: person.subject, wasErased: wasErased, got: code == nil))
        }
        return readings
      }
      return try await group.reduce(into: []) { $0 += $1 }
    }
  }
}
