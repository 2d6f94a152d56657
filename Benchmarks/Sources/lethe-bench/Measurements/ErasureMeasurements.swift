import Custody
import Foundation
import LocalCluster
import Profiles
import ProfilesAPI
import StrictJSON
import SubjectRights

/// Erasures from the order to the certificate: what they cost, and that it doesn't depend on how much is sealed.
struct ErasureMeasurements {
  let harness: Harness

  private static let rows = 100_000
  private static let names = ["erasure/sealed-rows", "erasure/side-rows", "erasure/bulk"]

  func run() async throws -> Findings {
    guard harness.wants(anyOf: Self.names) else { return Findings() }
    let installation = try await BenchInstallation.open(
      harness.folder + "/erasure", cluster: ["shared_buffers": "256MB", "max_wal_size": "4GB"])
    do {
      let findings = try await measure(installation)
      await installation.cluster.stop()
      return findings
    } catch {
      await installation.cluster.stop()
      throw error
    }
  }

  private func measure(_ installation: BenchInstallation) async throws -> Findings {
    let server = try await installation.server()
    let work = ErasureWork(
      server: server, installation: installation,
      people: try await BulkPeople.open(installation, keyring: server.parts.keyring))
    do {
      harness.say("  erasure: adding people")
      for _ in 0..<(harness.quick ? 100 : 1_000) { _ = try await work.person() }
      try await installation.analyze()
      let findings = try await measure(work)
      await work.close()
      return findings
    } catch {
      await work.close()
      throw error
    }
  }

  private func measure(_ work: ErasureWork) async throws -> Findings {
    let rounds = harness.quick ? 3 : 11
    let one: Harness.Batch = { try await work.erase($0) { try await work.people.addAnswers(1, of: $0) } }
    let comparisons = [
      try await harness.compare(
        "erasure/sealed-rows", against: "erasure with 1 row under the key; ours has 100,000", goal: 1.2,
        clock: .wall, rounds: rounds, count: 1,
        ours: { try await work.erase($0) { try await work.people.addAnswers(Self.rows, of: $0) } }, baseline: one),
      try await harness.compare(
        "erasure/side-rows", against: "erasure with 1 row under the key; ours is named by 100,000 entries of the log",
        clock: .wall, rounds: min(rounds, 5), count: 1,
        ours: { try await work.erase($0) { try await work.people.addTouches(Self.rows, of: $0) } }, baseline: one),
    ]
    var findings = Findings(comparisons: comparisons.compactMap(\.self))
    if harness.wants("erasure/bulk") {
      harness.say("  erasure/bulk")
      let count = harness.quick ? 50 : 500
      var rates: [Double] = []
      for _ in 0..<(harness.quick ? 1 : 3) { rates.append(Double(count) / (try await work.eraseAll(count) / 1e9)) }
      findings.figures.append(
        Figure(
          name: "erasure/bulk", values: rates, unit: "erasures/s",
          note: "\(count) people a round, one runner, from the order to the certificate"))
    }
    return findings
  }
}

/// People who are made, and erased.
private struct ErasureWork: Sendable {
  let server: Server
  let installation: BenchInstallation
  let people: BulkPeople

  /// A new person's profile.
  func person() async throws -> Profile {
    try await server.profiles.create(SyntheticPerson.draft(), context)
  }

  /// Nanoseconds of so many erasures, one after the other, each of a new person who was prepared.
  func erase(_ count: Int, _ prepare: (UUID) async throws -> Void) async throws -> Double {
    var total = 0.0
    for _ in 0..<count {
      let profile = try await person()
      try await prepare(profile.subject.uuid)
      let request = try await order(profile.id)
      // What the preparation left for later is not part of the erasure.
      try await installation.cluster.sql("CHECKPOINT")
      total += try await wallNanoseconds {
        guard try await runner.run(request, tenant: installation.tenant) == .certified else { throw Self.unfinished }
      }
    }
    return total
  }

  /// Nanoseconds of a round of the runner over so many ordered erasures.
  func eraseAll(_ count: Int) async throws -> Double {
    for _ in 0..<count { _ = try await order(try await person().id) }
    try await installation.cluster.sql("CHECKPOINT")
    return try await wallNanoseconds {
      guard try await runner.resumeAll() == 0 else { throw Self.unfinished }
    }
  }

  func close() async {
    await people.close()
    await server.close()
  }

  private static let unfinished = Harness.Failure(description: "an erasure was not carried out to its certificate")

  /// Has an erasure opened, verified, approved by another officer, and ordered.
  private func order(_ profile: UUID) async throws -> UUID {
    let rights = SubjectRights(
      custody: server.custody, profiles: server.profiles, policy: installation.settings.retention)
    let body = "{\"type\":\"erasure\",\"profile_id\":\"\(profile.uuidString.lowercased())\"}"
    let draft = try RequestDraft(reading: ObjectReader(try JSONValue(parsing: Array(body.utf8))))
    let request = try await rights.open(draft, context).id
    _ = try await rights.verify(request, by: .document, context)
    _ = try await rights.approve(request, context)
    _ = try await rights.execute(request, context)
    return request
  }

  private var runner: ErasureRunner {
    ErasureRunner(
      custody: server.custody, checkpointer: server.checkpointer, ledger: server.ledger,
      policy: installation.settings.retention, logger: quietLogger)
  }

  /// Another officer each time.
  private var context: AccessContext {
    AccessContext(
      tenant: installation.tenant, actor: ActorID(UUID()), purpose: .profileAdministration, requestID: UUID())
  }
}
