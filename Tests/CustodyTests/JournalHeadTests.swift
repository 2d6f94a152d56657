import Audit
import Foundation
import Postgres
import Profiles
import Schema
import ServiceTesting
import Synchronization
import Testing

@testable import Custody

@Suite("The head of the log")
struct JournalHeadTests {
  /// Stops a unit of work in the middle, on its connection's own thread.
  private final class Pause: Sendable {
    private let reached = AsyncStream<Int32>.makeStream()
    private let release = DispatchSemaphore(value: 0)

    /// In the unit: says which backend it has, and waits.
    func wait(as backend: Int32) {
      reached.continuation.yield(backend)
      release.wait()
    }

    /// Outside: the backend of the unit that waits.
    func backend() async -> Int32? {
      for await backend in reached.stream { return backend }
      return nil
    }

    func end() { release.signal() }
  }

  /// The locks of one backend on the table of heads.
  private func headLocks(_ house: House, of backend: Int32) async throws -> Int64 {
    try await house.number(
      "SELECT count(*) FROM pg_locks WHERE pid = \(backend) AND relation = 'audit.heads'::regclass AND granted")
  }

  @Test("is taken after the business of a unit: while that goes on, others append")
  func takenLate() async throws {
    try await withHouse { house in
      let people = try await house.people(2)
      let before = try await house.log().count
      let (business, appended) = (Pause(), Pause())
      async let slow: Void = house.custody.write(house.somebody(), subjects: .existing([people[0].subject])) { unit in
        unit.record(.profileUpdated, subject: people[0].subject)
        let rows = try unit.database.query("SELECT pg_backend_pid()")
        let backend = try rows.first?.decode(0, as: Int32.self) ?? 0
        business.wait(as: backend)
        try unit.appendEntries()
        appended.wait(as: backend)
      }
      let backend = try #require(await business.backend())
      let early = try await headLocks(house, of: backend)
      #expect(early == 0)
      // Reading, writing and the service's own work, all in the same tenant.
      _ = try await house.profiles.profile(people[1].id, house.somebody())
      _ = try await house.profile("New")
      try await house.custody.operate(.operation(house.tenant)) { $0.record(.logRead) }
      let between = try await house.log().count
      #expect(between == before + 4)

      // From its entries on it has the head, and everybody waits for its commit.
      business.end()
      _ = await appended.backend()
      let late = try await headLocks(house, of: backend)
      #expect(late > 0)
      async let reading = house.profiles.profile(people[1].id, house.somebody())
      try await eventually { try await house.waiting("lethe_app") == 1 }
      let waiting = try await house.log().count
      #expect(waiting == between)
      appended.end()
      _ = try await reading
      try await slow
      let lines = try await house.log()
      #expect(
        lines.dropFirst(before).map(\.action) == [
          .personalDataRead, .keyCreated, .profileCreated, .logRead, .profileUpdated, .personalDataRead,
        ])
    }
  }

  /// Counts how often the head was moved while `body` runs.
  private func moves(_ house: House, _ body: () async throws -> Void) async throws -> Int64 {
    try await house.installation.data.sql(
      """
      CREATE SEQUENCE public.moves;
      CREATE FUNCTION public.moved() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
        $$ BEGIN PERFORM nextval('public.moves'); RETURN NULL; END $$;
      CREATE TRIGGER moved AFTER UPDATE ON audit.heads FOR EACH ROW EXECUTE FUNCTION public.moved();
      """)
    try await body()
    return try await house.number("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM public.moves")
  }

  @Test("is moved once for all the entries of a unit")
  func onceAUnit() async throws {
    try await withHouse { house in
      let before = try await house.log().count
      let moved = try await moves(house) {
        try await house.custody.operate(.operation(house.tenant)) { unit in
          for number in 0..<500 { unit.record(.keyReaped, codes: ["number": String(number)]) }
        }
      }
      #expect(moved == 1)
      let lines = try await house.log().dropFirst(before)
      #expect(lines.map { $0.record.codes["number"] } == (0..<500).map(String.init))
    }
  }

  @Test("is moved once for a page of people who are read together")
  func onceAPage() async throws {
    try await withHouse { house in
      _ = try await house.people(20)
      let moved = try await moves(house) {
        _ = try await house.profiles.page(ProfileFilter(), after: nil, limit: 20, house.somebody())
      }
      #expect(moved == 1)
      let last = try #require(try await house.log().last)
      #expect(last.record.subjectCount == 20)
    }
  }

  @Test("is moved once for each batch of a rotation")
  func onceABatch() async throws {
    try await withHouse { house in
      _ = try await house.people(30)
      let before = try await house.log().count
      let moved = try await moves(house) {
        let outcome = try await house.rotation(batchSize: 10).run()
        #expect(outcome == .retired(.init(rawValue: 1)))
      }
      let lines = try await house.log().dropFirst(before)
      let batches = lines.filter { $0.action == .keyRewrapped }
      let keys = batches.compactMap { $0.record.codes["keys"].flatMap { Int($0) } }.reduce(0, +)
      #expect(keys >= 30)
      // Lanes share the keys out, so a batch may be smaller than asked for; never one key.
      #expect(batches.count < 15)
      #expect(moved <= Int64(lines.count))
    }
  }
}
