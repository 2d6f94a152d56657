import Audit
import Foundation
import Postgres

/// The log's rows as readers need them: windows of them, newest first. The only SQL that reads the log for display.
enum LogReadingStore {
  /// An entry's place and bytes.
  typealias Stored = (sequence: Int64, entry: [UInt8])

  /// The number of the first entry that has a row; nil when none has.
  static func firstRow(tenant: TenantID, in transaction: Transaction) throws -> Int64? {
    try transaction.query(
      "SELECT seq FROM audit.entries WHERE tenant_id = \(tenant.uuid) ORDER BY seq LIMIT 1"
    ).first?.decode("seq", as: Int64.self)
  }

  /// The newest `limit` entries of `range` that bear the filter's marks, newest first.
  static func newest(
    _ filter: LogFilter, in range: Range<Int64>, limit: Int, tenant: TenantID, in transaction: Transaction
  ) throws -> [Stored] {
    var conditions: [SQL] = [
      "tenant_id = \(tenant.uuid) AND seq >= \(range.lowerBound) AND seq < \(range.upperBound)"
    ]
    for mark in filter.marks { conditions.append("position(\(mark) IN entry) > 0") }
    if let subject = filter.subject, let mark = filter.subjectMark {
      conditions.append(
        """
        (position(\(mark) IN entry) > 0 OR seq IN (
          SELECT s.seq FROM audit.entry_subjects s
          WHERE s.tenant_id = \(tenant.uuid) AND s.subject_id = \(subject.uuid)
            AND s.seq >= \(range.lowerBound) AND s.seq < \(range.upperBound)))
        """)
    }
    return try transaction.query(
      """
      SELECT seq, entry FROM audit.entries WHERE \(SQL.joined(conditions, separator: " AND "))
      ORDER BY seq DESC LIMIT \(limit)
      """
    ).map(decode)
  }

  /// Which entries of `range` the side table lists for a subject.
  static func listed(_ subject: SubjectID, in range: Range<Int64>, tenant: TenantID, in transaction: Transaction)
    throws -> Set<Int64>
  {
    let rows = try transaction.query(
      """
      SELECT seq FROM audit.entry_subjects
      WHERE tenant_id = \(tenant.uuid) AND subject_id = \(subject.uuid)
        AND seq >= \(range.lowerBound) AND seq < \(range.upperBound)
      """)
    return Set(try rows.map { try $0.decode("seq", as: Int64.self) })
  }

  /// The newest `limit` entries before `sequence` that the side table lists for a subject, newest first; without bytes
  /// where the row is gone.
  static func about(
    _ subject: SubjectID, before sequence: Int64, limit: Int, tenant: TenantID, in transaction: Transaction
  ) throws -> [(sequence: Int64, entry: [UInt8]?)] {
    try transaction.query(
      """
      SELECT s.seq, e.entry FROM audit.entry_subjects s
      LEFT JOIN audit.entries e ON e.tenant_id = s.tenant_id AND e.seq = s.seq
      WHERE s.tenant_id = \(tenant.uuid) AND s.subject_id = \(subject.uuid) AND s.seq < \(sequence)
      ORDER BY s.seq DESC LIMIT \(limit)
      """
    ).map { (try $0.decode("seq", as: Int64.self), try $0.decode("entry", as: [UInt8]?.self)) }
  }

  /// The bytes of one entry, while it has a row.
  static func entry(at sequence: Int64, tenant: TenantID, in transaction: Transaction) throws -> [UInt8]? {
    try transaction.query(
      "SELECT entry FROM audit.entries WHERE tenant_id = \(tenant.uuid) AND seq = \(sequence)"
    ).first?.decode("entry", as: [UInt8].self)
  }

  /// The first `limit` published checkpoints above a size, ascending, with their notes.
  static func checkpoints(above size: Int64, limit: Int, tenant: TenantID, in transaction: Transaction) throws
    -> [PublishedCheckpoint]
  {
    try transaction.query(
      """
      SELECT size, note FROM audit.checkpoints
      WHERE tenant_id = \(tenant.uuid) AND size > \(size) ORDER BY size LIMIT \(limit)
      """
    ).map {
      PublishedCheckpoint(size: try $0.decode("size", as: Int64.self), note: try $0.decode("note", as: String.self))
    }
  }

  private static func decode(_ row: Row) throws -> Stored {
    (try row.decode("seq", as: Int64.self), try row.decode("entry", as: [UInt8].self))
  }
}
