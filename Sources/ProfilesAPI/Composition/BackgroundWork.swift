import Custody
import Foundation
import Logging
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
  private let interval: Duration
  private let logger: Logger
  private let wakes: AsyncStream<Void>
  private let waker: AsyncStream<Void>.Continuation

  init(
    runner: ErasureRunner, custody: Custody, checkpointer: Checkpointer, rights: SubjectRights,
    timeline: TimelineGuard, interval: Duration, logger: Logger
  ) {
    self.runner = runner
    self.custody = custody
    self.checkpointer = checkpointer
    self.rights = rights
    self.timeline = timeline
    self.interval = interval
    self.logger = logger
    (wakes, waker) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
  }

  /// Begins the next round now.
  @Sendable func wake() { waker.yield() }

  /// Works until the service is asked to stop; a round that began is finished.
  func run() async throws {
    await withGracefulShutdownHandler {
      await withTaskGroup(of: Void.self) { group in
        group.addTask { await self.tick() }
        var cleaned: ContinuousClock.Instant?
        for await _ in wakes {
          await round()
          if cleaned.map({ $0.duration(to: .now) >= .seconds(60) }) ?? true {
            await cleanUp()
            cleaned = .now
          }
        }
        group.cancelAll()
      }
    } onGracefulShutdown: {
      waker.finish()
    }
  }

  private func tick() async {
    while !Task.isCancelled {
      waker.yield()
      do { try await Task.sleep(for: interval) } catch { return }
    }
  }

  private func round() async {
    guard timeline.isServing else { return }
    await attempt("carry erasures on") { try await runner.resumeAll() }
    await attempt("list tenants") {
      for tenant in try await custody.tenants() {
        // One tenant's trouble holds up nobody else.
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

  private func attempt<Result>(_ what: String, _ work: () async throws -> Result) async {
    do {
      _ = try await work()
    } catch {
      logger.error("background work failed", metadata: ["work": "\(what)", "error": "\(error)"])
    }
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
