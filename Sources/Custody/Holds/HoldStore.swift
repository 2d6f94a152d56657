import Foundation
import Postgres
import Schema

/// Holds in the data database. The only SQL that touches them.
enum HoldStore {
  private static let columns: SQL = """
    id, subject_id, basis, keep_until, placed_at, sealed_at, released_at FROM custody.holds
    """

  // MARK: Holds

  /// Adds a hold with its fields.
  static func insert(_ hold: Hold, tenant: TenantID, in transaction: Transaction) throws {
    try transaction.execute(
      """
      INSERT INTO custody.holds (tenant_id, id, subject_id, basis, keep_until, placed_at)
      VALUES (\(tenant.uuid), \(hold.id), \(hold.subject.uuid), \(hold.basis), \(hold.keepUntil), \(hold.placedAt))
      """)
    for field in hold.fields {
      try transaction.execute(
        """
        INSERT INTO custody.hold_fields (tenant_id, hold_id, field)
        VALUES (\(tenant.uuid), \(hold.id), \(Int32(field.rawValue)))
        """)
    }
  }

  /// One hold, kept as it is until the transaction ends.
  static func locked(_ id: UUID, tenant: TenantID, in transaction: Transaction) throws -> Hold? {
    try holds(
      "SELECT \(columns) WHERE tenant_id = \(tenant.uuid) AND id = \(id) FOR UPDATE", tenant: tenant, in: transaction
    ).first
  }

  /// The subject's holds that wait for its erasure, kept as they are until the transaction ends.
  static func waiting(of subject: SubjectID, at now: Int64, tenant: TenantID, in transaction: Transaction) throws
    -> [Hold]
  {
    try holds(
      """
      SELECT \(columns)
      WHERE tenant_id = \(tenant.uuid) AND subject_id = \(subject.uuid) AND sealed_at IS NULL
        AND released_at IS NULL AND (keep_until IS NULL OR keep_until > \(now))
      ORDER BY id FOR UPDATE
      """, tenant: tenant, in: transaction)
  }

  /// The tenant's holds, or those of one subject, oldest first.
  static func all(of subject: SubjectID?, releasedToo: Bool, tenant: TenantID, in transaction: Transaction) throws
    -> [Hold]
  {
    try holds(
      """
      SELECT \(columns)
      WHERE tenant_id = \(tenant.uuid) AND (\(subject?.uuid) IS NULL OR subject_id = \(subject?.uuid))
        AND (\(releasedToo) OR released_at IS NULL)
      ORDER BY placed_at, id
      """, tenant: tenant, in: transaction)
  }

  /// Holds whose time has passed and that aren't released, at most `limit`.
  static func expired(before now: Int64, limit: Int, tenant: TenantID, in transaction: Transaction) throws -> [UUID] {
    try transaction.query(
      """
      SELECT id FROM custody.holds
      WHERE tenant_id = \(tenant.uuid) AND released_at IS NULL AND keep_until <= \(now)
      ORDER BY keep_until LIMIT \(limit)
      """
    ).map { try $0.decode("id", as: UUID.self) }
  }

  /// Notes that the hold's values are under its key.
  static func markSealed(_ id: UUID, at now: Int64, tenant: TenantID, in transaction: Transaction) throws {
    try transaction.execute(
      "UPDATE custody.holds SET sealed_at = \(now) WHERE tenant_id = \(tenant.uuid) AND id = \(id)")
  }

  /// Notes that the hold is over, and deletes what it kept.
  static func release(_ id: UUID, at now: Int64, tenant: TenantID, in transaction: Transaction) throws {
    try transaction.execute(
      "DELETE FROM custody.held_values WHERE tenant_id = \(tenant.uuid) AND hold_id = \(id)")
    try transaction.execute(
      "UPDATE custody.holds SET released_at = \(now) WHERE tenant_id = \(tenant.uuid) AND id = \(id)")
  }

