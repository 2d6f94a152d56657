import Foundation
import Postgres
import StrictJSON

/// Claims and kept answers in the data database. The only SQL that touches them.
enum IdempotencyStore {
  struct Kept: Sendable {
    let keyTag: [UInt8]
    let day: Int32
    let fingerprint: [UInt8]
    let completed: Bool
    let leaseUntil: Int64
    let status: Int?
    let headers: [String: String]
    let subject: SubjectID?
    let sealed: [UInt8]?
    let plain: [UInt8]?
  }

  /// What is kept under one of those tags.
  static func find(_ tags: [[UInt8]], tenant: TenantID, in transaction: Transaction) throws -> Kept? {
    let rows = try transaction.query(
      """
      SELECT key_tag, key_day, fingerprint, state, lease_until, status, headers, subject_id, answer_sealed,
             answer_plain
      FROM custody.idempotency WHERE tenant_id = \(tenant.uuid) AND key_tag = ANY(\(tags))
      ORDER BY created_at DESC LIMIT 1 FOR UPDATE
      """)
    guard let row = rows.first else { return nil }
    return Kept(
      keyTag: try row.decode("key_tag", as: [UInt8].self), day: try row.decode("key_day", as: Int32.self),
      fingerprint: try row.decode("fingerprint", as: [UInt8].self),
      completed: try row.decode("state", as: String.self) == "completed",
      leaseUntil: try row.decode("lease_until", as: Int64.self),
      status: try row.decode("status", as: Int32?.self).map(Int.init),
      headers: headers(from: try row.decode("headers", as: String?.self)),
      subject: try row.decode("subject_id", as: UUID?.self).map(SubjectID.init),
      sealed: try row.decode("answer_sealed", as: [UInt8]?.self),
      plain: try row.decode("answer_plain", as: [UInt8]?.self))
  }

  /// Claims a tag; false when somebody else has.
  static func claim(
    _ tag: [UInt8], day: Int32, fingerprint: [UInt8], fence: UUID, leaseUntil: Int64, tenant: TenantID, at now: Int64,
    in transaction: Transaction
  ) throws -> Bool {
    try transaction.execute(
      """
      INSERT INTO custody.idempotency (tenant_id, key_tag, key_day, fingerprint, fence, state, lease_until, created_at)
      VALUES (\(tenant.uuid), \(tag), \(day), \(fingerprint), \(fence), 'running', \(leaseUntil), \(now))
      ON CONFLICT DO NOTHING
      """) == 1
  }

  /// Takes over a claim whose lease has run out.
  static func takeOver(_ tag: [UInt8], fence: UUID, leaseUntil: Int64, tenant: TenantID, in transaction: Transaction)
    throws
  {
    try transaction.execute(
      """
      UPDATE custody.idempotency SET fence = \(fence), lease_until = \(leaseUntil)
      WHERE tenant_id = \(tenant.uuid) AND key_tag = \(tag) AND state = 'running'
      """)
  }

  /// Keeps an answer; false when the claim was lost.
  static func complete(
    _ claim: IdempotencyClaim, status: Int, headers: [String: String], subject: SubjectID?, sealed: [UInt8]?,
    plain: [UInt8]?, tenant: TenantID, in transaction: Transaction
  ) throws -> Bool {
    let spelled = JSONValue.object(headers.sorted { $0.key < $1.key }.map { JSONMember($0.key, .string($0.value)) })
    return try transaction.execute(
      """
      UPDATE custody.idempotency
      SET state = 'completed', status = \(status), headers = \(String(decoding: spelled.canonicalBytes(), as: UTF8.self)),
          subject_id = \(subject?.uuid), answer_sealed = \(sealed), answer_plain = \(plain)
      WHERE tenant_id = \(tenant.uuid) AND key_tag = \(claim.keyTag) AND fence = \(claim.fence) AND state = 'running'
      """) == 1
  }

  /// Lets go of a claim whose request left no trace.
  static func release(_ claim: IdempotencyClaim, tenant: TenantID, in transaction: Transaction) throws {
    try transaction.execute(
      """
      DELETE FROM custody.idempotency
      WHERE tenant_id = \(tenant.uuid) AND key_tag = \(claim.keyTag) AND fence = \(claim.fence) AND state = 'running'
      """)
  }

  /// Deletes what is older than a day.
  static func deleteExpired(tenant: TenantID, before time: Int64, in transaction: Transaction) throws -> Int {
    try transaction.execute(
      "DELETE FROM custody.idempotency WHERE tenant_id = \(tenant.uuid) AND created_at < \(time)")
  }

  /// The row id that an answer's envelope is bound to: the tag's first sixteen bytes.
  static func row(of tag: [UInt8]) -> UUID {
    var bytes = tag.prefix(16).makeIterator()
    func next() -> UInt8 { bytes.next() ?? 0 }
    return UUID(
      uuid: (
        next(), next(), next(), next(), next(), next(), next(), next(), next(), next(), next(), next(), next(), next(),
        next(), next()
      ))
  }

  private static func headers(from text: String?) -> [String: String] {
    guard let text, case .object(let members)? = try? JSONValue(parsing: Array(text.utf8)) else { return [:] }
    var headers: [String: String] = [:]
    for member in members { headers[member.name] = member.value.string }
    return headers
  }
}
