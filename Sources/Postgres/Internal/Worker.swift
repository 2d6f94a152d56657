import Foundation
import Logging

/// One connection's thread: takes work from the queue, runs it, keeps the connection or replaces it.
///
/// `@unchecked Sendable`: `connection`, `generation` and `isFailing` are touched by the worker's own thread only,
/// between `start` and the thread's end.
final class Worker: @unchecked Sendable {
  private let configuration: PoolConfiguration
  private let queue: WorkQueue
  private let watch: IdentityWatch?
  private let logger: Logger
  private let wake: WakeSignal
  private var connection: Connection?
  /// That of `connection`.
  private var generation: UInt64 = 0
  private var isFailing = false

  /// - Parameter watch: decides on every new connection; nil takes all.
  init(
    _ configuration: PoolConfiguration, queue: WorkQueue, watch: IdentityWatch?, logger: Logger
  ) throws(PostgresError) {
    self.configuration = configuration
    self.queue = queue
    self.watch = watch
    self.logger = logger
    wake = try WakeSignal()
  }

  func start(number: Int) {
    let thread = Thread { [self] in
      while let batch = queue.next(holding: connection == nil ? nil : generation) {
        switch batch {
        case .outdated: connection = nil
        case .reads(let tickets): run(reads: tickets.filter { $0.begin(wake: wake) })
        case .transaction(let ticket): if ticket.begin(wake: wake) { run(transaction: ticket) }
        }
        if let connection, !connection.isIdle { self.connection = nil }
      }
      connection = nil
      queue.threadEnded()
    }
    thread.name = "pg-\(configuration.role)-\(number)"
    thread.start()
  }

  /// The thread's connection, opened when there is none.
  private func connected(
    deadline: ContinuousClock.Instant, until shouldStop: () -> Bool
  ) throws(PostgresError) -> (connection: Connection, isFresh: Bool) {
    if let connection { return (connection, false) }
    do throws(PostgresError) {
      let new = try Connection(
        url: configuration.url, applicationName: configuration.applicationName,
        statementTimeout: configuration.statementTimeout, deadline: deadline, wake: wake,
        asksIdentity: watch != nil, shouldStop: shouldStop)
      if let watch, let identity = new.identity { generation = try watch.admit(identity) }
      connection = new
      if isFailing { logger.notice("connected again") }
      isFailing = false
      return (new, true)
    } catch {
      // Said once, not for every piece of work that fails meanwhile.
      if error.code != .cancelled, error.code != .identityChanged, !isFailing {
        logger.warning("can't connect: \(error)")
        isFailing = true
      }
      throw error
    }
  }

  // MARK: The single-shot lane

  private func run(reads all: [Ticket]) {
    var waiting = all
    // A connection may have died while it was idle, and a prepared statement may have outlived its table's shape.
    // Reads change nothing, so both are met by asking once more on a new connection.
    for isLast in [false, true] where !waiting.isEmpty {
      let deadline = waiting.map(\.connectDeadline).max() ?? .now
      let tickets = waiting
      let abandoned = { tickets.allSatisfy(\.isSettled) }
      do throws(PostgresError) {
        let (connection, isFresh) = try connected(deadline: deadline, until: abandoned)
        waiting = ReadBatch(tickets, mayRepeat: !isFresh && !isLast).run(on: connection, until: abandoned)
        if connection.isBroken || !waiting.isEmpty { self.connection = nil }
      } catch {
        for ticket in waiting { ticket.settle(error) }
        return
      }
    }
  }

  // MARK: The closure lane

  private func run(transaction ticket: Ticket) {
    guard case .transaction(let options, let body) = ticket.work else { return }
    do throws(PostgresError) {
      let (connection, opening) = try begin(options, ticket)
      let transaction = Transaction(connection, opening: opening, isCancelled: { ticket.isCancelled })
      defer { transaction.end() }
      do {
        try body(transaction)
      } catch {
        rollBack(connection)
        ticket.settle(error)
        return
      }
      if ticket.isCancelled {
        rollBack(connection)
        throw PostgresError(.cancelled)
      }
      if connection.isInFailedTransaction {
        rollBack(connection)
        throw transaction.firstFailure ?? PostgresError(.statement(sqlState: "25P02"))
      }
      if generation != queue.generation {
        // Meanwhile another database has taken this one's place: what was written here would be lost.
        rollBack(connection)
        throw PostgresError(.identityChanged)
      }
      try commit(connection)
      ticket.settle(nil)
    } catch {
      ticket.settle(error)
    }
  }

  /// BEGIN, settings and opening in one exchange, prepared in it where they are new to the connection.
  private func begin(
    _ options: TransactionOptions, _ ticket: Ticket
  ) throws(PostgresError) -> (connection: Connection, opening: [Row]) {
    var text = "BEGIN ISOLATION LEVEL \(options.isolation.rawValue)"
    if options.readOnly { text += " READ ONLY" }
    while true {
      let (connection, isFresh) = try connected(deadline: ticket.connectDeadline) { ticket.isCancelled }
      var segments: [[Connection.Step]] = []
      var prepared: [(segment: Int, key: StatementCache.Key)] = []
      var steps: [Connection.Step] = [.command(text)]
      for sql in [SQL.settings(options.settings), options.opening].compactMap(\.self) {
        let plan = connection.statements.plan(sql.cacheKey)
        if let evicted = plan.evicted { segments.append([.command("DEALLOCATE \(evicted)")]) }
        if plan.isNew {
          prepared.append((segments.count, sql.cacheKey))
          segments.append([.prepare(name: plan.name, sql: sql)])
        }
        steps.append(.execute(name: plan.name, binds: sql.binds))
      }
      let replies = connection.exchange(segments + [steps], until: { ticket.isCancelled })
      for (segment, key) in prepared where replies[segment].firstFailure != nil { connection.statements.forget(key) }
      guard let failure = replies.joined().firstFailure else {
        guard connection.isInTransaction else {
          self.connection = nil
          throw PostgresError(.misuse, message: "the opening ended its own transaction")
        }
        guard options.opening != nil, case .done(let rows, _, _) = replies.last?.last else { return (connection, []) }
        return (connection, rows)
      }
      if failure.isOfConnection, !isFresh {
        // The connection died while it was idle, or its plan is outdated: nothing has happened, so another one may
        // begin.
        self.connection = nil
        continue
      }
      rollBack(connection)
      throw ticket.isCancelled ? PostgresError(.cancelled) : failure
    }
  }

  private func commit(_ connection: Connection) throws(PostgresError) {
    guard connection.isInTransaction else {
      self.connection = nil
      throw PostgresError(.misuse, message: "the body ended its own transaction")
    }
    switch connection.exchange([[.command("COMMIT")]], until: { false }).first?.first {
    case .done(_, _, "COMMIT"): return
    case .failed(let error) where error.sqlState != nil: throw error
    case .done, .failed, .skipped, nil:
      self.connection = nil
      throw PostgresError(.commitUnknown)
    }
  }

  private func rollBack(_ connection: Connection) {
    let replies = connection.exchange([[.command("ROLLBACK")]], until: { false })
    if replies.joined().firstFailure != nil || !connection.isIdle { self.connection = nil }
  }
}

extension SQL {
  /// One statement for all settings, or nil for none.
  static func settings(_ settings: [SessionSetting]) -> SQL? {
    guard !settings.isEmpty else { return nil }
    let calls = settings.map { setting -> SQL in "set_config(\(setting.name), \(setting.value), true)" }
    return "SELECT \(SQL.joined(calls, separator: ", "))"
  }
}