  private static func holds(_ query: SQL, tenant: TenantID, in transaction: Transaction) throws -> [Hold] {
    let rows = try transaction.query(query)
    if rows.isEmpty { return [] }
    let ids = try rows.map { try $0.decode("id", as: UUID.self) }
    var fields: [UUID: [PersonalField]] = [:]
    let named = try transaction.query(
      """
      SELECT hold_id, field FROM custody.hold_fields
      WHERE tenant_id = \(tenant.uuid) AND hold_id = ANY(\(ids)) ORDER BY hold_id, field
      """)
    for row in named { fields[try row.decode("hold_id", as: UUID.self), default: []].append(try field(row)) }
    return try zip(rows, ids).map { row, id in
      Hold(
        id: id, subject: SubjectID(try row.decode("subject_id", as: UUID.self)), fields: fields[id] ?? [],
        basis: try row.decode("basis", as: String.self), keepUntil: try row.decode("keep_until", as: Int64?.self),
        placedAt: try row.decode("placed_at", as: Int64.self), sealedAt: try row.decode("sealed_at", as: Int64?.self),
        releasedAt: try row.decode("released_at", as: Int64?.self))
    }
  }

  /// The field of a row; one that this program doesn't know is not passed over.
  private static func field(_ row: Row) throws -> PersonalField {
    let number = try row.decode("field", as: Int32.self)
    guard let field = UInt16(exactly: number).flatMap(PersonalField.init(rawValue:)) else {
      throw CustodyError(.unreadable, field: "held_value")
    }
    return field
  }

  // MARK: Values

  /// A sealed value with the field and the row that it belongs to.
  struct Value: Sendable {
    let field: PersonalField
    let row: UUID
    let sealed: [UInt8]
  }

  /// The subject's values of one sealed column, as they are under the subject's key.
  static func envelopes(_ column: SealedColumn, of subject: SubjectID, tenant: TenantID, in transaction: Transaction)
    throws -> [Value]
  {
    // The names come from the registry, a constant of the program.
    try transaction.query(
      """
      SELECT \(unsafe: column.rowID) AS row_id, \(unsafe: column.column) AS sealed FROM \(unsafe: column.table)
      WHERE tenant_id = \(tenant.uuid) AND subject_id = \(subject.uuid) AND \(unsafe: column.column) IS NOT NULL
      ORDER BY 1
      """
    ).map { row in
      Value(
        field: column.field, row: try row.decode("row_id", as: UUID.self),
        sealed: try row.decode("sealed", as: [UInt8].self))
    }
  }

  /// Keeps a value under the hold.
  static func insert(_ value: Value, of hold: UUID, tenant: TenantID, in transaction: Transaction) throws {
    try transaction.execute(
      """
      INSERT INTO custody.held_values (tenant_id, hold_id, field, row_id, sealed)
      VALUES (\(tenant.uuid), \(hold), \(Int32(value.field.rawValue)), \(value.row), \(value.sealed))
      """)
  }

  /// What the hold keeps.
  static func values(of hold: UUID, tenant: TenantID, in transaction: Transaction) throws -> [Value] {
    try transaction.query(
      """
      SELECT field, row_id, sealed FROM custody.held_values
      WHERE tenant_id = \(tenant.uuid) AND hold_id = \(hold) ORDER BY field, row_id
      """
    ).map { row in
      Value(
        field: try field(row), row: try row.decode("row_id", as: UUID.self),
        sealed: try row.decode("sealed", as: [UInt8].self))
    }
  }

  /// The fields of the subject that are kept, each with every basis for it.
  static func exemptions(of subject: SubjectID, tenant: TenantID, in transaction: Transaction) throws
    -> [HoldExemption]
  {
    try transaction.query(
      """
      SELECT DISTINCT v.field, h.basis FROM custody.holds h
      JOIN custody.held_values v ON v.tenant_id = h.tenant_id AND v.hold_id = h.id
      WHERE h.tenant_id = \(tenant.uuid) AND h.subject_id = \(subject.uuid) AND h.released_at IS NULL
      ORDER BY v.field, h.basis
      """
    ).map { HoldExemption(field: try field($0), basis: try $0.decode("basis", as: String.self)) }
  }
}
