import Foundation
import Logging
import Postgres
import Synchronization

/// Keeps every other process from rotating, for as long as it is held: an advisory lock on a connection of its own,
/// which PostgreSQL lets go of by itself when the process dies.
final class RotationLock: Sendable {
  private let pool: PostgresPool
  private let released = DispatchSemaphore(value: 0)
  private let isLost = Mutex(false)
  private let holder = Mutex<Task<Void, Never>?>(nil)

  private init(_ pool: PostgresPool) { self.pool = pool }

  /// Takes the lock; nil when somebody else has it.
  static func take(like configuration: PoolConfiguration, logger: Logger) async throws -> RotationLock? {
    var own = configuration
    own.role = "rotation"
    own.size = 1
    own.applicationName = "lethe-rotation"
    let pool = PostgresPool(own, logger: logger)
    try await pool.start()
    let lock = RotationLock(pool)
    let (answers, answer) = AsyncStream<Bool>.makeStream()
    let task = Task { await lock.hold { answer.yield($0) } }
    lock.holder.withLock { $0 = task }
    for await mine in answers {
      if mine { return lock }
      break
    }
    await lock.release()
    return nil
  }

  /// Throws when the connection that holds the lock is gone.
  func check() throws { if isLost.withLock({ $0 }) { throw RotationError(.lockLost) } }

  /// Lets go.
  func release() async {
    released.signal()
    _ = await holder.withLock { $0 }?.value
    await pool.shutdown()
  }

  private func hold(_ answer: @escaping @Sendable (Bool) -> Void) async {
    do {
      try await pool.transaction { [released] transaction in
        guard try RotationStore.claim(in: transaction) else {
          answer(false)
          return
        }
        answer(true)
        // The connection's own thread waits here; it holds no snapshot meanwhile.
        while released.wait(timeout: .now() + 2) == .timedOut { try RotationStore.ping(in: transaction) }
      }
    } catch {
      isLost.withLock { $0 = true }
      answer(false)
    }
  }
}
