/// Which database a connection leads to, as far as the server tells: another one behind the same URL shows another
/// identity.
///
/// A database dropped and made again has another `databaseID`; a standby that was promoted, and a cluster restored to
/// a point in time, has another `timeline`; another cluster has another `systemIdentifier`. A dump restored *into* the
/// same database, or a copy of the data folder put back without recovery, changes none of them.
///
/// Any role may ask for all three (PostgreSQL documentation, 9.26 and 9.27), unless an administrator revoked it:
/// without the cluster's number the rest is watched, without the timeline no connection opens.
public struct DatabaseIdentity: Sendable, Hashable {
  /// The number that `initdb` gave the cluster; nil when the role may not call `pg_control_system`.
  public let systemIdentifier: UInt64?
  /// The timeline that is written to, counted from 1; nil on a standby, which writes to none.
  public let timeline: UInt32?
  /// The database's object identifier (`pg_database.oid`), unique in its cluster at any one time.
  public let databaseID: UInt32

  /// Whether the server was in recovery: a standby, or a restore that is not finished.
  public var isStandby: Bool { timeline == nil }
}

extension DatabaseIdentity: CustomStringConvertible {
  /// The three numbers, for a log: they say nothing of what is stored.
  public var description: String {
    let cluster = systemIdentifier.map { "cluster \($0)" } ?? "a cluster that can't be asked"
    return "\(cluster), \(timeline.map { "timeline \($0)" } ?? "standby"), database \(databaseID)"
  }
}

extension DatabaseIdentity {
  /// The database and the timeline. A file of the write-ahead log is named after its timeline, in eight hexadecimal
  /// digits; a server in recovery refuses to name one.
  static let place: SQL = """
    SELECT oid AS database, CASE WHEN NOT pg_is_in_recovery()
      THEN substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) END AS timeline
    FROM pg_database WHERE datname = current_database()
    """

  /// The cluster, asked apart from the rest: where it has been revoked the whole statement fails.
  static let cluster: SQL = "SELECT system_identifier FROM pg_control_system()"

  /// - Parameters:
  ///   - place: the row of `place`.
  ///   - cluster: the row of `cluster`, or nil when it was refused.
  init(place: Row, cluster: Row?) throws(PostgresError) {
    let digits = try place.decode("timeline", as: String?.self)
    timeline = digits.flatMap { UInt32($0, radix: 16) }
    guard let database = UInt32(exactly: try place.decode("database", as: Int64.self)),
      (digits == nil) == (timeline == nil)
    else { throw PostgresError(.decoding, message: "not an identity") }
    databaseID = database
    systemIdentifier = try cluster.map { row throws(PostgresError) in
      UInt64(bitPattern: try row.decode("system_identifier", as: Int64.self))
    }
  }
}
