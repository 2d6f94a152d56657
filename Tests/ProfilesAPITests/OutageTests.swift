import Audit
import Custody
import Foundation
import Glibc
import ServiceTesting
import StrictJSON
import Synchronization
import Testing

@Suite("PostgreSQL goes away under a running server")
struct OutageTests {
  /// One attempt to create a profile.
  private struct Attempt: Sendable {
    let key: String
    let body: String
    let answer: RunningServer.Answer
  }

  @Test(
    "every request is answered with 503, nothing is half-written, and the server goes on when the database is back",
    arguments: [SIGINT, SIGQUIT])
  func outage(signal: Int32) async throws {
    try await withInterruptibleInstallation { installation in
      let tenant = TenantID(UUID())
      let running = try await installation.server(tenant: tenant)
      let admin = try installation.issuer.person("admin", in: tenant)
      do {
        try await story(installation, running, tenant, admin, signal)
      } catch {
        await running.stop()
        throw error
      }
      await running.stop()
      #expect(!installation.log.mentions("kanari"))
    }
  }

  private func story(
    _ installation: InterruptibleInstallation, _ running: RunningServer, _ tenant: TenantID, _ admin: TestPerson,
    _ signal: Int32
  ) async throws {
    let first = try await create("first", running, admin)
    #expect(first.answer.status == 201)
    let id = try #require(first.answer.json["id"]?.string)

    let attempts = try await createUntilGone(installation, running, admin, signal)
    let refused = attempts.filter { $0.answer.status != 201 }
    #expect(attempts.count > refused.count)
    #expect(!refused.isEmpty)
    for attempt in refused { expectUnavailable(attempt.answer) }

    // Away.
    expectUnavailable(try await running.call("GET", "/profiles/\(id)", as: admin))
    expectUnavailable(
      try await running.call(
        "PATCH", "/profiles/\(id)", as: admin, body: #"{"country":"CL"}"#, headers: [("If-Match", "\"1\"")]))
    let live = try await running.send("GET", "/health/live", headers: [])
    #expect(live.status == 200)
    let unready = try await running.send("GET", "/health/ready", headers: [])
    #expect(unready.status == 503)
    #expect(unready.json["parts"]?["data"]?.string == "unreachable")
    #expect(unready.json["parts"]?["vault"]?.string == "unreachable")

    // Back, at the same place, under the same server.
    try await installation.startDatabases()
    try await eventually {
      try await running.send("GET", "/health/ready", headers: []).status == 200 ? () : nil
    }
    let read = try await running.call("GET", "/profiles/\(id)", as: admin)
    #expect(read.status == 200)
    #expect(read.body == first.answer.body)
    for attempt in attempts where attempt.answer.status == 201 {
      let made = try await running.call("GET", attempt.answer.headers["location"] ?? "/", as: admin)
      #expect(made.body == attempt.answer.body)
    }
    try await expectNothingHalf(installation)

    // What was refused is done by the same request again, once. Claims of attempts that died are not waited for.
    try await installation.sql(
      "UPDATE custody.idempotency SET lease_until = 0 WHERE state = 'running'", database: "lethe_data")
    for attempt in refused {
      let again = try await post(attempt.key, attempt.body, running, admin)
      #expect(again.status == 201)
    }
    let counted = try await installation.sql("SELECT count(*) FROM user_profiles.profiles", database: "lethe_data")
    #expect(Int(counted.trimmingCharacters(in: .whitespacesAndNewlines)) == attempts.count + 1)
    try await expectNothingHalf(installation)
    try await expectLogVerifies(installation, running, tenant)
  }

  /// Lets several callers create profiles, takes the databases away once some were made, and returns all attempts,
  /// each caller's last one refused.
  private func createUntilGone(
    _ installation: InterruptibleInstallation, _ running: RunningServer, _ admin: TestPerson, _ signal: Int32
  ) async throws -> [Attempt] {
    let made = Counter()
    return try await withThrowingTaskGroup(of: [Attempt].self) { group in
      for caller in 0..<6 {
        group.addTask {
          var attempts: [Attempt] = []
          for number in 0..<2_000 {
            let attempt = try await create("\(caller)-\(number)", running, admin)
            attempts.append(attempt)
            guard attempt.answer.status == 201 else { break }
            made.add()
          }
          return attempts
        }
      }
      group.addTask {
        try await eventually { made.value >= 12 ? () : nil }
        await installation.stopDatabases(signal)
        return []
      }
      return try await group.reduce(into: []) { $0 += $1 }
    }
  }

  private func create(_ name: String, _ running: RunningServer, _ admin: TestPerson) async throws -> Attempt {
    let body = #"{"full_name":"kanari \#(name)","email":"kanari-\#(name)@example.org"}"#
    return Attempt(key: name, body: body, answer: try await post(name, body, running, admin))
  }

  private func post(
    _ key: String, _ body: String, _ running: RunningServer, _ admin: TestPerson
  ) async throws -> RunningServer.Answer {
    try await running.call("POST", "/profiles", as: admin, body: body, headers: [("Idempotency-Key", key)])
  }

  private func expectUnavailable(
    _ answer: RunningServer.Answer, sourceLocation: SourceLocation = #_sourceLocation
  ) {
    answer.expectProblem(503, "unavailable", sourceLocation: sourceLocation)
    #expect(answer.headers["retry-after"] != nil, sourceLocation: sourceLocation)
    #expect(!answer.text.contains("kanari") && !answer.text.contains("PGSQL"), sourceLocation: sourceLocation)
  }

  /// Every profile is whole: subject, tag, key, its entry in the log, and its kept answer.
  private func expectNothingHalf(_ installation: InterruptibleInstallation) async throws {
    let halves = try await installation.sql(
      """
      SELECT 'profile without subject', p.id FROM user_profiles.profiles p
        WHERE NOT EXISTS (SELECT FROM custody.subjects s WHERE s.subject_id = p.subject_id AND s.state = 'live')
      UNION ALL SELECT 'profile without tag', p.id FROM user_profiles.profiles p
        WHERE (SELECT count(*) FROM custody.lookup_tags t WHERE t.row_id = p.id AND t.kind = 'email') <> 1
      UNION ALL SELECT 'profile without entry', p.id FROM user_profiles.profiles p
        WHERE NOT EXISTS (SELECT FROM audit.entry_subjects e WHERE e.subject_id = p.subject_id)
      UNION ALL SELECT 'profile without kept answer', p.id FROM user_profiles.profiles p
        WHERE NOT EXISTS (SELECT FROM custody.idempotency i WHERE i.subject_id = p.subject_id
                          AND i.state = 'completed' AND i.answer_sealed IS NOT NULL)
      UNION ALL SELECT 'subject without row', s.subject_id FROM custody.subjects s
        WHERE NOT EXISTS (SELECT FROM user_profiles.profiles p WHERE p.subject_id = s.subject_id)
          AND NOT EXISTS (SELECT FROM custody.actors a WHERE a.subject_id = s.subject_id)
      UNION ALL SELECT 'tag without row', t.row_id FROM custody.lookup_tags t
        WHERE NOT EXISTS (SELECT FROM user_profiles.profiles p WHERE p.id = t.row_id)
          AND NOT EXISTS (SELECT FROM custody.actors a WHERE a.actor_id = t.row_id)
      UNION ALL SELECT 'head that is not the last entry', h.tenant_id FROM audit.heads h
        WHERE h.size <> (SELECT count(*) FROM audit.entries e WHERE e.tenant_id = h.tenant_id)
      """, database: "lethe_data")
    #expect(halves == "")
    let subjects = try await installation.sql("SELECT subject_id FROM custody.subjects", database: "lethe_data")
    let keys = try await installation.sql(
      "SELECT key_id FROM vault.keys WHERE wrapped IS NOT NULL", database: "lethe_vault")
    let missing = Set(subjects.split(separator: "\n")).subtracting(keys.split(separator: "\n"))
    #expect(missing.isEmpty)
    #expect(subjects.split(separator: "\n").count >= 2)
  }

  /// The log of the tenant, published up to its last entry, verifies and has one entry for each profile.
  private func expectLogVerifies(
    _ installation: InterruptibleInstallation, _ running: RunningServer, _ tenant: TenantID
  ) async throws {
    let size = try await installation.sql("SELECT size FROM audit.heads", database: "lethe_data")
      .trimmingCharacters(in: .whitespacesAndNewlines)
    let auditor = try installation.issuer.person("auditor", in: tenant)
    try await eventually {
      let checkpoint = try await running.call("GET", "/audit/checkpoint", as: auditor)
      let published = checkpoint.text.split(separator: "\n").dropFirst().first.flatMap { Int($0) } ?? -1
      return published >= Int(size) ?? 0 ? () : nil
    }
    let key = try await running.call("GET", "/audit/key", as: auditor)
    let note = try #require(NoteKey(key.text.trimmingCharacters(in: .newlines)))
    let report = ArchiveVerifier(
      folder: installation.settings.archivePath + "/\(tenant)", keys: [note], held: nil, ledger: nil
    ).verify { _, _ in }
    #expect(report.findings == [])
    #expect(report.isValid)
    let created = try await installation.sql(
      """
      SELECT (SELECT count(*) FROM user_profiles.profiles),
        (SELECT count(*) FROM audit.entries WHERE position('profile.created'::bytea IN entry) > 0)
      """, database: "lethe_data"
    ).trimmingCharacters(in: .whitespacesAndNewlines).split(separator: "|")
    #expect(created.count == 2 && created[0] == created[1])
  }
}

/// Counts from several tasks.
private final class Counter: Sendable {
  private let count = Mutex(0)
  var value: Int { count.withLock { $0 } }
  func add() { count.withLock { $0 += 1 } }
}
