import Custody
import Foundation
import Postgres

/// Requests and erasures in the data database, as a recovery completes them. The only SQL for it.
enum RecoveredErasureStore {
  /// Erasures that are ordered and not completed.
  static func unfinished(tenant: TenantID, in transaction: Transaction) throws
    -> [(request: UUID, subject: SubjectID)]
  {
    try transaction.query(
      """
      SELECT request_id, subject_id FROM subject_rights.erasures
      WHERE tenant_id = \(tenant.uuid) AND step NOT IN ('completed', 'certified') ORDER BY ordered_at
      """
    ).map {
      (try $0.decode("request_id", as: UUID.self), SubjectID(try $0.decode("subject_id", as: UUID.self)))
    }
  }

  /// Requests of erasure that are not completed.
  static func openErasureRequests(tenant: TenantID, in transaction: Transaction) throws -> [UUID] {
    try transaction.query(
      """
      SELECT id FROM subject_rights.requests
      WHERE tenant_id = \(tenant.uuid) AND type = 'erasure' AND state <> 'completed'
      """
    ).map { try $0.decode("id", as: UUID.self) }
  }

  /// Notes that an erasure is completed, where the log has it.
  static func complete(
    _ request: UUID, destroyedAt: Int64, sequence: Int64, epoch: Int32, tenant: TenantID, in transaction: Transaction
  ) throws {
    try transaction.execute(
      """
      UPDATE subject_rights.erasures
      SET step = 'completed', tombstoned_at = coalesce(tombstoned_at, \(destroyedAt)), destroyed_at = \(destroyedAt),
          completed_seq = \(sequence), key_epoch = \(epoch)
      WHERE tenant_id = \(tenant.uuid) AND request_id = \(request) AND step NOT IN ('completed', 'certified')
      """)
  }

  /// Notes that a request is completed.
  static func completeRequest(_ request: UUID, at time: Int64, tenant: TenantID, in transaction: Transaction) throws {
    try transaction.execute(
      """
      UPDATE subject_rights.requests SET state = 'completed', completed_at = \(time), version = version + 1
      WHERE tenant_id = \(tenant.uuid) AND id = \(request) AND state <> 'completed'
      """)
  }
}
