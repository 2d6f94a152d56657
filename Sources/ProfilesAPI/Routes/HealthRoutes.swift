import HTTPTypes
public import Hummingbird
public import Postgres
import StrictJSON
import Synchronization

/// `/health`: for orchestrators. Tells states of parts, never why in words that could hold a value.
public struct HealthRoutes: Sendable {
  private let pools: [(name: String, pool: PostgresPool)]
  private let phase: ServicePhase
  private let isServable: @Sendable () -> Bool

  /// Asks those pools, and whether the databases behind them may be served.
  public init(
    pools: [(name: String, pool: PostgresPool)], phase: ServicePhase,
    isServable: @escaping @Sendable () -> Bool = { true }
  ) {
    self.pools = pools
    self.phase = phase
    self.isServable = isServable
  }

  /// Adds the three routes, without authentication.
  public func add(to router: Router<APIContext>) {
    // Alive as long as it answers: a database that is away must not restart every replica.
    router.get("/health/live") { _, _ in
      try Response.json(.object([member("status", "alive")]))
    }
    router.get("/health/startup") { _, _ in
      let started = phase.current != .starting
      return try Response.json(
        .object([member("status", started ? "started" : "starting")]), status: started ? .ok : .serviceUnavailable)
    }
    router.get("/health/ready") { _, _ in
      var parts: [JSONMember] = []
      var ready = phase.current == .serving
      for (name, pool) in pools {
        let answers = await pool.isAnswering()
        ready = ready && answers
        parts.append(member(name, answers ? "reachable" : "unreachable"))
      }
      if !isServable() {
        ready = false
        parts.append(member("timeline", "unrecovered"))
      }
      return try Response.json(
        .object([member("status", ready ? "ready" : "unready"), JSONMember("parts", .object(parts))]),
        status: ready ? .ok : .serviceUnavailable)
    }
  }
}

/// Where the process is in its life.
public final class ServicePhase: Sendable {
  /// The phases, in order.
  public enum Phase: Int, Sendable {
    /// Checks and migrations are under way.
    case starting
    /// Requests are answered.
    case serving
    /// Requests that were accepted are finished; new ones go elsewhere.
    case stopping
  }

  private let phase = Mutex(Phase.starting)

  /// Begins at `starting`.
  public init() {}

  /// The phase at the moment.
  public var current: Phase { phase.withLock { $0 } }

  /// Moves to a phase.
  public func move(to next: Phase) { phase.withLock { $0 = next } }
}
