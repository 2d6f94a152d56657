import Custody
import Foundation
import Postgres

/// Erasures in the data database. The only SQL that touches them.
enum ErasureStore {
  struct Erasure: Sendable {
    let request: UUID
    let subject: SubjectID
    let actor: ActorID
    let commitment: [UInt8]
    let step: ErasureStep
    let tombstonedAt: Int64?
    let destroyedAt: Int64?
    let completedSequence: Int64?
    let certificate: [UInt8]?
  }

  private static let columns: SQL = """
    request_id, subject_id, actor_id, key_commitment, step, tombstoned_at, destroyed_at, completed_seq, certificate
    FROM subject_rights.erasures
    """

  /// Orders an erasure; false when one of this subject is ordered already.
  static func order(
    _ request: UUID, subject: SubjectID, actor: ActorID, commitment: [UInt8], at now: Int64, tenant: TenantID,
    in transaction: Transaction
  ) throws -> Bool {
    try transaction.execute(
      """
      INSERT INTO subject_rights.erasures
        (tenant_id, request_id, subject_id, actor_id, key_commitment, step, ordered_at)
      VALUES (\(tenant.uuid), \(request), \(subject.uuid), \(actor.uuid), \(commitment), 'ordered', \(now))
      ON CONFLICT DO NOTHING
      """) == 1
  }

  /// The erasure of a request.
  static func byRequest(_ request: UUID, tenant: TenantID) -> SQL {
    "SELECT \(columns) WHERE tenant_id = \(tenant.uuid) AND request_id = \(request)"
  }

  /// The erasure of a request, held until the transaction ends: one runner at a time.
  static func locked(_ request: UUID, tenant: TenantID, in transaction: Transaction) throws -> Erasure? {
    try transaction.query("\(byRequest(request, tenant: tenant)) FOR UPDATE").first.map(decode)
  }

  /// The requests whose erasures are not certified yet, oldest first.
  static func unfinished(tenant: TenantID, in transaction: Transaction) throws -> [UUID] {
    try transaction.query(
      """
      SELECT request_id FROM subject_rights.erasures
      WHERE tenant_id = \(tenant.uuid) AND step <> 'certified' ORDER BY ordered_at
      """
    ).map { try $0.decode("request_id", as: UUID.self) }
  }

  /// A row of the queries above.
  static func decode(_ row: Row) throws -> Erasure {
    Erasure(
      request: try row.decode("request_id", as: UUID.self),
      subject: SubjectID(try row.decode("subject_id", as: UUID.self)),
      actor: ActorID(try row.decode("actor_id", as: UUID.self)),
      commitment: try row.decode("key_commitment", as: [UInt8].self),
      step: ErasureStep(rawValue: try row.decode("step", as: String.self)) ?? .ordered,
      tombstonedAt: try row.decode("tombstoned_at", as: Int64?.self),
      destroyedAt: try row.decode("destroyed_at", as: Int64?.self),
      completedSequence: try row.decode("completed_seq", as: Int64?.self),
      certificate: try row.decode("certificate", as: [UInt8]?.self))
  }

  /// Notes a step.
  static func advance(_ request: UUID, to step: ErasureStep, tenant: TenantID, in transaction: Transaction) throws {
    try transaction.execute(
      """
      UPDATE subject_rights.erasures SET step = \(step.rawValue)
      WHERE tenant_id = \(tenant.uuid) AND request_id = \(request)
      """)
  }

  /// Notes the tombstone's time with its step.
  static func tombstoned(_ request: UUID, at now: Int64, tenant: TenantID, in transaction: Transaction) throws {
    try transaction.execute(
      """
      UPDATE subject_rights.erasures SET step = 'tombstoned', tombstoned_at = \(now)
      WHERE tenant_id = \(tenant.uuid) AND request_id = \(request)
      """)
  }

  /// Notes the live erasure time with its step.
  static func destroyed(_ request: UUID, at time: Int64, tenant: TenantID, in transaction: Transaction) throws {
    try transaction.execute(
      """
      UPDATE subject_rights.erasures SET step = 'key_destroyed', destroyed_at = \(time)
      WHERE tenant_id = \(tenant.uuid) AND request_id = \(request)
      """)
  }

  /// Notes the position of `erasure.completed` with its step.
  static func completed(_ request: UUID, sequence: Int64, tenant: TenantID, in transaction: Transaction) throws {
    try transaction.execute(
      """
      UPDATE subject_rights.erasures SET step = 'completed', completed_seq = \(sequence)
      WHERE tenant_id = \(tenant.uuid) AND request_id = \(request)
      """)
  }

  /// Keeps the certificate with its step.
  static func certified(
    _ request: UUID, certificate: [UInt8], at now: Int64, tenant: TenantID, in transaction: Transaction
  ) throws {
    try transaction.execute(
      """
      UPDATE subject_rights.erasures SET step = 'certified', certificate = \(certificate), certified_at = \(now)
      WHERE tenant_id = \(tenant.uuid) AND request_id = \(request)
      """)
  }
}
