public import Logging
import Synchronization

/// Connections to one database, each with a thread of its own, and two lanes of work over them.
///
/// - `transaction` runs a synchronous body between BEGIN and COMMIT on a connection's thread.
/// - `read` sends one statement as a transaction of its own; the threads take up to 32 waiting reads at a time and send
///   them together.
///
/// Call `start` once before any work and `shutdown` once after it. Statements are prepared on first use by every
/// connection. A connection that has seen anything odd is closed, and the next work on that thread opens another, so
/// the pool recovers by itself when PostgreSQL comes back. With `PoolConfiguration.watchesIdentity` it does so only for
/// the database it has known from its first connection on: see `identityChange`.
public final class PostgresPool: Sendable {
  /// What the pool was made with.
  public let configuration: PoolConfiguration
  private let logger: Logger
  private let queue = WorkQueue()
  private let watch: IdentityWatch?
  private let isStarted = Mutex(false)
  private let listeners = Mutex<[NotificationListener]>([])

  /// A pool that has not connected yet.
  public init(_ configuration: PoolConfiguration, logger: Logger) {
    self.configuration = configuration
    var logger = logger
    logger[metadataKey: "pool"] = "\(configuration.role)"
    self.logger = logger
    watch = configuration.watchesIdentity ? IdentityWatch(queue, logger: logger) : nil
  }

  deinit {
    // Threads hold the queue, not the pool: closing it ends them.
    queue.close()
  }

  /// Starts the threads and opens one connection, which proves that server, credentials and database are right; the
  /// other connections open when they are first needed. Waits `acquireTimeout`, but at least ten seconds.
  ///
  /// - Throws: `.connection`, `.timeout`, `.identityChanged` for another database than was accepted before, or
  ///   `.misuse` for an empty pool or a second start. After a throw the pool is shut down.
  public func start() async throws(PostgresError) {
    let isFirst = isStarted.withLock { started in
      defer { started = true }
      return !started
    }
    guard isFirst else { throw PostgresError(.misuse, message: "the pool was started before") }
    guard configuration.size > 0 else { throw PostgresError(.misuse, message: "a pool needs a connection") }
    for number in 1...configuration.size {
      let worker = try Worker(configuration, queue: queue, watch: watch, logger: logger)
      queue.threadStarts()
      worker.start(number: number)
    }
    do throws(PostgresError) {
      // A cold server may take longer to answer at first than work is allowed to wait later.
      let patience = max(configuration.acquireTimeout, .seconds(10))
      let work = Ticket.Work.read("SELECT 1", [], Slot())
      if let failure = await settle(work, connectingWithin: patience) { throw Self.known(failure) }
    } catch {
      await shutdown()
      throw error
    }
  }

  /// Refuses new work, fails what waits with `.poolClosed`, lets what runs finish, and closes the connections.
  public func shutdown() async {
    isStarted.withLock { $0 = true }
    queue.close()
    for listener in listeners.withLock({ $0 }) { listener.stop() }
    await queue.untilThreadsEnd()
  }

  /// Runs `body` in a transaction on a connection's thread.
  ///
  /// BEGIN, all settings and `opening` travel in one round trip; a throw from `body` rolls back. The body may block its
  /// thread in statements only; it can't await. When the calling task is cancelled the server is asked to stop the
  /// statement, the transaction is rolled back, and `.cancelled` is thrown.
  ///
  /// - Parameters:
  ///   - settings: in force from the first statement on, `opening` included, until the transaction ends.
  ///   - opening: one statement that runs before the body, inside the transaction; its rows are `Transaction.opening`.
  ///     When the server refuses it the transaction is rolled back and the body never runs. It is sent again on another
  ///     connection when the first one turns out to be gone, or to hold an outdated plan of it: nothing of the first
  ///     attempt is committed.
  ///   - readOnly: makes the server refuse writes (25006).
  ///   - isolation: how much of concurrent transactions it sees.
  ///   - body: what runs between BEGIN and COMMIT, on the connection's thread.
  /// - Throws: what `body` throws, or `PostgresError`: before the body ran, `.timeout`, `.poolClosed`, `.connection`,
  ///   and `.statement` for an `opening` refused; afterwards `.statement` for a COMMIT refused (a deferred constraint, or a
  ///   failure the body swallowed), and `.commitUnknown` when the connection went while COMMIT was under way;
  ///   `.identityChanged` before and after it.
  @discardableResult
  public func transaction<Result: Sendable>(
    settings: [SessionSetting] = [], opening: SQL? = nil, readOnly: Bool = false,
    isolation: IsolationLevel = .readCommitted, _ body: @escaping @Sendable (Transaction) throws -> Result
  ) async throws -> Result {
    let slot = Slot<Result>()
    let options = TransactionOptions(
      settings: settings, opening: opening, readOnly: readOnly, isolation: isolation)
    let failure = await settle(.transaction(options) { transaction in slot.put(try body(transaction)) })
    if let failure { throw failure }
    guard let result = slot.take() else { throw PostgresError(.misuse, message: "a body without result") }
    return result
  }

