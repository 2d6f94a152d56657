import Foundation
import LocalCluster
import Schema

/// A rotation of many people, beside two plain UPDATEs that write columns of the same size over the same rows.
struct RotationMeasurements {
  let harness: Harness
  /// How many people there are.
  let subjects: Int

  /// A server with the memory for such databases; both sides have it.
  private static let cluster = ["shared_buffers": "1GB", "max_wal_size": "8GB", "checkpoint_timeout": "30min"]

  func run() async throws -> Findings {
    guard harness.wants("rotation") else { return Findings() }
    let installation = try await BenchInstallation.open(harness.folder + "/rotation", cluster: Self.cluster)
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
    harness.say("  rotation: adding \(subjects) people")
    let server = try await installation.server()
    let people = try await BulkPeople.open(installation, keyring: server.parts.keyring)
    try await people.add(subjects)
    await people.close()
    await server.close()
    var ours: [Double] = []
    var baseline: [Double] = []
    var accounts: [RotationAccount] = []
    var processor: (ours: [Double], baseline: [Double]) = ([], [])
    for round in 1...(harness.quick ? 2 : 1) {
      harness.say("  rotation: UPDATEs, round \(round)")
      try await settle(installation)
      var updates: [Double] = []
      var spent = try Self.serverSeconds(installation)
      // There and back, so that every key opens again.
      for _ in 0..<2 {
        updates.append(try await update(installation))
        processor.baseline.append(try Self.serverSeconds(installation) - spent)
        try await settle(installation)
        spent = try Self.serverSeconds(installation)
      }
      harness.say(
        "  rotation: UPDATEs took " + updates.map { String(format: "%.1f s", $0 / 1e9) }.joined(separator: ", "))
      baseline.append(updates.reduce(0, +) / Double(updates.count) / Double(subjects))
      spent = try Self.serverSeconds(installation)
      let account = try await rotate(installation)
      processor.ours.append(try Self.serverSeconds(installation) - spent + account.processorSeconds)
      harness.say("  rotation: \(account)")
      accounts.append(account)
      ours.append(account.seconds * 1e9 / Double(subjects))
    }
    let comparison = Comparison(
      name: "rotation/\(subjects)", baseline: "two UPDATEs of as many bytes in the same rows", goal: 2, clock: .wall,
      operations: [subjects, subjects], ourNanoseconds: ours, baselineNanoseconds: baseline)
    let states = Set(accounts.flatMap(\.states.keys)).sorted().map { state in
      Figure(
        name: "rotation/\(state)", values: accounts.map { $0.states[state] ?? 0 }, unit: "s",
        note: "of the rotation's time, in this state")
    }
    return Findings(
      comparisons: [comparison],
      figures: [
        Figure(
          name: "rotation/rate", values: accounts.map { Double(subjects) / $0.seconds }, unit: "people/s",
          note: "the whole rotation, its backup included")
      ] + states + [
        Figure(
          name: "rotation/processor/ours", values: processor.ours, unit: "s",
          note: "processor time of the rotation, PostgreSQL's and that of every program: it knows no neighbours"),
        Figure(
          name: "rotation/processor/updates", values: processor.baseline, unit: "s",
          note: "processor time of both UPDATEs, on one core"),
        Figure(
          name: "rotation/memory/first", values: accounts.map(\.memoryAtFirst), unit: "MiB",
          note: "VmRSS of the process that rotates, a tenth of the keys wrapped again"),
        Figure(
          name: "rotation/memory/last", values: accounts.map(\.memoryAtLast), unit: "MiB", note: "all wrapped again"),
        Figure(
          name: "rotation/memory/most", values: accounts.map(\.memoryAtMost), unit: "MiB",
          note: "VmHWM at the end, the reading of the backup included"),
      ])
  }

  /// Nanoseconds of both UPDATEs, one after the other.
  private func update(_ installation: BenchInstallation) async throws -> Double {
    try await wallNanoseconds {
      try await installation.cluster.sql(
        "UPDATE vault.keys SET wrapped = set_byte(wrapped, 40, 255 - get_byte(wrapped, 40)) WHERE kind = 1",
        database: DatabaseRoles.vaultDatabase)
      // A tag's place in its index is as random as that of a new tag.
      try await installation.cluster.sql(
        "UPDATE custody.lookup_tags SET tag = set_byte(tag, 0, 255 - get_byte(tag, 0))",
        database: DatabaseRoles.dataDatabase)
    }
  }

  /// Processor time of the cluster's processes that have ended, sessions among them. A session ends with its connection, a
  /// moment later.
  private static func serverSeconds(_ installation: BenchInstallation) throws -> Double {
    usleep(300_000)
    let line = try String(contentsOfFile: "/proc/\(installation.cluster.processID)/stat", encoding: .utf8)
    // After the name in parentheses: utime, stime, cutime and cstime are the 12th to the 15th.
    let fields = line[(line.lastIndex(of: ")") ?? line.startIndex)...].split(separator: " ")
    guard fields.count > 15 else { throw Harness.Failure(description: "the kernel does not say what time was spent") }
    return fields[12...15].compactMap { Double($0) }.reduce(0, +) / Double(sysconf(Int32(_SC_CLK_TCK)))
  }

  private func settle(_ installation: BenchInstallation) async throws {
    for database in [DatabaseRoles.vaultDatabase, DatabaseRoles.dataDatabase] {
      try await installation.cluster.sql("VACUUM (ANALYZE)", database: database)
    }
    try await installation.cluster.sql("CHECKPOINT")
  }

  private func rotate(_ installation: BenchInstallation) async throws -> RotationAccount {
    try await MeasuringChild.account(
      RotationAccount.self,
      of: ["rotate-child", "--home", installation.folder, "--socket", installation.cluster.socketFolder])
  }
}
