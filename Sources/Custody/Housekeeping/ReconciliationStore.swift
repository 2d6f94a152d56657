import Foundation
import Postgres

/// Claims of orphaned keys, and how far tenants were compared. The only SQL that touches them.
enum ReconciliationStore {
  /// When the tenant was compared last.
  static func last(_ tenant: TenantID) -> SQL {
    "SELECT finished_at FROM custody.reconciliations WHERE tenant_id = \(tenant.uuid)"
  }

  /// Notes a comparison.
  static func finish(_ outcome: Reconciliation.Outcome, at now: Int64, tenant: TenantID, in transaction: Transaction)
    throws
  {
    try transaction.execute(
      """
      INSERT INTO custody.reconciliations (tenant_id, finished_at, compared, reaped, keyless)
      VALUES (\(tenant.uuid), \(now), \(Int64(outcome.compared)), \(Int64(outcome.reaped)),
              \(Int64(outcome.keyless.count)))
      ON CONFLICT (tenant_id) DO UPDATE
      SET finished_at = excluded.finished_at, compared = excluded.compared, reaped = excluded.reaped,
          keyless = excluded.keyless
      """)
  }

  /// Claims an id for which there is no row. Waits for a creation of that id that is under way.
  static func claim(
    _ subject: SubjectID, commitment: [UInt8], at now: Int64, tenant: TenantID, in transaction: Transaction
  ) throws -> Bool {
    try transaction.execute(
      """
      INSERT INTO custody.subjects (tenant_id, subject_id, state, key_commitment, created_at)
      VALUES (\(tenant.uuid), \(subject.uuid), 'reaped', \(commitment), \(now))
      ON CONFLICT DO NOTHING
      """) == 1
  }

  /// Claims whose key's destruction is not in the log yet.
  static func claims(_ tenant: TenantID, limit: Int) -> SQL {
    """
    SELECT subject_id, key_commitment FROM custody.subjects
    WHERE tenant_id = \(tenant.uuid) AND state = 'reaped' AND erased_at IS NULL LIMIT \(limit)
    """
  }

  /// Notes that the key is destroyed; false when that is noted.
  static func reaped(_ subject: SubjectID, at time: Int64, tenant: TenantID, in transaction: Transaction) throws -> Bool
  {
    try transaction.execute(
      """
      UPDATE custody.subjects SET erased_at = \(time)
      WHERE tenant_id = \(tenant.uuid) AND subject_id = \(subject.uuid) AND state = 'reaped' AND erased_at IS NULL
      """) == 1
  }
}
