import Foundation
import Logging
import Synchronization

/// Remembers which database the pool is about, and halts its queue when a connection shows another one.
///
/// The watch's lock is taken before the queue's, never after it, so that both always agree on whether work is halted.
final class IdentityWatch: Sendable {
  private struct State {
    var expected: DatabaseIdentity?
    var changed: DatabaseIdentity?
  }

  private let queue: WorkQueue
  private let logger: Logger
  private let state = Mutex(State())

  init(_ queue: WorkQueue, logger: Logger) {
    self.queue = queue
    self.logger = logger
  }

  /// The identity that connections must show; nil before the first one.
  var expected: DatabaseIdentity? { state.withLock { $0.expected } }
  /// What was shown last, since the queue was halted; nil while it isn't.
  var changed: DatabaseIdentity? { state.withLock { $0.changed } }

  /// Decides on a new connection. The first identity ever shown is the expected one.
  ///
  /// - Returns: the generation of connections it belongs to.
  /// - Throws: `.identityChanged` for another identity, and for any while the queue is halted.
  func admit(_ shown: DatabaseIdentity) throws(PostgresError) -> UInt64 {
    let (generation, expected) = state.withLock { state -> (UInt64?, DatabaseIdentity?) in
      let expected = state.expected ?? shown
      state.expected = expected
      if state.changed == nil, shown == expected { return (queue.generation, nil) }
      let isFirst = state.changed == nil
      state.changed = shown
      if isFirst { queue.halt() }
      return (nil, isFirst ? expected : nil)
    }
    if let generation { return generation }
    if let expected {
      logger.critical(
        "another database answers: work is refused until it is accepted",
        metadata: ["expected": "\(expected)", "shown": "\(shown)"])
    }
    throw PostgresError(.identityChanged, message: "\(shown)")
  }

  /// Expects `identity` from now on, on connections that are all opened again, and lets work through.
  func accept(_ identity: DatabaseIdentity) {
    let isNews = state.withLock { state in
      guard state.changed != nil || state.expected != identity else { return false }
      state.expected = identity
      state.changed = nil
      queue.resume()
      return true
    }
    if isNews { logger.notice("database accepted", metadata: ["identity": "\(identity)"]) }
  }
}

extension DatabaseIdentity {
  /// Asks over a connection of its own, opened and closed on a thread of its own.
  static func probe(_ configuration: PoolConfiguration) async -> Result<DatabaseIdentity, PostgresError> {
    await withCheckedContinuation { continuation in
      let thread = Thread {
        let outcome = Result { () throws(PostgresError) -> DatabaseIdentity in
          let connection = try Connection(
            url: configuration.url, applicationName: configuration.applicationName,
            statementTimeout: configuration.statementTimeout, deadline: .now + configuration.acquireTimeout,
            wake: WakeSignal(), asksIdentity: true)
          guard let identity = connection.identity else { throw PostgresError(.decoding, message: "no identity") }
          return identity
        }
        continuation.resume(returning: outcome)
      }
      thread.name = "pg-\(configuration.role)-probe"
      thread.start()
    }
  }
}
