import Foundation
import Postgres
import Vault

/// Lookup tags in the data database. The only SQL that touches them.
enum LookupTagStore {
  /// A tag with its epoch: the same value has another tag in each.
  struct Tag: Sendable {
    let epoch: EpochNumber
    let bytes: [UInt8]
  }

  /// Claims the tag for a row; false when another row has it.
  static func claim(
    _ tag: Tag, kind: TagKind, row: UUID, subject: SubjectID, tenant: TenantID, in transaction: Transaction
  ) throws -> Bool {
    let claimed = try transaction.execute(
      """
      INSERT INTO custody.lookup_tags (tenant_id, kind, epoch, tag, subject_id, row_id)
      VALUES (\(tenant.uuid), \(kind.rawValue), \(tag.epoch.rawValue), \(tag.bytes), \(subject.uuid), \(row))
      ON CONFLICT DO NOTHING
      """)
    if claimed == 1 { return true }
    let rows = try transaction.query(query([tag], kind: kind, tenant: tenant))
    return try decode(rows)?.row == row
  }

  /// Releases what the row has claimed of that kind, in every epoch.
  ///
  /// A rotation may hold such a row and add its tag of the next epoch meanwhile: deleting waits for it, and is repeated
  /// with a new snapshot until there is nothing left.
  static func release(kind: TagKind, row: UUID, subject: SubjectID, tenant: TenantID, in transaction: Transaction)
    throws
  {
    var released = 1
    while released > 0 {
      released = try transaction.execute(
        """
        DELETE FROM custody.lookup_tags
        WHERE tenant_id = \(tenant.uuid) AND subject_id = \(subject.uuid) AND row_id = \(row)
          AND kind = \(kind.rawValue)
        """)
    }
  }

  /// Whose tags they are, in one of their epochs. Each row answered also says which epochs there are.
  static func query(_ tags: [Tag], kind: TagKind, tenant: TenantID) -> SQL {
    let any = tags.map { tag -> SQL in "(t.epoch = \(tag.epoch.rawValue) AND t.tag = \(tag.bytes))" }
    return """
      SELECT e.epoch, t.row_id, t.subject_id FROM custody.epochs e
      LEFT JOIN custody.lookup_tags t
        ON t.epoch = e.epoch AND t.tenant_id = \(tenant.uuid) AND t.kind = \(kind.rawValue)
        AND (\(SQL.joined(any, separator: " OR ")))
      """
  }

  /// The row that was found by ``query(_:kind:tenant:)``, if any.
  static func decode(_ rows: [Row]) throws -> (row: UUID, subject: SubjectID)? {
    for row in rows {
      guard let id = try row.decode("row_id", as: UUID?.self) else { continue }
      return (id, SubjectID(try row.decode("subject_id", as: UUID.self)))
    }
    return nil
  }

  /// Whether tags of other epochs exist than those that were asked for.
  static func hasOtherEpochs(_ rows: [Row], than tags: [Tag]) throws -> Bool {
    let asked = Set(tags.map(\.epoch))
    return try rows.contains { !asked.contains(try EpochStore.decode($0)) }
  }
}
