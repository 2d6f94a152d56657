import Logging
import PostgresTesting

@testable import Postgres

/// Lends a started pool on `url` and shuts it down afterwards.
func withPool<Result>(
  _ url: String, size: Int = 2, acquireTimeout: Duration = .seconds(20), statementTimeout: Duration = .seconds(10),
  watchesIdentity: Bool = false, _ body: (PostgresPool) async throws -> Result
) async throws -> Result {
  let pool = PostgresPool(
    PoolConfiguration(
      url: url, role: "test", size: size, acquireTimeout: acquireTimeout, statementTimeout: statementTimeout,
      applicationName: "postgres tests", watchesIdentity: watchesIdentity),
    logger: .silent)
  try await pool.start()
  do {
    let result = try await body(pool)
    await pool.shutdown()
    return result
  } catch {
    await pool.shutdown()
    throw error
  }
}

/// Lends a new database and a started pool on it as the superuser.
func withDatabasePool<Result>(
  size: Int = 2, statementTimeout: Duration = .seconds(10), schema: String = "",
  _ body: (TestDatabase, PostgresPool) async throws -> Result
) async throws -> Result {
  try await withTestDatabase { database in
    if !schema.isEmpty { try await database.sql(schema) }
    return try await withPool(database.url(), size: size, statementTimeout: statementTimeout) { pool in
      try await body(database, pool)
    }
  }
}

/// The `PostgresError` that `body` throws, or nil.
func failure<Result>(_ body: () async throws -> Result) async -> PostgresError? {
  do {
    _ = try await body()
    return nil
  } catch {
    return error as? PostgresError
  }
}

/// Asks again every few milliseconds until the answer is true; false after `limit`.
func eventually(_ limit: Duration = .seconds(20), _ condition: () async -> Bool) async -> Bool {
  let end = ContinuousClock.now + limit
  while ContinuousClock.now < end {
    if await condition() { return true }
    try? await Task.sleep(for: .milliseconds(20))
  }
  return await condition()
}

extension Logger {
  static var silent: Logger { Logger(label: "tests") { _ in SwiftLogNoOpLogHandler() } }
}
