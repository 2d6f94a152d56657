import Foundation
public import Logging

/// Applies migrations in order, each in a transaction of its own, under an advisory lock, so that several processes may
/// start at once and each migration still runs once.
///
/// What was applied is kept in the table `lethe_migrations (number, name, checksum, applied_at)` of the current schema,
/// which belongs to the role of the URL. The checksum is SHA-256 over the text.
public struct Migrator: Sendable {
  private let url: String
  private let migrations: [Migration]
  private let lock: Int64
  private let logger: Logger

  /// - Parameters:
  ///   - url: libpq URI or keyword string of the role that owns the schema.
  ///   - migrations: all of them, in ascending order.
  ///   - lock: key of the advisory lock; the same for every process that migrates this database.
  public init(url: String, migrations: [Migration], lock: Int64, logger: Logger) {
    self.url = url
    self.migrations = migrations
    self.lock = lock
    self.logger = logger
  }

  /// Applies what is missing and returns its names, in order.
  ///
  /// Waits for another process that is migrating. When a migration fails, those before it stay applied.
  public func run() async throws(MigrationError) -> [String] {
    try await onConnection { (session) throws(MigrationError) in
      try session.perform("SELECT pg_advisory_lock(\(lock))")
      try session.createTable()
      var names: [String] = []
      for migration in try missing(session) {
        try session.apply(migration)
        logger.info("migrated", metadata: ["number": "\(migration.number)", "name": "\(migration.name)"])
        names.append(migration.name)
      }
      return names
    }
  }

  /// What `run` would apply now. Changes nothing.
  public func pending() async throws(MigrationError) -> [Migration] {
    try await onConnection { (session) throws(MigrationError) in try missing(session) }
  }

  private func missing(_ session: MigrationSession) throws(MigrationError) -> [Migration] {
    var last = 0
    for migration in migrations {
      guard migration.number > last else { throw MigrationError(.unorderedList, number: migration.number) }
      last = migration.number
    }
    let applied = try session.applied(of: migrations)
    let known = Set(migrations.map(\.number))
    if let unknown = applied.keys.filter({ !known.contains($0) }).min() {
      throw MigrationError(.unknownApplied, number: unknown)
    }
    let newest = applied.keys.max() ?? 0
    var missing: [Migration] = []
    for migration in migrations {
      switch applied[migration.number] {
      case true?: continue
      case false?: throw MigrationError(.changed, number: migration.number)
      case nil where migration.number < newest: throw MigrationError(.outOfOrder, number: migration.number)
      case nil: missing.append(migration)
      }
    }
    return missing
  }

  /// Runs blocking work with a connection on a thread of its own; the advisory lock ends with the connection.
  private func onConnection<Value: Sendable>(
    _ body: @escaping @Sendable (MigrationSession) throws(MigrationError) -> Value
  ) async throws(MigrationError) -> Value {
    let outcome = await withCheckedContinuation {
      (continuation: CheckedContinuation<Result<Value, MigrationError>, Never>) in
      Thread {
        continuation.resume(
          returning: Result { () throws(MigrationError) in try body(MigrationSession(url: url)) })
      }.start()
    }
    return try outcome.get()
  }
}

/// The statements of a migrator over one connection.
private struct MigrationSession {
  private let connection: Connection

  init(url: String) throws(MigrationError) {
    do throws(PostgresError) {
      connection = try Connection(
        url: url, applicationName: "lethe migrate", statementTimeout: nil, deadline: .now + .seconds(15),
        wake: WakeSignal())
    } catch {
      throw MigrationError(.failed, cause: error)
    }
  }

  func createTable() throws(MigrationError) {
    guard try !tableExists() else { return }
    try perform(
      """
      CREATE TABLE lethe_migrations (
        number bigint PRIMARY KEY,
        name text NOT NULL,
        checksum bytea NOT NULL,
        applied_at timestamptz NOT NULL DEFAULT now()
      )
      """)
  }

  /// For every number that was applied, whether the text given under it is the one applied.
  func applied(of migrations: [Migration]) throws(MigrationError) -> [Int: Bool] {
    guard try tableExists() else { return [:] }
    let rows = try perform(
      """
      SELECT number, coalesce(checksum = sha256(convert_to(given.sql, 'UTF8')), false) AS same
      FROM lethe_migrations
      LEFT JOIN unnest(\(migrations.map(\.number)), \(migrations.map(\.sql))) AS given (number, sql) USING (number)
      """)
    return try decoding { () throws(PostgresError) in
      var applied: [Int: Bool] = [:]
      for row in rows { applied[try row.decode("number")] = try row.decode("same", as: Bool.self) }
      return applied
    }
  }

  func apply(_ migration: Migration) throws(MigrationError) {
    let transaction = Transaction(connection, isCancelled: { false })
    do throws(PostgresError) {
      try transaction.execute("BEGIN")
      try transaction.run(script: migration.sql)
      try transaction.execute(
        """
        INSERT INTO lethe_migrations (number, name, checksum)
        VALUES (\(migration.number), \(migration.name), sha256(convert_to(\(migration.sql), 'UTF8')))
        """)
      try transaction.execute("COMMIT")
    } catch {
      throw MigrationError(.failed, number: migration.number, cause: error)
    }
  }

  @discardableResult
  func perform(_ sql: SQL) throws(MigrationError) -> [Row] {
    try decoding { () throws(PostgresError) in
      try Transaction(connection, isCancelled: { false }).query(sql)
    }
  }

  private func tableExists() throws(MigrationError) -> Bool {
    let rows = try perform("SELECT to_regclass('lethe_migrations') IS NOT NULL AS present")
    return try decoding { () throws(PostgresError) in try rows.first?.decode("present", as: Bool.self) ?? false }
  }

  private func decoding<Value>(_ body: () throws(PostgresError) -> Value) throws(MigrationError) -> Value {
    do throws(PostgresError) {
      return try body()
    } catch {
      throw MigrationError(.failed, cause: error)
    }
  }
}
