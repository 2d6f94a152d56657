import Foundation
import Postgres

/// What of the log is sealed, and the rows that may go because of it. The only SQL of sealing and of the log's retention.
enum LogUpkeepStore {
  /// Rows of the tenant before this number may be gone.
  static func rowsFrom(tenant: TenantID, in transaction: Transaction) throws -> Int64 {
    try transaction.query("SELECT rows_from FROM audit.seals WHERE tenant_id = \(tenant.uuid)").first?
      .decode("rows_from", as: Int64.self) ?? 0
  }

  /// How many entries the database knows to be sealed.
  static func sealedUpTo(tenant: TenantID, in transaction: Transaction) throws -> Int64 {
    try transaction.query("SELECT sealed_up_to FROM audit.seals WHERE tenant_id = \(tenant.uuid)").first?
      .decode("sealed_up_to", as: Int64.self) ?? 0
  }

  /// Notes that the archive has sealed the entries before `end`.
  static func recordSeal(upTo end: Int64, tenant: TenantID, in transaction: Transaction) throws {
    try transaction.execute(
      """
      INSERT INTO audit.seals AS s (tenant_id, sealed_up_to, sealed_at)
      VALUES (\(tenant.uuid), \(end), \(Microseconds.now()))
      ON CONFLICT (tenant_id) DO UPDATE SET sealed_up_to = excluded.sealed_up_to, sealed_at = excluded.sealed_at
      WHERE s.sealed_up_to < excluded.sealed_up_to
      """)
  }

  /// What the log's last entry about deleted entries says: the first one that is kept, and by which policy. Nil before
  /// there was one.
  static func announced(tenant: TenantID, in transaction: Transaction) throws -> (firstKept: Int64, policy: String)? {
    guard
      let row = try transaction.query(
        "SELECT announced, announced_policy FROM audit.seals WHERE tenant_id = \(tenant.uuid)"
      ).first, let policy = try row.decode("announced_policy", as: String?.self)
    else { return nil }
    return (try row.decode("announced", as: Int64.self), policy)
  }

  /// Notes what the entry says that this transaction adds. A seal is recorded before.
  static func recordAnnouncement(
    of firstKept: Int64, policy: String, tenant: TenantID, in transaction: Transaction
  ) throws {
    try transaction.execute(
      """
      UPDATE audit.seals SET announced = \(firstKept), announced_policy = \(policy)
      WHERE tenant_id = \(tenant.uuid)
      """)
  }

  /// The database's clock, in microseconds since 1970.
  static func clock(in transaction: Transaction) throws -> Int64? {
    try transaction.query("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now").first?
      .decode("now", as: Int64.self)
  }

  /// Deletes at most `limit` rows of sealed entries before `end`, and never more than ten thousand; returns how many
  /// went.
  static func deleteSealed(before end: Int64, limit: Int64, tenant: TenantID, in transaction: Transaction) throws
    -> Int64
  {
    try transaction.query("SELECT audit.delete_sealed_entries(\(end), \(limit)) AS gone").first?
      .decode("gone", as: Int64.self) ?? 0
  }

  /// Deletes at most `limit` rows of the side table that belong to entries before `end`; returns how many went.
  static func deleteSide(before end: Int64, limit: Int, tenant: TenantID, in transaction: Transaction) throws -> Int {
    try transaction.execute(
      """
      DELETE FROM audit.entry_subjects WHERE tenant_id = \(tenant.uuid) AND (seq, subject_id) IN (
        SELECT seq, subject_id FROM audit.entry_subjects
        WHERE tenant_id = \(tenant.uuid) AND seq < \(end) ORDER BY seq LIMIT \(limit))
      """)
  }

  /// Notes that the tenant has left; its log takes no entry after those of this transaction.
  static func close(tenant: TenantID, at now: Int64, in transaction: Transaction) throws {
    try transaction.execute("UPDATE audit.heads SET closed_at = \(now) WHERE tenant_id = \(tenant.uuid)")
  }

  // MARK: Partitions

  /// A partition of the table of entries, with the range of its sequence numbers.
  struct Partition: Sendable {
    let name: String
    let first: Int64
    let end: Int64
  }

  /// The partitions with a range, ascending.
  static func partitions(in transaction: Transaction) throws -> [Partition] {
    try transaction.query(
      """
      SELECT c.relname::text AS name, b.range[1]::bigint AS first, b.range[2]::bigint AS upper_end
      FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid,
        LATERAL regexp_match(pg_get_expr(c.relpartbound, c.oid), 'FROM \\(''?(\\d+)''?\\) TO \\(''?(\\d+)''?\\)')
          AS b (range)
      WHERE i.inhparent = 'audit.entries'::regclass AND b.range IS NOT NULL ORDER BY 2
      """
    ).map {
      Partition(
        name: try $0.decode("name", as: String.self), first: try $0.decode("first", as: Int64.self),
        end: try $0.decode("upper_end", as: Int64.self))
    }
  }

  /// The tenant's last entry in a range of numbers that the database still has.
  static func lastRow(in range: Range<Int64>, tenant: TenantID, in transaction: Transaction) throws
    -> (sequence: Int64, entry: [UInt8])?
  {
    try transaction.query(
      """
      SELECT seq, entry FROM audit.entries
      WHERE tenant_id = \(tenant.uuid) AND seq >= \(range.lowerBound) AND seq < \(range.upperBound)
      ORDER BY seq DESC LIMIT 1
      """
    ).first.map { (try $0.decode("seq", as: Int64.self), try $0.decode("entry", as: [UInt8].self)) }
  }

  /// Drops a partition whose entries are all sealed and older than `before`, and puts an empty one in its place. False
  /// when it may not go, or when the table is busy.
  static func dropPartition(_ name: String, before time: Int64, in transaction: Transaction) throws -> Bool {
    do {
      try transaction.savepoint {
        try transaction.query("SELECT audit.drop_sealed_partition(\(name), \(time))")
      }
      return true
    } catch let error as PostgresError where ["55000", "55P03"].contains(error.sqlState ?? "") {
      return false
    }
  }

  /// Makes partitions for the sequence numbers below `end`; returns how many it made.
  static func makePartitions(below end: Int64, in transaction: Transaction) throws -> Int64 {
    try transaction.query("SELECT audit.make_partitions(\(end)) AS made").first?
      .decode("made", as: Int64.self) ?? 0
  }
}
