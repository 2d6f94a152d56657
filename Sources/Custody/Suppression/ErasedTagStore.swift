import Foundation
import Postgres
import Vault

/// Tags of erased people, without the people, in the data database. The only SQL that asks for them.
enum ErasedTagStore {
  /// When somebody with one of these tags was erased last, microseconds since the Unix epoch; nil for nobody that is
  /// remembered. Throws ``EpochsMoved`` when tags of other epochs may exist than those asked for.
  static func lastErasure(_ tags: [LookupTagStore.Tag], kind: TagKind, tenant: TenantID, in transaction: Transaction)
    throws -> Int64?
  {
    let any = tags.map { tag -> SQL in "(t.epoch = \(tag.epoch.rawValue) AND t.tag = \(tag.bytes))" }
    let rows = try transaction.query(
      """
      SELECT e.epoch, t.erased_at FROM custody.epochs e
      LEFT JOIN custody.erased_tags t
        ON t.epoch = e.epoch AND t.tenant_id = \(tenant.uuid) AND t.kind = \(kind.rawValue)
        AND (\(SQL.joined(any, separator: " OR ")))
      """)
    if try LookupTagStore.hasOtherEpochs(rows, than: tags) { throw EpochsMoved() }
    return try rows.compactMap { try $0.decode("erased_at", as: Int64?.self) }.max()
  }
}
