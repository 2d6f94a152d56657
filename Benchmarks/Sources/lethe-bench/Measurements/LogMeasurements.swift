import Audit
import CBaseline
import Custody
import Foundation
import ProfilesAPI
import Signing

/// What auditing costs: entries appended by the service beside bare INSERTs of such rows, and what it adds to a read.
struct LogMeasurements {
  let harness: Harness

  private static let names = ["log/append/single", "log/append/batched", "log/read"]

  func run() async throws -> Findings {
    guard harness.wants(anyOf: Self.names) else { return Findings() }
    let installation = try await BenchInstallation.open(harness.folder + "/log")
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
    do {
      try await installation.cluster.sql("CREATE DATABASE bench")
      try await installation.cluster.sql(Self.baselineTable, database: "bench")
      let work = LogWork(custody: server.custody, context: installation.context)
      var findings = Findings()
      findings.append(try await append(work, installation))
      findings.append(try await read(work, server))
      await server.close()
      return findings
    } catch {
      await server.close()
      throw error
    }
  }

  // MARK: Appending

  private static let callers = 512
  private static let batches = [128, 1_024]
  private static let connections = [1, 4, 16, 32]

  private func append(_ work: LogWork, _ installation: BenchInstallation) async throws -> Findings {
    let url = installation.cluster.url(database: "bench")
    let count = harness.quick ? 10_000 : 50_000
    let rounds = harness.quick ? 3 : 9
    _ = try await work.append(count, Self.callers)
    try await installation.analyze()
    // The baseline is the best that plain INSERTs can do here.
    var single: (rows: LogRows, nanoseconds: Double)?
    for connections in Self.connections {
      let rows = try LogRows(url: url, connections: connections, batch: 1, entryBytes: Self.entryBytes)
      let time = try await rows.insert(count / 5) * 5
      if time < single?.nanoseconds ?? .infinity { single = (rows, time) }
    }
    var batched: (rows: LogRows, nanoseconds: Double)?
    for batch in Self.batches {
      let rows = try LogRows(url: url, connections: 1, batch: batch, entryBytes: Self.entryBytes)
      let time = try await rows.insert(count)
      if time < batched?.nanoseconds ?? .infinity { batched = (rows, time) }
    }
    guard let single = single?.rows, let batched = batched?.rows else { return Findings() }
    let comparisons = [
      try await harness.compare(
        "log/append/single",
        against: "INSERT of one such row a statement, \(single.connections) connections, the fastest of 1 to 32",
        goal: 0.5,
        clock: .wall, rounds: rounds, count: count, ours: { try await work.append($0, Self.callers) },
        baseline: { try await single.insert($0) }),
      try await harness.compare(
        "log/append/batched", against: "INSERT of \(batched.batch) such rows a statement, one connection", goal: 1.25,
        clock: .wall, rounds: rounds, count: count, ours: { try await work.append($0, Self.callers) },
        baseline: { try await batched.insert($0) }),
    ]
    return Findings(comparisons: comparisons.compactMap(\.self))
  }

  /// What an entry without a subject has, more or less.
  private static let entryBytes = 330

  private static let baselineTable = """
    CREATE SCHEMA bench;
    CREATE TABLE bench.entries (
      tenant_id uuid NOT NULL, seq bigint NOT NULL, entry bytea NOT NULL, leaf_hash bytea NOT NULL,
      PRIMARY KEY (tenant_id, seq)
    );
    """

  // MARK: Reading

  /// A read of one person whose key is at hand does nothing but write its entry: the time it takes is what auditing adds.
  private func read(_ work: LogWork, _ server: Server) async throws -> Findings {
    guard harness.wants("log/read") else { return Findings() }
    harness.say("  log/read")
    var subjects: [SubjectID] = []
    for _ in 0..<(harness.quick ? 100 : 1_000) {
      subjects.append(try await server.profiles.create(SyntheticPerson.draft(), work.context).subject)
    }
    try await work.warm(subjects)
    let count = harness.quick ? 5_000 : 30_000
    var most: [Double] = []
    var latencies: [[Double]] = []
    for _ in 0..<(harness.quick ? 2 : 5) {
      let rate = Double(count) / (try await work.read(count, 128, subjects)) * 1e9
      most.append(rate)
      latencies.append(try await work.read(count / 2, perSecond: rate / 2, subjects))
    }
    let note = "at half of the most that callers in turn get; the entry's commit is all there is to such a read"
    return Findings(figures: [
      Figure(name: "log/read/most", values: most, unit: "reads/s", note: "128 callers, one tenant, one person a read"),
      Figure(
        name: "log/read/p50", values: latencies.map { $0.percentile(0.5) / 1e6 }, unit: "ms", note: note + "; goal 5"),
      Figure(
        name: "log/read/p99", values: latencies.map { $0.percentile(0.99) / 1e6 }, unit: "ms", note: note + "; goal 10"),
    ])
  }
}

/// Entries appended through the service's custody.
private struct LogWork: Sendable {
  let custody: Custody
  let context: AccessContext

  /// Nanoseconds for appending `count` entries, by so many callers.
  func append(_ count: Int, _ callers: Int) async throws -> Double {
    try await inTurns(count, callers) { _ in
      try await custody.note(context, .personalDataSearched, outcome: .ok, codes: ["hits": "0"])
    }
  }

  func warm(_ subjects: [SubjectID]) async throws {
    for subject in subjects { try await custody.read(context, of: [subject]) { _ in } }
  }

  /// Nanoseconds for reading `count` people, by so many callers.
  func read(_ count: Int, _ callers: Int, _ subjects: [SubjectID]) async throws -> Double {
    try await inTurns(count, callers) { index in
      try await custody.read(context, of: [subjects[index % subjects.count]]) { _ in }
    }
  }

  /// Nanoseconds of each of `count` reads that begin at an even pace, whether or not those before have ended.
  func read(_ count: Int, perSecond rate: Double, _ subjects: [SubjectID]) async throws -> [Double] {
    let begin = ContinuousClock.now
    return try await withThrowingTaskGroup(of: Double.self) { group in
      for index in 0..<count {
        let due = begin + .nanoseconds(Int64(Double(index) * 1e9 / rate))
        if due > .now { try await Task.sleep(until: due, tolerance: .zero) }
        group.addTask {
          // From when it was due: a generator that lags must not hide a delay.
          try await custody.read(context, of: [subjects[index % subjects.count]]) { _ in }
          let took = due.duration(to: .now).components
          return Double(took.seconds) * 1e9 + Double(took.attoseconds) / 1e9
        }
      }
      return try await group.reduce(into: []) { $0.append($1) }
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

/// Such rows, written by libpq alone.
private final class LogRows: Sendable {
  let connections: Int
  let batch: Int
  // Used by one measurement after the other, each from one thread of its own.
  nonisolated(unsafe) private let log: OpaquePointer

  init(url: String, connections: Int, batch: Int, entryBytes: Int) throws {
    let entry = [UInt8](repeating: 0x61, count: entryBytes)
    guard let log = baseline_log_open(url, connections, entry, entry.count) else {
      throw Harness.Failure(description: "the baseline can't connect")
    }
    self.log = log
    self.connections = connections
    self.batch = batch
  }

  deinit { baseline_log_close(log) }

  /// Nanoseconds for inserting `count` rows.
  func insert(_ count: Int) async throws -> Double {
    let time = await onOwnThread { [self] in baseline_log_insert(log, count, batch) }
    guard time > 0 else { throw Harness.Failure(description: "the baseline's INSERT failed") }
    return Double(time)
  }
}
