import Foundation
import Logging
import Synchronization

/// A connection that only listens, on its own thread.
final class NotificationListener: Sendable {
  /// How many notifications wait for a slow consumer before it is told that it has missed some.
  static let buffer = 1024

  private let configuration: PoolConfiguration
  private let channels: [String]
  private let queue: WorkQueue
  private let watch: IdentityWatch?
  private let logger: Logger
  private let continuation: AsyncStream<PostgresNotification>.Continuation
  private let wake: WakeSignal
  private let stopped = Mutex(false)

  init(
    _ configuration: PoolConfiguration, channels: [String], queue: WorkQueue, watch: IdentityWatch?, logger: Logger,
    _ continuation: AsyncStream<PostgresNotification>.Continuation
  ) throws(PostgresError) {
    self.configuration = configuration
    self.channels = channels
    self.queue = queue
    self.watch = watch
    self.logger = logger
    self.continuation = continuation
    wake = try WakeSignal()
  }

  var isStopped: Bool { stopped.withLock { $0 } }

  func stop() {
    stopped.withLock { $0 = true }
    wake.raise()
  }

  /// Makes the listener look whether its connection is outdated.
  func look() { wake.raise() }

  func start() {
    let thread = Thread { [self] in
      var pause = 0.05
      while !isStopped {
        do throws(PostgresError) {
          try listen { pause = 0.05 }
        } catch {
          // The watch has said so itself.
          if !isStopped, error.code != .identityChanged { logger.warning("listener lost its connection: \(error)") }
        }
        guard !isStopped else { break }
        Thread.sleep(forTimeInterval: pause)
        pause = min(pause * 2, 2)
      }
      continuation.finish()
    }
    thread.name = "pg-\(configuration.role)-listen"
    thread.start()
  }

  /// Returns only by throwing, when stopped, or when the connection is outdated.
  private func listen(connected: () -> Void) throws(PostgresError) {
    let connection = try Connection(
      url: configuration.url, applicationName: configuration.applicationName + " listener",
      statementTimeout: configuration.statementTimeout, deadline: .now + configuration.acquireTimeout, wake: wake,
      asksIdentity: watch != nil, shouldStop: { self.isStopped })
    var generation: UInt64 = 0
    if let watch, let identity = connection.identity { generation = try watch.admit(identity) }
    let commands = channels.map { [Connection.Step.command("LISTEN \(Connection.quoted($0))")] }
    if let failure = connection.exchange(commands, until: { false }).joined().firstFailure { throw failure }
    connected()
    yield(.reconnected)
    while !isStopped, generation == queue.generation {
      for heard in connection.takeNotifications() { yield(.message(channel: heard.channel, payload: heard.payload)) }
      if try !connection.waitForNotifications(.seconds(30)), !isStopped {
        // Half a minute of silence: ask, so that a peer that vanished without a word is noticed.
        let reply = connection.exchange([[.command("SELECT 1")]], until: { false })
        if let failure = reply.joined().firstFailure { throw failure }
      }
    }
  }

  private func yield(_ notification: PostgresNotification) {
    if case .dropped = continuation.yield(notification) { continuation.yield(.reconnected) }
  }
}
