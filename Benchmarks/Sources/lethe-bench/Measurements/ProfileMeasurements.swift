import CBaseline
import Custody
import Foundation
import Profiles
import ProfilesAPI
import Synchronization

/// Creating and reading profiles through the domain and its custody, beside a bare INSERT and SELECT of the same row
/// in the same durable PostgreSQL.
struct ProfileMeasurements {
  let harness: Harness

  private static let concurrencies = [1, 16]

  func run() async throws -> Findings {
    let names = Self.concurrencies.flatMap { ["profiles/create/\($0)", "profiles/read/\($0)"] }
    guard harness.wants(anyOf: names) else { return Findings() }
    let installation = try await BenchInstallation.open(harness.folder + "/profiles")
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
    try await installation.cluster.sql("CREATE DATABASE bench")
    try await installation.cluster.sql(Self.baselineTable, database: "bench")
    let profiles = ProfileWork(profiles: server.profiles, context: installation.context)
    let people = harness.quick ? 300 : 2_000
    var findings = Findings()
    do {
      harness.say("  profiles: adding \(people) people")
      _ = try await profiles.create(people, 16)
      try await installation.analyze()
      for concurrency in Self.concurrencies {
        let baseline = try await Baseline.open(installation, connections: concurrency)
        let connections = concurrency == 1 ? "one connection" : "\(concurrency) connections"
        // Each connection reads the rows that it inserted.
        _ = try await baseline.insert(people)
        try await installation.cluster.sql("ANALYZE", database: "bench")
        let comparisons = [
          try await harness.compare(
            "profiles/create/\(concurrency)", against: "INSERT of such a row, \(connections)", clock: .wall,
            rounds: harness.quick ? 5 : 31, batchNanoseconds: harness.quick ? 1e8 : 3e8,
            ours: { try await profiles.create($0, concurrency) }, baseline: { try await baseline.insert($0) }),
          try await harness.compare(
            "profiles/read/\(concurrency)", against: "SELECT of such a row by its key, \(connections)", clock: .wall,
            rounds: harness.quick ? 5 : 31, batchNanoseconds: harness.quick ? 1e8 : 3e8,
            ours: { try await profiles.read($0, concurrency) }, baseline: { try await baseline.select($0) }),
        ]
        findings.comparisons += comparisons.compactMap(\.self)
      }
    } catch {
      await server.close()
      throw error
    }
    await server.close()
    return findings
  }

  /// The columns and keys of `user_profiles.profiles`, without policies and references.
  private static let baselineTable = """
    CREATE SCHEMA bench;
    CREATE TABLE bench.profiles (
      tenant_id uuid NOT NULL, id uuid NOT NULL, subject_id uuid NOT NULL, status text NOT NULL,
      full_name_sealed bytea NOT NULL, email_sealed bytea, phone_sealed bytea, identity_sealed bytea,
      country text, language text, version bigint NOT NULL, created_at bigint NOT NULL, updated_at bigint NOT NULL,
      PRIMARY KEY (tenant_id, id)
    );
    CREATE UNIQUE INDEX profiles_by_subject ON bench.profiles (tenant_id, subject_id);
    """
}

/// Profiles made and read by so many callers at once.
private final class ProfileWork: Sendable {
  private let profiles: Profiles
  private let context: AccessContext
  private let made = Mutex<[UUID]>([])

  init(profiles: Profiles, context: AccessContext) {
    self.profiles = profiles
    self.context = context
  }

  /// Nanoseconds for making `count` profiles.
  func create(_ count: Int, _ callers: Int) async throws -> Double {
    let drafts = try (0..<count).map { _ in try SyntheticPerson.draft() }
    return try await inTurns(count, callers) { [self] index in
      let id = try await profiles.create(drafts[index], context).id
      made.withLock { $0.append(id) }
    }
  }

  /// Nanoseconds for reading `count` profiles, each by its id.
  func read(_ count: Int, _ callers: Int) async throws -> Double {
    let known = made.withLock(\.self)
    let wanted = (0..<count).compactMap { _ in known.randomElement() }
    guard wanted.count == count else { throw Harness.Failure(description: "there are no profiles to read") }
    return try await inTurns(count, callers) { [self] index in
      guard try await profiles.profile(wanted[index], context).id == wanted[index] else {
        throw Harness.Failure(description: "another profile was read than was asked for")
      }
    }
  }

  private func inTurns(
    _ count: Int, _ callers: Int, _ operation: @escaping @Sendable (Int) async throws -> Void
  ) async throws -> Double {
    try await wallNanoseconds {
      try await withThrowingTaskGroup(of: Void.self) { group in
        for caller in 0..<callers {
          group.addTask {
            for index in stride(from: caller, to: count, by: callers) { try await operation(index) }
          }
        }
        try await group.waitForAll()
      }
    }
  }
}

/// libpq and nothing else.
///
/// `@unchecked Sendable`: the pointer is used by one batch at a time.
private final class Baseline: @unchecked Sendable {
  private let connections: OpaquePointer

  private init(_ connections: OpaquePointer) { self.connections = connections }

  deinit { baseline_pg_close(connections) }

  static func open(_ installation: BenchInstallation, connections: Int) async throws -> Baseline {
    let url = installation.cluster.url(database: "bench")
    let opened = await onOwnThread { () -> Baseline? in
      var tenant = UUID().uuid
      return withUnsafeBytes(of: &tenant) { bytes in
        bytes.baseAddress.flatMap { baseline_pg_open(url, connections, $0.assumingMemoryBound(to: UInt8.self)) }
      }.map { Baseline($0) }
    }
    guard let opened else { throw Harness.Failure(description: "libpq can't connect to the baseline's database") }
    return opened
  }

  func insert(_ count: Int) async throws -> Double {
    try checked(await onOwnThread { [self] in baseline_pg_insert(connections, count) })
  }

  func select(_ count: Int) async throws -> Double {
    try checked(await onOwnThread { [self] in baseline_pg_select(connections, count) })
  }

  private func checked(_ nanoseconds: UInt64) throws -> Double {
    guard nanoseconds > 0 else { throw Harness.Failure(description: "a statement of the baseline failed") }
    return Double(nanoseconds)
  }
}
