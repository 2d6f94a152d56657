/// What went wrong between a caller and PostgreSQL.
///
/// `description` carries codes and schema names only. PostgreSQL puts values into the detail of an error (a duplicate
/// key, a failing row) and often into the message itself, so neither is part of `description`; the primary message is
/// available to a developer as `unsafeMessage`, and the detail is never read at all.
public struct PostgresError: Error, Sendable {
  /// The kind of failure, for callers to branch on.
  public enum Code: Sendable, Hashable {
    /// The server can't be reached, refused the login, or went away. Nothing was committed.
    case connection
    /// No connection became free within `PoolConfiguration.acquireTimeout`. The work never started.
    case timeout
    /// The pool was shut down, or never started. The work never started.
    case poolClosed
    /// The calling task was cancelled. A transaction was rolled back.
    case cancelled
    /// The server refused a statement, with its five-character SQLSTATE.
    case statement(sqlState: String)
    /// A column is missing, NULL where a value was asked for, or of another type than asked for.
    case decoding
    /// The connection was lost while COMMIT was under way: the transaction may or may not have happened.
    case commitUnknown
    /// A new connection led to another database than the ones before it, and nobody has accepted that yet
    /// (`PoolConfiguration.watchesIdentity`). The work never started, or its transaction was rolled back.
    case identityChanged
    /// The caller broke a rule of this library: a bad connection string, a transaction used after its body ended.
    case misuse
  }

  /// The kind of failure.
  public let code: Code
  /// The constraint that was violated, when one was.
  public let constraint: String?
  /// The schema of the table concerned, when the server names it.
  public let schema: String?
  /// The table concerned, when the server names it.
  public let table: String?
  /// The column concerned, when the server (or decoding) names it.
  public let column: String?
  /// The server's primary message, or ours. It may quote a value (`invalid input syntax for type uuid: "…"`): for a
  /// developer's terminal and for tests, never for a log or an answer.
  public let unsafeMessage: String

  /// The five-character SQLSTATE of a refused statement.
  public var sqlState: String? {
    if case .statement(let state) = code { state } else { nil }
  }

  /// A row with the same unique key exists (23505).
  public var isUniqueViolation: Bool { sqlState == "23505" }
  /// The row referred to doesn't exist, or is still referred to (23503).
  public var isForeignKeyViolation: Bool { sqlState == "23503" }
  /// A CHECK constraint was not met (23514).
  public var isCheckViolation: Bool { sqlState == "23514" }
  /// A row-level security policy or a missing grant refused the statement (42501).
  public var isPermissionDenied: Bool { sqlState == "42501" }
  /// The transaction lost against a concurrent one, by serialization (40001) or deadlock (40P01); running it again
  /// may succeed.
  public var isSerializationFailure: Bool { sqlState == "40001" || sqlState == "40P01" }
  /// The statement ran into `PoolConfiguration.statementTimeout` (57014).
  public var isStatementTimeout: Bool { sqlState == "57014" }

  init(
    _ code: Code, constraint: String? = nil, schema: String? = nil, table: String? = nil, column: String? = nil,
    message: String = ""
  ) {
    self.code = code
    self.constraint = constraint
    self.schema = schema
    self.table = table
    self.column = column
    unsafeMessage = message
  }
}

extension PostgresError: CustomStringConvertible {
  /// Code and schema names; never a value.
  public var description: String {
    var text =
      switch code {
      case .connection: "PostgreSQL connection failed"
      case .timeout: "no PostgreSQL connection became free in time"
      case .poolClosed: "the connection pool is closed"
      case .cancelled: "the statement was cancelled"
      case .statement(let state): "PostgreSQL refused the statement (\(state))"
      case .decoding: "a column can't be decoded"
      case .commitUnknown: "the connection was lost during COMMIT"
      case .identityChanged: "another database answers than before"
      case .misuse: "the connection pool was used wrongly"
      }
    if let table { text += ", table \(schema.map { $0 + "." } ?? "")\(table)" }
    if let column { text += ", column \(column)" }
    if let constraint { text += ", constraint \(constraint)" }
    return text
  }
}

extension PostgresError: CustomDebugStringConvertible {
  /// The same as `description`: Swift prints this one when the error is inside an optional, an array or a result.
  public var debugDescription: String { description }
}

extension PostgresError: CustomReflectable {
  /// Only what `description` says, so that `dump` does not show the message.
  public var customMirror: Mirror {
    Mirror(self, children: ["description": description])
  }
}
