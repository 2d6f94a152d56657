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
    /// The newest epoch that existed when the key was destroyed.
    let keyEpoch: Int32?
    /// As the newest certificate says it.
    let keyBackupsDeadBy: String?
    /// How many copies of the keyring were outstanding, as the newest certificate says it.
    let keyCopies: Int32?
    let certificate: [UInt8]?
    let finalCertificate: [UInt8]?
  }

  private static let columns: SQL = """
    request_id, subject_id, actor_id, key_commitment, step, tombstoned_at, destroyed_at, completed_seq, key_epoch,
    key_backups_dead_by, key_copies, certificate, final_certificate
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

  /// How far the erasures of those requests are, without their certificates.
  static func progress(of requests: [UUID], tenant: TenantID) -> SQL {
    """
    SELECT request_id, step, destroyed_at, completed_seq, key_epoch, key_backups_dead_by,
           certificate IS NOT NULL AS is_certified, final_certificate IS NOT NULL AS is_final
    FROM subject_rights.erasures
    WHERE tenant_id = \(tenant.uuid) AND request_id = ANY(\(requests))
    """
  }

  /// A row of ``progress(of:tenant:)``.
  static func decodeProgress(_ row: Row) throws -> (request: UUID, progress: ErasureProgress) {
    let certificate: CertificateStage? =
      try row.decode("is_final", as: Bool.self)
      ? .final : try row.decode("is_certified", as: Bool.self) ? .issued : nil
    return (
      try row.decode("request_id", as: UUID.self),
      ErasureProgress(
        step: ErasureStep(rawValue: try row.decode("step", as: String.self)) ?? .ordered,
        destroyedAt: try row.decode("destroyed_at", as: Int64?.self),
        completedSequence: try row.decode("completed_seq", as: Int64?.self),
        keyEpoch: try row.decode("key_epoch", as: Int32?.self),
        keyBackupsDeadBy: try row.decode("key_backups_dead_by", as: String?.self), certificate: certificate)
    )
  }

  /// The erasure of a subject, by whichever request it was ordered.
  static func bySubject(_ subject: SubjectID, tenant: TenantID) -> SQL {
    "SELECT \(columns) WHERE tenant_id = \(tenant.uuid) AND subject_id = \(subject.uuid)"
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

  /// How many erasures wait for the end of each epoch.
  static func waiting(tenant: TenantID, in transaction: Transaction) throws -> [Int32: Int] {
    let rows = try transaction.query(
      """
      SELECT key_epoch, count(*) AS n FROM subject_rights.erasures
      WHERE tenant_id = \(tenant.uuid) AND key_epoch IS NOT NULL AND finalised_at IS NULL GROUP BY 1
      """)
    var counts: [Int32: Int] = [:]
    for row in rows { counts[try row.decode("key_epoch", as: Int32.self)] = try row.decode("n", as: Int.self) }
    return counts
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
      keyEpoch: try row.decode("key_epoch", as: Int32?.self),
      keyBackupsDeadBy: try row.decode("key_backups_dead_by", as: String?.self),
      keyCopies: try row.decode("key_copies", as: Int32?.self),
      certificate: try row.decode("certificate", as: [UInt8]?.self),
      finalCertificate: try row.decode("final_certificate", as: [UInt8]?.self))
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

  /// Notes the live erasure time, and the newest epoch there was, with its step.
  static func destroyed(
    _ request: UUID, at time: Int64, epoch: Int32, tenant: TenantID, in transaction: Transaction
  ) throws {
    try transaction.execute(
      """
      UPDATE subject_rights.erasures SET step = 'key_destroyed', destroyed_at = \(time), key_epoch = \(epoch)
      WHERE tenant_id = \(tenant.uuid) AND request_id = \(request)
      """)
  }

  /// Notes the position of `erasure.completed`, and the epoch that it names, with its step.
  static func completed(
    _ request: UUID, sequence: Int64, epoch: Int32, tenant: TenantID, in transaction: Transaction
  ) throws {
    try transaction.execute(
      """
      UPDATE subject_rights.erasures SET step = 'completed', completed_seq = \(sequence), key_epoch = \(epoch)
      WHERE tenant_id = \(tenant.uuid) AND request_id = \(request)
      """)
  }

  /// Keeps the certificate, and what it says of backups of the key, with its step.
  static func certified(
    _ request: UUID, certificate: [UInt8], deadBy day: String?, copies: Int32, at now: Int64, tenant: TenantID,
    in transaction: Transaction
  ) throws {
    try transaction.execute(
      """
      UPDATE subject_rights.erasures
      SET step = 'certified', certificate = \(certificate), certified_at = \(now), key_backups_dead_by = \(day),
          key_copies = \(copies)
      WHERE tenant_id = \(tenant.uuid) AND request_id = \(request)
      """)
  }

  // MARK: Finality

  /// A page of the certified erasures that are not final although their epochs are retired, by the request's id.
  static func notFinal(
    upTo epoch: Int32, after request: UUID?, limit: Int, tenant: TenantID, in transaction: Transaction
  ) throws -> [(request: UUID, epoch: Int32)] {
    try transaction.query(
      """
      SELECT request_id, key_epoch FROM subject_rights.erasures
      WHERE tenant_id = \(tenant.uuid) AND finalised_at IS NULL AND key_epoch <= \(epoch) AND step = 'certified'
        AND (\(request) IS NULL OR request_id > \(request))
      ORDER BY request_id LIMIT \(limit)
      """
    ).map { (try $0.decode("request_id", as: UUID.self), try $0.decode("key_epoch", as: Int32.self)) }
  }

  /// The epochs of final certificates that name outstanding copies of the keyring.
  static func epochsWithCopies(tenant: TenantID, in transaction: Transaction) throws -> [Int32] {
    try transaction.query(
      """
      SELECT DISTINCT key_epoch FROM subject_rights.erasures
      WHERE tenant_id = \(tenant.uuid) AND finalised_at IS NOT NULL AND key_copies > 0 ORDER BY key_epoch
      """
    ).map { try $0.decode("key_epoch", as: Int32.self) }
  }

  /// A page of the final erasures of an epoch whose certificates name more outstanding copies than there are.
  static func namingMore(
    than copies: Int32, of epoch: Int32, after request: UUID?, limit: Int, tenant: TenantID,
    in transaction: Transaction
  ) throws -> [UUID] {
    try transaction.query(
      """
      SELECT request_id FROM subject_rights.erasures
      WHERE tenant_id = \(tenant.uuid) AND finalised_at IS NOT NULL AND key_epoch = \(epoch) AND key_copies > 0
        AND key_copies > \(copies) AND (\(request) IS NULL OR request_id > \(request))
      ORDER BY request_id LIMIT \(limit)
      """
    ).map { try $0.decode("request_id", as: UUID.self) }
  }

  /// Keeps the final certificate, and what it says of backups of the key.
  static func finalised(
    _ request: UUID, certificate: [UInt8], deadBy day: String, copies: Int32, at now: Int64, tenant: TenantID,
    in transaction: Transaction
  ) throws {
    try transaction.execute(
      """
      UPDATE subject_rights.erasures
      SET final_certificate = \(certificate), finalised_at = \(now), key_backups_dead_by = \(day),
          key_copies = \(copies)
      WHERE tenant_id = \(tenant.uuid) AND request_id = \(request)
      """)
  }
}
