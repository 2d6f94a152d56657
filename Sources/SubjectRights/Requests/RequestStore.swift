import Custody
import Foundation
import Postgres

/// Requests in the data database. The only SQL that touches them.
enum RequestStore {
  private static let columns: SQL = """
    id, type, state, subject_id, profile_id, jurisdiction, verification_method, opened_by, verified_by, approved_by,
    executed_by, opened_at, verified_at, approved_at, executed_at, completed_at, version
    FROM subject_rights.requests
    """

  /// One request of the tenant.
  static func byID(_ id: UUID, tenant: TenantID) -> SQL {
    "SELECT \(columns) WHERE tenant_id = \(tenant.uuid) AND id = \(id)"
  }

  /// The officer's note of one request, sealed.
  static func note(_ id: UUID, tenant: TenantID) -> SQL {
    "SELECT note_sealed FROM subject_rights.requests WHERE tenant_id = \(tenant.uuid) AND id = \(id)"
  }

  /// A page of requests, by id.
  static func page(state: RequestState?, type: RequestType?, after: UUID?, limit: Int, tenant: TenantID) -> SQL {
    """
    SELECT \(columns)
    WHERE tenant_id = \(tenant.uuid)
      AND (\(state?.rawValue) IS NULL OR state = \(state?.rawValue))
      AND (\(type?.rawValue) IS NULL OR type = \(type?.rawValue))
      AND (\(after) IS NULL OR id > \(after))
    ORDER BY id LIMIT \(limit)
    """
  }

  /// Every request about one subject, oldest first.
  static func bySubject(_ subject: SubjectID, tenant: TenantID) -> SQL {
    "SELECT \(columns) WHERE tenant_id = \(tenant.uuid) AND subject_id = \(subject.uuid) ORDER BY opened_at, id"
  }

  /// One request, held until the transaction ends.
  static func locked(_ id: UUID, tenant: TenantID, in transaction: Transaction) throws -> SubjectRequest? {
    try transaction.query("\(byID(id, tenant: tenant)) FOR UPDATE").first.map(decode)
  }

  /// A row of the queries above.
  static func decode(_ row: Row) throws -> SubjectRequest {
    SubjectRequest(
      id: try row.decode("id", as: UUID.self),
      type: RequestType(rawValue: try row.decode("type", as: String.self)) ?? .access,
      state: RequestState(rawValue: try row.decode("state", as: String.self)) ?? .received,
      subject: SubjectID(try row.decode("subject_id", as: UUID.self)),
      profile: try row.decode("profile_id", as: UUID.self),
      jurisdiction: try row.decode("jurisdiction", as: String?.self),
      verificationMethod: try row.decode("verification_method", as: String?.self).flatMap(VerificationMethod.init),
      openedBy: ActorID(try row.decode("opened_by", as: UUID.self)),
      verifiedBy: try row.decode("verified_by", as: UUID?.self).map(ActorID.init),
      approvedBy: try row.decode("approved_by", as: UUID?.self).map(ActorID.init),
      executedBy: try row.decode("executed_by", as: UUID?.self).map(ActorID.init),
      openedAt: try row.decode("opened_at", as: Int64.self),
      verifiedAt: try row.decode("verified_at", as: Int64?.self),
      approvedAt: try row.decode("approved_at", as: Int64?.self),
      executedAt: try row.decode("executed_at", as: Int64?.self),
      completedAt: try row.decode("completed_at", as: Int64?.self), version: try row.decode("version", as: Int64.self))
  }

  /// Adds a request.
  static func insert(
    _ request: SubjectRequest, note: [UInt8]?, tenant: TenantID, in transaction: Transaction
  ) throws {
    try transaction.execute(
      """
      INSERT INTO subject_rights.requests
        (tenant_id, id, type, state, subject_id, profile_id, jurisdiction, note_sealed, opened_by, opened_at, version)
      VALUES (\(tenant.uuid), \(request.id), \(request.type.rawValue), \(request.state.rawValue),
              \(request.subject.uuid), \(request.profile), \(request.jurisdiction), \(note),
              \(request.openedBy.uuid), \(request.openedAt), \(request.version))
      """)
  }

  /// Writes a verification.
  static func verify(
    _ id: UUID, method: VerificationMethod, by actor: ActorID, to state: RequestState, at now: Int64, tenant: TenantID,
    in transaction: Transaction
  ) throws {
    try transaction.execute(
      """
      UPDATE subject_rights.requests
      SET state = \(state.rawValue), verification_method = \(method.rawValue), verified_by = \(actor.uuid),
          verified_at = \(now), version = version + 1
      WHERE tenant_id = \(tenant.uuid) AND id = \(id)
      """)
  }

  /// Writes an approval.
  static func approve(_ id: UUID, by actor: ActorID, at now: Int64, tenant: TenantID, in transaction: Transaction)
    throws
  {
    try transaction.execute(
      """
      UPDATE subject_rights.requests
      SET state = 'approved', approved_by = \(actor.uuid), approved_at = \(now), version = version + 1
      WHERE tenant_id = \(tenant.uuid) AND id = \(id)
      """)
  }

  /// Writes that the execution was ordered.
  static func startExecution(
    _ id: UUID, by actor: ActorID, at now: Int64, tenant: TenantID, in transaction: Transaction
  )
    throws
  {
    try transaction.execute(
      """
      UPDATE subject_rights.requests
      SET state = 'executing', executed_by = \(actor.uuid), executed_at = \(now), version = version + 1
      WHERE tenant_id = \(tenant.uuid) AND id = \(id)
      """)
  }

  /// Writes that nothing was left to do: the person was erased by another request.
  static func completeErased(
    _ id: UUID, by actor: ActorID, at now: Int64, tenant: TenantID, in transaction: Transaction
  ) throws {
    try transaction.execute(
      """
      UPDATE subject_rights.requests
      SET state = 'completed', executed_by = \(actor.uuid), executed_at = \(now), completed_at = \(now),
          version = version + 1
      WHERE tenant_id = \(tenant.uuid) AND id = \(id) AND state = 'approved'
      """)
  }

  /// Writes that the request is done.
  static func complete(_ id: UUID, at now: Int64, tenant: TenantID, in transaction: Transaction) throws {
    try transaction.execute(
      """
      UPDATE subject_rights.requests SET state = 'completed', completed_at = \(now), version = version + 1
      WHERE tenant_id = \(tenant.uuid) AND id = \(id) AND state = 'executing'
      """)
  }
}
