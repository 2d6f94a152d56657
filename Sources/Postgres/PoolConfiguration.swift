/// Where a pool connects and how long it waits.
public struct PoolConfiguration: Sendable {
  /// A libpq connection URI (`postgresql://…`) or keyword string (`host=… dbname=…`). May hold a password: it is never
  /// logged.
  public var url: String
  /// What this pool is for, in logs and thread names: `data`, `vault`.
  public var role: String
  /// How many connections, each with a thread of its own.
  public var size: Int
  /// How long work may wait for a connection, connecting included, before it fails with `.timeout`.
  public var acquireTimeout: Duration
  /// PostgreSQL's `statement_timeout` for every statement; a reply later than this by five seconds ends the connection.
  public var statementTimeout: Duration
  /// `application_name` in `pg_stat_activity`.
  public var applicationName: String
  /// Whether every new connection is asked which database it leads to, without a further round trip, and all work is
  /// refused when that has changed: see `PostgresPool.identityChange`.
  public var watchesIdentity: Bool

  /// A configuration with the defaults of a small service.
  public init(
    url: String, role: String, size: Int = 4, acquireTimeout: Duration = .seconds(5),
    statementTimeout: Duration = .seconds(10), applicationName: String = "lethe", watchesIdentity: Bool = false
  ) {
    self.url = url
    self.role = role
    self.size = size
    self.acquireTimeout = acquireTimeout
    self.statementTimeout = statementTimeout
    self.applicationName = applicationName
    self.watchesIdentity = watchesIdentity
  }
}

extension PoolConfiguration: CustomStringConvertible, CustomReflectable {
  /// The role and size; not the URL, which may hold a password.
  public var description: String { "PoolConfiguration(\(role), \(size) connections)" }
  /// The same as `description`, so that `dump` shows no password.
  public var customMirror: Mirror { Mirror(self, children: ["role": role, "size": size]) }
}

/// A setting of one transaction, as by `set_config(name, value, true)`: it ends with the transaction.
///
/// PostgreSQL shows a custom setting that has ended as `''`, not as NULL: policies read
/// `NULLIF(current_setting('app.tenant_id', true), '')`.
public struct SessionSetting: Sendable, Hashable {
  /// The setting's name, such as `app.tenant_id`.
  public var name: String
  /// Its value.
  public var value: String

  /// A setting for the transaction it is passed to.
  public init(name: String, value: String) {
    self.name = name
    self.value = value
  }
}

/// How much of concurrent transactions a transaction sees (PostgreSQL documentation, 13.2).
public enum IsolationLevel: String, Sendable {
  /// Each statement sees what was committed before it began.
  case readCommitted = "READ COMMITTED"
  /// All statements see what was committed before the first one; conflicting writes fail with 40001.
  case repeatableRead = "REPEATABLE READ"
  /// As if transactions ran one after another; those that can't fail with 40001.
  case serializable = "SERIALIZABLE"
}