  /// Runs one statement as a read-only transaction of its own, in one round trip with its settings.
  ///
  /// The server refuses writes here (25006), which is why a read may be sent again when its connection turns out to be
  /// gone, and why a cancelled one need not be waited for.
  ///
  /// - Throws: `.statement`, `.timeout`, `.poolClosed`, `.identityChanged`, `.cancelled`, `.connection`. A failing read does
  ///   not touch those it was sent with.
  public func read(_ statement: SQL, settings: [SessionSetting] = []) async throws(PostgresError) -> [Row] {
    let slot = Slot<[Row]>()
    if let failure = await settle(.read(statement, settings, slot)) { throw Self.known(failure) }
    return slot.take() ?? []
  }

  /// Listens on channels over a connection of its own, which is opened again, with growing pauses, whenever it is lost.
  ///
  /// The first element, and the first after every interruption, is `.reconnected`: notifications before it may have
  /// been missed, so whatever is cached from them has to go. The stream ends with `shutdown`, or with its consumer.
  public func notifications(channels: [String]) -> AsyncStream<PostgresNotification> {
    let (stream, continuation) = AsyncStream.makeStream(
      of: PostgresNotification.self, bufferingPolicy: .bufferingNewest(NotificationListener.buffer))
    do throws(PostgresError) {
      let listener = try NotificationListener(
        configuration, channels: channels, queue: queue, watch: watch, logger: logger, continuation)
      continuation.onTermination = { _ in listener.stop() }
      listeners.withLock {
        $0.removeAll(where: \.isStopped)
        $0.append(listener)
      }
      listener.start()
    } catch {
      logger.error("no listener: \(error)")
      continuation.finish()
    }
    return stream
  }

  // MARK: Identity

  /// The identity that every connection has to show: that of the first one, or what was accepted since. Nil before the
  /// first connection, and in a pool that doesn't watch.
  public var identity: DatabaseIdentity? { watch?.expected }

  /// Another identity than the expected one, shown by a new connection; nil as long as none was.
  ///
  /// Once it is set the pool is halted: waiting and new work fails at once with `.identityChanged`, transactions that
  /// run are rolled back instead of committed, and connections are closed. It stays halted, even if the next look
  /// shows the expected database again, until `accept`. While it is halted this is the identity that was shown last.
  public var identityChange: DatabaseIdentity? { watch?.changed }

  /// Expects `identity` from now on and, if the pool was halted, takes work again. Every connection is replaced before
  /// it is used again, and the new ones are held against `identity`: if the database has changed once more since it was
  /// looked at, the pool halts again. Before `start` it says which database the first connection must show.
  ///
  /// Does nothing in a pool that doesn't watch, or isn't halted and expects `identity` already.
  public func accept(_ identity: DatabaseIdentity) {
    watch?.accept(identity)
    for listener in listeners.withLock({ $0 }) { listener.look() }
  }

  /// Opens a connection of its own now, whatever the pool is doing, asks it for the identity, and closes it. Waits
  /// `acquireTimeout`.
  ///
  /// - Returns: the identity shown, which is the expected one.
  /// - Throws: `.identityChanged` when it is another, or the pool was halted already: `identityChange` then is what was
  ///   shown. `.connection`; `.poolClosed` before `start` and after `shutdown`; `.misuse` in a pool that doesn't watch.
  @discardableResult
  public func recheckIdentity() async throws(PostgresError) -> DatabaseIdentity {
    guard let watch else { throw PostgresError(.misuse, message: "the pool doesn't watch its database's identity") }
    guard isStarted.withLock({ $0 }), !queue.hasClosed else { throw PostgresError(.poolClosed) }
    let shown = try await DatabaseIdentity.probe(configuration).get()
    _ = try watch.admit(shown)
    return shown
  }

  private func settle(_ work: Ticket.Work, connectingWithin patience: Duration? = nil) async -> (any Error)? {
    guard isStarted.withLock({ $0 }) else { return PostgresError(.poolClosed, message: "not started") }
    // The cancellation handler comes after the work is queued; a thread could be quicker.
    guard !Task.isCancelled else { return PostgresError(.cancelled) }
    let now = ContinuousClock.now
    let ticket = Ticket(
      work, deadline: now + configuration.acquireTimeout,
      connectDeadline: now + (patience ?? configuration.acquireTimeout))
    queue.add(ticket)
    return await ticket.outcome()
  }

  /// The single-shot lane fails with our own errors only.
  private static func known(_ failure: any Error) -> PostgresError {
    failure as? PostgresError ?? PostgresError(.misuse, message: "unexpected failure")
  }
}

extension PostgresPool {
  /// Whether the server answers a statement at this moment, within the pool's own deadlines. For health checks: says
  /// nothing of why it doesn't.
  public func isAnswering() async -> Bool {
    do {
      return try await read("SELECT 1 AS one").count == 1
    } catch {
      return false
    }
  }
}
