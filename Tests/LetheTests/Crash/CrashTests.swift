import AsyncHTTPClient
import Audit
import Custody
import Foundation
import PostgresTesting
import ProfilesAPI
import ServiceTesting
import Signing
import Testing

/// `LETHE_CRASH_KILLS` says how often, 30 times without it; `LETHE_CRASH_SEED` repeats a run's blows and their times.
@Suite("Servers and databases that are killed under load")
struct CrashTests {
  private static let kills = ProcessInfo.processInfo.environment["LETHE_CRASH_KILLS"].flatMap { Int($0) } ?? 30
  private static let seed =
    ProcessInfo.processInfo.environment["LETHE_CRASH_SEED"].flatMap { UInt64($0) } ?? UInt64.random(in: 1...999_999)
  private static let callers = 6
  private static let isLong = kills > 100

  @Test(
    "leave no fork, no gap, no lost answer, and nobody who comes back", .timeLimit(.minutes(isLong ? 240 : 10)))
  func killed() async throws {
    try await TestSlots.withSlot {
      let began = ContinuousClock.now
      Self.say("seed \(Self.seed), \(Self.kills) kills")
      let site = try await CrashSite.make(tenants: 2)
      do {
        try await run(site, since: began)
        await site.remove()
      } catch {
        Self.say("seed \(Self.seed) failed: \(error)\n\(site.printed)")
        await site.remove()
        throw error
      }
    }
  }

  private func run(_ site: CrashSite, since began: ContinuousClock.Instant) async throws {
    try await site.serve()
    var generator = SeededGenerator(seed: Self.seed)
    let evidence = CrashEvidence(tenants: site.tenants.count)
    var audit = CrashAudit(site: site, evidence: evidence)
    var blows: [Blow: Int] = [:]
    try await withLoad(site, evidence) {
      for number in 1...Self.kills {
        try await working(evidence)
        try await Task.sleep(for: .milliseconds(Int.random(in: 0...250, using: &generator)))
        let blow = Blow.any(&generator)
        try await site.strike(blow, &generator)
        try await site.recover(from: blow)
        blows[blow, default: 0] += 1
        let faults = try await audit.compare()
        try #require(faults == [], "seed \(Self.seed), kill \(number), \(blow): \(faults)\n\(site.printed)")
        if number % 50 == 0 {
          try #require(try audit.verifyArchives() == [], "seed \(Self.seed), kill \(number)")
        }
        if number % 10 == 0 { Self.say("kill \(number) (\(blow)): \(audit.progress), \(began.duration(to: .now))") }
      }
    }
    let faults = try await audit.finish()
    #expect(faults == [], "seed \(Self.seed): \(faults)\n\(site.printed)")
    let spread = Blow.allCases.map { "\($0) \(blows[$0, default: 0])" }.joined(separator: ", ")
    Self.say("\(Self.kills) kills (\(spread)); \(audit.progress); \(began.duration(to: .now))")
    // The load was one: a run without answers would show nothing.
    #expect(audit.acknowledged > Self.kills * 5)
    #expect(audit.checkpoints > 1)
  }

  /// Waits until callers are being answered again.
  private func working(_ evidence: CrashEvidence) async throws {
    let before = evidence.answered
    for _ in 0..<3_000 {
      if evidence.answered >= before + 5 { return }
      try await Task.sleep(for: .milliseconds(10))
    }
    throw NotInTime(what: "answers after a restart; complaints: \(evidence.complaints)")
  }

  /// Callers and auditors at work while `body` runs.
  private func withLoad(_ site: CrashSite, _ evidence: CrashEvidence, _ body: () async throws -> Void) async throws {
    // A server that is down is tried again by the caller, not by the client.
    var configuration = HTTPClient.Configuration()
    configuration.connectionPool.retryConnectionEstablishment = false
    configuration.timeout.connect = .seconds(2)
    let http = HTTPClient(configuration: configuration)
    let loads = try (0..<Self.callers).map {
      try CrashLoad($0, site: site, evidence: evidence, http: http, seed: Self.seed)
    }
    let tasks = loads.map { load in
      Task {
        var load = load
        await load.run()
      }
    }
    let watching = Task { await CrashAudit.watch(site, evidence) }
    let outcome: Result<Void, any Error>
    do {
      try await body()
      outcome = .success(())
    } catch { outcome = .failure(error) }
    evidence.stop()
    for task in tasks { await task.value }
    await watching.value
    try await http.shutdown()
    try outcome.get()
  }

  private static func say(_ text: String) { FileHandle.standardError.write(Data("crash: \(text)\n".utf8)) }
}
