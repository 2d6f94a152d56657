import Foundation

/// How long a service takes until it is ready, and how much memory it has while nothing happens.
struct StartMeasurements {
  let harness: Harness
  /// The lethe program of a release build.
  let lethe: String

  func run() async throws -> Findings {
    var findings = Findings()
    if harness.wants("start/bench") {
      let home = harness.folder + "/start"
      findings.append(
        try await measure("start/bench", "the same parts in this program") { port in
          try await ChildService.serve(home, port: port)
        })
    }
    if harness.wants("start/lethe") {
      guard FileManager.default.isExecutableFile(atPath: lethe) else {
        findings.notes.append("start/lethe: not built (swift build -c release --product lethe, then again)")
        return findings
      }
      let home = harness.folder + "/lethe"
      findings.append(
        try await measure("start/lethe", "lethe dev") { port in
          try await ChildService.start(
            [lethe, "dev"], environment: ["LETHE_HOME": home, "HTTP_PORT": "\(port)", "OPS_PORT": "0"], port: port,
            logFile: home + ".log")
        })
    }
    return findings
  }

  private func measure(
    _ name: String, _ what: String, _ start: (UInt16) async throws -> ChildService
  ) async throws -> Findings {
    harness.say("  \(name)")
    let port = try ChildService.freePort()
    let first = try await start(port)
    try await first.stop()
    var again: [Double] = []
    var memory: [Double] = []
    for _ in 0..<(harness.quick ? 2 : 5) {
      let service = try await start(port)
      again.append(service.startMilliseconds)
      do {
        try await Task.sleep(for: .seconds(harness.quick ? 1 : 5))
        memory.append(try service.residentMebibytes())
      } catch {
        try await service.stop()
        throw error
      }
      try await service.stop()
    }
    return Findings(figures: [
      Figure(
        name: "\(name)/first", values: [first.startMilliseconds], unit: "ms",
        note: "\(what): from nothing (initdb, keys, migrations, 25 people) to ready"),
      Figure(name: "\(name)/again", values: again, unit: "ms", note: "\(what): from an existing home to ready"),
      Figure(
        name: "\(name)/idle", values: memory, unit: "MiB",
        note: "\(what): VmRSS of the process, PostgreSQL not counted, \(harness.quick ? 1 : 5) s after it was ready"),
    ])
  }
}
