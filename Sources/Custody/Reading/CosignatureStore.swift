import Audit
import Foundation
import Postgres

/// Witnesses' cosignatures in the data database. The only SQL that touches them.
enum CosignatureStore {
  /// Adds a cosignature; false when that witness's key has cosigned the checkpoint already.
  static func insert(
    _ cosignature: Cosignature, size: Int64, tenant: TenantID, at now: Int64, in transaction: Transaction
  ) throws -> Bool {
    guard let time = Int64(exactly: cosignature.time) else { throw LogReadingError.invalidCosignature }
    let inserted = try transaction.execute(
      """
      INSERT INTO audit.cosignatures (tenant_id, size, witness, key_id, signed_at, line, received_at)
      VALUES (\(tenant.uuid), \(size), \(cosignature.name), \(Int64(cosignature.keyID)), \(time),
              \(try NoteLine.text(of: cosignature.line)), \(now))
      ON CONFLICT DO NOTHING
      """)
    return inserted == 1
  }

  /// The lines below the checkpoint of that size, by witness.
  static func lines(of size: Int64, tenant: TenantID, in transaction: Transaction) throws -> [NoteSignature] {
    try transaction.query(
      """
      SELECT line FROM audit.cosignatures
      WHERE tenant_id = \(tenant.uuid) AND size = \(size) ORDER BY witness, key_id LIMIT 32
      """
    ).compactMap { try NoteLine.signature(try $0.decode("line", as: String.self)) }
  }

  /// A page of cosignatures behind a position, newest checkpoint first.
  static func page(after position: CosignaturePosition?, limit: Int, tenant: TenantID) -> SQL {
    let behind: SQL =
      position.map { last in
        "AND (size, witness, key_id) < (\(last.size), \(last.witness), \(Int64(last.keyID)))"
      } ?? ""
    return """
      SELECT size, witness, key_id, signed_at FROM audit.cosignatures
      WHERE tenant_id = \(tenant.uuid) \(behind)
      ORDER BY size DESC, witness DESC, key_id DESC LIMIT \(limit)
      """
  }

  /// A row of ``page(after:limit:tenant:)``.
  static func decode(_ row: Row) throws -> StoredCosignature {
    let keyID = UInt32(truncatingIfNeeded: try row.decode("key_id", as: Int64.self))
    return StoredCosignature(
      position: CosignaturePosition(
        size: try row.decode("size", as: Int64.self), witness: try row.decode("witness", as: String.self),
        keyID: keyID),
      time: try row.decode("signed_at", as: Int64.self))
  }
}

/// One signature line by itself, as it stands below a note.
private enum NoteLine {
  /// The shortest text that a line may stand below.
  private static let text = "-\n"

  static func text(of line: NoteSignature) throws -> String {
    String(try SignedNote(body: text, signatures: [line]).text.dropFirst(text.count + 1))
  }

  static func signature(_ line: String) throws -> NoteSignature? {
    try SignedNote(parsing: text + "\n" + line).signatures.first
  }
}
