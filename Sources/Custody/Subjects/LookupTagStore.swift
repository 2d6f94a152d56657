import Foundation
import Postgres
import Vault

/// Lookup tags in the data database. The only SQL that touches them.
enum LookupTagStore {
  /// Claims the tag for a row; false when another row has it.
  static func claim(
    _ tag: [UInt8], kind: TagKind, epoch: EpochNumber, row: UUID, subject: SubjectID, tenant: TenantID,
    in transaction: Transaction
  ) throws -> Bool {
    let claimed = try transaction.execute(
      """
      INSERT INTO custody.lookup_tags (tenant_id, kind, epoch, tag, subject_id, row_id)
      VALUES (\(tenant.uuid), \(kind.rawValue), \(epoch.rawValue), \(tag), \(subject.uuid), \(row))
      ON CONFLICT DO NOTHING
      """)
    if claimed == 1 { return true }
    return try find(tag, kind: kind, epoch: epoch, tenant: tenant, in: transaction)?.row == row
  }

  /// Releases what the row has claimed of that kind.
  static func release(kind: TagKind, row: UUID, subject: SubjectID, tenant: TenantID, in transaction: Transaction)
    throws
  {
    try transaction.execute(
      """
      DELETE FROM custody.lookup_tags
      WHERE tenant_id = \(tenant.uuid) AND subject_id = \(subject.uuid) AND row_id = \(row)
        AND kind = \(kind.rawValue)
      """)
  }

  /// Whose tag it is.
  static func find(
    _ tag: [UInt8], kind: TagKind, epoch: EpochNumber, tenant: TenantID, in transaction: Transaction
  ) throws -> (row: UUID, subject: SubjectID)? {
    let rows = try transaction.query(Self.query(tag, kind: kind, epoch: epoch, tenant: tenant))
    return try rows.first.map(Self.decode)
  }

  /// The look-up as a single-shot read.
  static func query(_ tag: [UInt8], kind: TagKind, epoch: EpochNumber, tenant: TenantID) -> SQL {
    """
    SELECT row_id, subject_id FROM custody.lookup_tags
    WHERE tenant_id = \(tenant.uuid) AND kind = \(kind.rawValue) AND epoch = \(epoch.rawValue) AND tag = \(tag)
    """
  }

  /// A row of ``query(_:kind:epoch:tenant:)``.
  static func decode(_ row: Row) throws -> (row: UUID, subject: SubjectID) {
    (try row.decode("row_id", as: UUID.self), SubjectID(try row.decode("subject_id", as: UUID.self)))
  }
}
