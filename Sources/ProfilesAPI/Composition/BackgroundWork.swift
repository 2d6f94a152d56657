import Custody
import Foundation
import Logging
import Policies
import ServiceLifecycle
import SubjectRights

/// What the service does by itself: carries erasures on, publishes checkpoints, deletes what has had its time. Woken
/// when an erasure is ordered, otherwise at its interval. Several replicas may do it at once.
struct BackgroundWork: Service {
  private let runner: ErasureRunner
  private let custody: Custody
  private let checkpointer: Checkpointer
  private let rights: SubjectRights
  private let timeline: TimelineGuard
  private let upkeep: LogUpkeep
  private let settings: ServerSettings
  private let logger: Logger
  private let wakes: AsyncStream<Void>
  private let waker: AsyncStream<Void>.Continuation
  private let upkeepWakes: AsyncStream<Void>
  private let upkeepWaker: AsyncStream<Void>.Continuation

  init(
    runner: ErasureRunner, custody: Custody, checkpointer: Checkpointer, rights: SubjectRights,
    timeline: TimelineGuard, settings: ServerSettings, logger: Logger
  ) {
    self.runner = runner
    self.custody = custody
    self.checkpointer = checkpointer
    self.rights = rights
    self.timeline = timeline
    self.settings = settings
    upkeep = LogUpkeep(custody: custody, checkpointer: checkpointer, logger: logger)
    self.logger = logger
    (wakes, waker) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    (upkeepWakes, upkeepWaker) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
  }

  /// Begins the next round now.
  @Sendable func wake() { waker.yield() }

  /// Works until the service is asked to stop; a round that began is finished.
  func run() async throws {
    await withGracefulShutdownHandler {
      // By itself: a long log holds up no checkpoint and no erasure. It isn't cancelled with the group: a pass that
      // began is finished, and has a bound.
      async let keeping: Void = keepLogs()
      await withTaskGroup(of: Void.self) { group in
        group.addTask { await self.tick() }
        var beat = Pace(.seconds(min(60, max(1, (settings.heartbeatSeconds ?? 240) / 4))))
        var cleaned = Pace(.seconds(60))
        for await _ in wakes {
          await round(withHeartbeats: beat.isTime())
          if cleaned.isTime() { await cleanUp() }
        }
        group.cancelAll()
      }
      await keeping
    } onGracefulShutdown: {
      waker.finish()
      upkeepWaker.finish()
    }
  }

  /// Seals logs every minute, and deletes what has had its time every hour, until the service is asked to stop.
  private func keepLogs() async {
    var sealed = Pace(.seconds(60))
    var expired = Pace(.seconds(3_600))
    for await _ in upkeepWakes where timeline.isServing {
      if sealed.isTime() { await sealLogs() }
      if expired.isTime() { await expireLogs() }
    }
  }

  private func tick() async {
    while !Task.isCancelled {
      waker.yield()
      upkeepWaker.yield()
      do { try await Task.sleep(for: .seconds(settings.checkpointSeconds)) } catch { return }
    }
  }

  private func round(withHeartbeats beats: Bool) async {
    guard timeline.isServing else { return }
    await attempt("carry erasures on") { try await runner.resumeAll() }
    await attempt("list tenants") {
      for tenant in try await custody.tenants() {
        // One tenant's trouble holds up nobody else.
        if beats, let seconds = settings.heartbeatSeconds {
          await attempt("add a heartbeat") { try await checkpointer.heartbeat(tenant.id, every: seconds) }
        }
        await attempt("publish a checkpoint") {
          do {
            try await checkpointer.publish(tenant.id)
          } catch let error as CustodyError where error == CustodyError(.unavailable, field: "archive") {
            timeline.suspect()
            throw error
          }
        }
      }
    }
    await attempt("make erasures final") { try await runner.finaliseAll(atMost: Self.finalsPerRound) }
  }

  /// How many final certificates a round issues for each tenant at most, so that erasures and checkpoints go on.
  private static let finalsPerRound = 200

  private func cleanUp() async {
    guard timeline.isServing else { return }
    let reconciliation = Reconciliation(custody: custody, logger: logger)
    let compared = ComparedOnce(timeline)
    await attempt("keep keys fresh") { try custody.freshenKeys() }
    await attempt("delete used proofs") { try await custody.deleteExpiredProofs() }
    await attempt("list tenants") {
      for tenant in try await custody.tenants() {
        await attempt("delete what has had its time") {
          try await custody.deleteExpired(in: tenant.id)
          try await rights.deleteExpiredPackages(in: tenant.id)
        }
        await attempt("release holds that have had their time") {
          try await custody.releaseExpiredHolds(in: tenant.id)
        }
        await attempt("compare subjects with keys") {
          try await reconciliation.runIfDue(tenant.id, isServable: compared.isServable)
        }
      }
    }
  }

  private func sealLogs() async {
    guard timeline.isServing else { return }
    await attempt("list tenants") {
      for tenant in try await custody.tenants() {
        await attempt("seal a log") { try await upkeep.seal(tenant.id, limit: Self.segmentsPerPass) }
      }
    }
  }

  private func expireLogs() async {
    guard timeline.isServing else { return }
    let policy = settings.retention
    @Sendable func terms(_ tenant: TenantID) -> LogTerms {
      let log = policy.log(of: tenant.uuid)
      return LogTerms(days: log.days, databaseDays: log.databaseDays, policy: policy.version)
    }
    await attempt("list tenants") {
      let tenants = try await custody.tenants().map(\.id)
      await attempt("make partitions") { try await upkeep.makePartitions(for: tenants) }
      for tenant in tenants {
        await attempt("delete entries that have had their time") {
          try await upkeep.expire(
            tenant, terms(tenant), segments: Self.segmentsPerPass, batches: Self.batchesPerPass)
        }
      }
      await attempt("drop partitions") { try await upkeep.dropPartitions(for: tenants, terms) }
    }
  }

  /// How many segments of each log are sealed in one pass: 4,000 entries a second, at one pass a minute.
  private static let segmentsPerPass = 4
  /// How many batches of ten thousand rows of each log are deleted in one pass; most of them go with a partition.
  private static let batchesPerPass = 100

  private func attempt<Result>(_ what: String, _ work: () async throws -> Result) async {
    do {
      _ = try await work()
    } catch {
      logger.error("background work failed", metadata: ["work": "\(what)", "error": "\(error)"])
    }
  }
}

/// Something that is done at most so often, and at once the first time.
private struct Pace {
  private let interval: Duration
  private var last: ContinuousClock.Instant?

  init(_ interval: Duration) { self.interval = interval }

  /// Whether it is time; counted as done then.
  mutating func isTime() -> Bool {
    if let last, last.duration(to: .now) < interval { return false }
    last = .now
    return true
  }
}

/// The comparison of all tenants, made once for a clean-up of each, and only when one asks.
private actor ComparedOnce {
  private let timeline: TimelineGuard
  private var answer: Bool?

  init(_ timeline: TimelineGuard) { self.timeline = timeline }

  @Sendable func isServable() async throws -> Bool {
    if let answer { return answer }
    let made = try await timeline.isServable()
    answer = made
    return made
  }
}
