import Custody
import Foundation
import Postgres

/// Packages in the data database. The only SQL that touches them.
enum PackageStore {
  struct Sealed: Sendable {
    let id: UUID
    let subject: SubjectID
    let sealed: [UInt8]
    let expiresAt: Int64
  }

  /// Adds a package.
  static func insert(
    _ package: Sealed, request: UUID, at now: Int64, tenant: TenantID, in transaction: Transaction
  ) throws {
    try transaction.execute(
      """
      INSERT INTO subject_rights.packages
        (tenant_id, id, request_id, subject_id, sealed, byte_count, created_at, expires_at)
      VALUES (\(tenant.uuid), \(package.id), \(request), \(package.subject.uuid), \(package.sealed),
              \(Int64(package.sealed.count)), \(now), \(package.expiresAt))
      """)
  }

  /// The package of a request.
  static func byRequest(_ request: UUID, tenant: TenantID) -> SQL {
    """
    SELECT id, subject_id, sealed, expires_at FROM subject_rights.packages
    WHERE tenant_id = \(tenant.uuid) AND request_id = \(request)
    """
  }

  /// A row of ``byRequest(_:tenant:)``.
  static func decode(_ row: Row) throws -> Sealed {
    Sealed(
      id: try row.decode("id", as: UUID.self), subject: SubjectID(try row.decode("subject_id", as: UUID.self)),
      sealed: try row.decode("sealed", as: [UInt8].self), expiresAt: try row.decode("expires_at", as: Int64.self))
  }

  /// Deletes packages whose time has passed; returns how many.
  static func deleteExpired(before now: Int64, tenant: TenantID, in transaction: Transaction) throws -> Int {
    try transaction.execute(
      "DELETE FROM subject_rights.packages WHERE tenant_id = \(tenant.uuid) AND expires_at < \(now)")
  }
}
