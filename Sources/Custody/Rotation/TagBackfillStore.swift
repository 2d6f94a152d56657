import Foundation
import Postgres
import Schema
import Vault

/// The sealed values behind lookup tags, found by the registry, and the tags made from them. The only SQL for it; names
/// of tables and columns come from the registry, a constant of the program.
enum TagBackfillStore {
  /// A sealed value whose tag is to be made.
  struct Value: Sendable {
    let subject: UUID
    let row: UUID
    let sealed: [UInt8]?
  }

  /// Holds subjects until the transaction ends and answers those it got; one that is being erased is left out.
  ///
  /// Whoever changes a value or its tags holds the subject for share, which this waits for and excludes. Readings, and
  /// foreign keys, go on.
  static func hold(_ subjects: [UUID], tenant: TenantID, in transaction: Transaction) throws -> [UUID] {
    try transaction.query(
      """
      SELECT subject_id FROM custody.subjects
      WHERE tenant_id = \(tenant.uuid) AND subject_id = ANY(\(subjects)) FOR NO KEY UPDATE SKIP LOCKED
      """
    ).map { try $0.decode("subject_id", as: UUID.self) }
  }

  /// The values behind those subjects' tags of an epoch. To be called after ``hold(_:tenant:in:)``, so that what is read
  /// stays as it is.
  static func tagged(
    _ source: TagSource, from epoch: EpochNumber, of subjects: [UUID], tenant: TenantID, in transaction: Transaction
  ) throws -> [Value] {
    let value = source.value
    return try transaction.query(
      """
      SELECT t.subject_id, t.row_id, v.\(unsafe: value.column) AS sealed
      FROM custody.lookup_tags t
      JOIN \(unsafe: value.table) v ON v.tenant_id = t.tenant_id AND v.\(unsafe: value.rowID) = t.row_id
      WHERE t.tenant_id = \(tenant.uuid) AND t.kind = \(source.kind) AND t.epoch = \(epoch.rawValue)
        AND t.subject_id = ANY(\(subjects))
      """
    ).map(decode)
  }

  /// Every value of those subjects that a tag of this kind is made from.
  static func values(_ source: TagSource, of subjects: [UUID], tenant: TenantID, in transaction: Transaction) throws
    -> [Value]
  {
    let value = source.value
    return try transaction.query(
      """
      SELECT v.subject_id, v.\(unsafe: value.rowID) AS row_id, v.\(unsafe: value.column) AS sealed
      FROM \(unsafe: value.table) v
      WHERE v.tenant_id = \(tenant.uuid) AND v.subject_id = ANY(\(subjects))
        AND v.\(unsafe: value.column) IS NOT NULL
      """
    ).map(decode)
  }

  /// Adds tags of an epoch; returns how many were not there yet.
  static func insert(_ made: MadeTags, _ epoch: EpochNumber, tenant: TenantID, in transaction: Transaction) throws
    -> Int
  {
    if made.tags.isEmpty { return 0 }
    return try transaction.execute(
      """
      INSERT INTO custody.lookup_tags (tenant_id, kind, epoch, tag, subject_id, row_id)
      SELECT \(tenant.uuid), n.kind, \(epoch.rawValue), n.tag, n.subject_id, n.row_id
      FROM unnest(\(made.kinds), \(made.tags), \(made.subjects), \(made.rows)) AS n (kind, tag, subject_id, row_id)
      ON CONFLICT DO NOTHING
      """)
  }

  private static func decode(_ row: Row) throws -> Value {
    Value(
      subject: try row.decode("subject_id", as: UUID.self), row: try row.decode("row_id", as: UUID.self),
      sealed: try row.decode("sealed", as: [UInt8]?.self))
  }
}
