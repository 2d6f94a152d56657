import Foundation
import Postgres

/// What a tenant still has when it leaves. The only SQL of its exit.
enum TenantExitStore {
  /// How many people are not erased; those who only act for the tenant are not counted.
  static func peopleLeft(tenant: TenantID, in transaction: Transaction) throws -> Int64 {
    try transaction.query(
      """
      SELECT count(*) AS number FROM custody.subjects s
      WHERE s.tenant_id = \(tenant.uuid) AND s.state NOT IN ('erased', 'reaped') AND NOT EXISTS (
        SELECT FROM custody.actors a WHERE a.tenant_id = s.tenant_id AND a.subject_id = s.subject_id)
      """
    ).first?.decode("number", as: Int64.self) ?? 0
  }

  /// How many holds are not released.
  static func holdsLeft(tenant: TenantID, in transaction: Transaction) throws -> Int64 {
    try transaction.query(
      "SELECT count(*) AS number FROM custody.holds WHERE tenant_id = \(tenant.uuid) AND released_at IS NULL"
    ).first?.decode("number", as: Int64.self) ?? 0
  }

  /// How many erasures have no certificate yet.
  static func erasuresLeft(tenant: TenantID, in transaction: Transaction) throws -> Int64 {
    try transaction.query(
      """
      SELECT count(*) AS number FROM subject_rights.erasures
      WHERE tenant_id = \(tenant.uuid) AND step <> 'certified'
      """
    ).first?.decode("number", as: Int64.self) ?? 0
  }

  /// Those who act for the tenant and are not erased, with the names of their keys.
  static func actorsLeft(tenant: TenantID, in transaction: Transaction) throws
    -> [(subject: SubjectID, commitment: [UInt8])]
  {
    try transaction.query(
      """
      SELECT s.subject_id, s.key_commitment FROM custody.subjects s
      WHERE s.tenant_id = \(tenant.uuid) AND s.state NOT IN ('erased', 'reaped') AND EXISTS (
        SELECT FROM custody.actors a WHERE a.tenant_id = s.tenant_id AND a.subject_id = s.subject_id)
      ORDER BY s.subject_id
      """
    ).map {
      (
        SubjectID(try $0.decode("subject_id", as: UUID.self)), try $0.decode("key_commitment", as: [UInt8].self)
      )
    }
  }
}
