import Foundation
import Postgres
import Vault

/// Holds' keys in the vault database. They name no subject, so that the subject's destruction leaves them.
struct HoldKeyStore: Sendable {
  let pool: PostgresPool

  /// Destroys a hold's key and leaves a tombstone: a key for that id is never created again. Does nothing when it has
  /// happened.
  func destroy(_ hold: UUID, tenant: TenantID, at now: Int64) async throws {
    try await pool.transaction(settings: [SessionSetting(name: "app.tenant_id", value: tenant.description)]) {
      transaction in
      try transaction.execute(
        """
        UPDATE vault.keys SET wrapped = NULL, epoch = NULL, destroyed_at = \(now)
        WHERE tenant_id = \(tenant.uuid) AND kind = \(Int(KeyOwner.Kind.hold.rawValue)) AND key_id = \(hold)
          AND destroyed_at IS NULL
        """)
    }
  }
}
