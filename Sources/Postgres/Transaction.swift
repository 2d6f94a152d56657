/// An open transaction, lent to a body for as long as the body runs.
///
/// Its methods block: the body runs on a connection's own thread, so that it can't await anything while it holds the
/// transaction open. After a failed statement PostgreSQL refuses all others until the transaction (or the savepoint
/// around it) ends: a body that swallows such an error still can't commit.
public final class Transaction {
  /// The rows of the statement that `PostgresPool.transaction` was given as `opening`; empty without one.
  public let opening: [Row]
  private let connection: Connection
  private let isCancelled: () -> Bool
  private(set) var firstFailure: PostgresError?
  private var isOpen = true
  private var savepoints = 0

  init(_ connection: Connection, opening: [Row] = [], isCancelled: @escaping () -> Bool) {
    self.connection = connection
    self.opening = opening
    self.isCancelled = isCancelled
  }

  /// Runs a statement and returns its rows.
  ///
  /// - Throws: `.statement` when the server refuses it, `.cancelled` when the calling task is, `.connection`.
  @discardableResult
  public func query(_ sql: SQL) throws(PostgresError) -> [Row] {
    try perform(sql).rows
  }

  /// Runs a statement and returns how many rows it inserted, updated, deleted or selected.
  ///
  /// - Throws: as `query`.
  @discardableResult
  public func execute(_ sql: SQL) throws(PostgresError) -> Int {
    try perform(sql).affected
  }

  /// Runs several statements, separated by semicolons, without binds. For migrations: the text is raw SQL.
  ///
  /// - Throws: as `query`; `.misuse` when the script ended the transaction.
  public func run(script unsafe: String) throws(PostgresError) {
    try checkOpen()
    do throws(PostgresError) {
      try connection.run(script: unsafe, until: isCancelled)
    } catch {
      throw note(error)
    }
    guard connection.isInTransaction else {
      throw note(PostgresError(.misuse, message: "a script must not end its transaction"))
    }
  }

  /// Runs `body` so that its statements can be undone alone: a throw rolls back to the state before it, is rethrown,
  /// and leaves the transaction usable. Two round trips more than the body's own.
  @discardableResult
  public func savepoint<Result>(_ body: () throws -> Result) throws -> Result {
    savepoints += 1
    let name = "p\(savepoints)"
    try command("SAVEPOINT \(name)")
    let failureBefore = firstFailure
    do {
      let result = try body()
      try command("RELEASE SAVEPOINT \(name)")
      return result
    } catch {
      try command("ROLLBACK TO SAVEPOINT \(name)")
      firstFailure = failureBefore
      throw error
    }
  }

  /// From now on every call is refused; the pool has the connection back.
  func end() { isOpen = false }

  private func command(_ text: String) throws(PostgresError) {
    try checkOpen()
    let replies = connection.exchange([[.command(text)]], until: isCancelled)
    if let failure = replies.joined().firstFailure { throw note(failure) }
  }

  private func perform(_ sql: SQL) throws(PostgresError) -> (rows: [Row], affected: Int) {
    try checkOpen()
    let key = sql.cacheKey
    let plan = connection.statements.plan(key)
    var segments: [[Connection.Step]] = []
    if let evicted = plan.evicted { segments.append([.command("DEALLOCATE \(evicted)")]) }
    if plan.isNew { segments.append([.prepare(name: plan.name, sql: sql)]) }
    segments.append([.execute(name: plan.name, binds: sql.binds)])
    let replies = connection.exchange(segments, until: isCancelled)
    if plan.isNew, replies.dropLast().joined().firstFailure != nil { connection.statements.forget(key) }
    if let failure = replies.joined().firstFailure {
      // A plan that is outdated would stay so: the next transaction prepares the statement again.
      if failure.isOfConnection { connection.statements.forget(key) }
      throw note(failure)
    }
    guard case .done(let rows, let affected, _) = replies.last?.last else {
      throw note(PostgresError(.connection, message: "no reply"))
    }
    return (rows, affected)
  }

  private func checkOpen() throws(PostgresError) {
    guard isOpen else { throw PostgresError(.misuse, message: "the transaction has ended") }
    guard !isCancelled() else { throw note(PostgresError(.cancelled)) }
  }

  private func note(_ error: PostgresError) -> PostgresError {
    let known = error.isStatementTimeout && isCancelled() ? PostgresError(.cancelled) : error
    firstFailure = firstFailure ?? known
    return known
  }
}
