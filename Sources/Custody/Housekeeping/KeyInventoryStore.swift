import Foundation
import Postgres
import Vault

/// The subjects' keys of a tenant, page by page in the order of their ids. The only SQL that goes through them.
struct KeyInventoryStore: Sendable {
  let pool: PostgresPool

  /// A subject's key, or its tombstone.
  struct Item: Sendable {
    let subject: SubjectID
    let commitment: [UInt8]
    let destroyedAt: Int64?
  }

  /// The next live keys, made before a time.
  func live(in tenant: TenantID, after subject: SubjectID?, createdBefore time: Int64, limit: Int) async throws
    -> [Item]
  {
    try await page(
      """
      SELECT key_id, commitment, destroyed_at FROM vault.keys
      WHERE tenant_id = \(tenant.uuid) AND kind = \(Int(KeyOwner.Kind.subject.rawValue)) AND destroyed_at IS NULL
        AND created_at < \(time) AND (\(subject?.uuid) IS NULL OR key_id > \(subject?.uuid))
      ORDER BY key_id LIMIT \(limit)
      """, tenant)
  }

  /// The next tombstones.
  func destroyed(in tenant: TenantID, after subject: SubjectID?, limit: Int) async throws -> [Item] {
    try await page(
      """
      SELECT key_id, commitment, destroyed_at FROM vault.keys
      WHERE tenant_id = \(tenant.uuid) AND kind = \(Int(KeyOwner.Kind.subject.rawValue)) AND destroyed_at IS NOT NULL
        AND (\(subject?.uuid) IS NULL OR key_id > \(subject?.uuid))
      ORDER BY key_id LIMIT \(limit)
      """, tenant)
  }

  private func page(_ statement: SQL, _ tenant: TenantID) async throws -> [Item] {
    try await pool.read(statement, settings: AccessContext.operation(tenant).settings).map { row in
      Item(
        subject: SubjectID(try row.decode("key_id", as: UUID.self)),
        commitment: try row.decode("commitment", as: [UInt8].self),
        destroyedAt: try row.decode("destroyed_at", as: Int64?.self))
    }
  }
}
