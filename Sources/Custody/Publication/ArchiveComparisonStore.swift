import Foundation
import Postgres
import Signing

/// The log's rows, as they are held against the archive. The only SQL of a comparison.
enum ArchiveComparisonStore {
  /// A row as it is, whatever was done to it.
  struct StoredEntry: Sendable {
    let sequence: Int64
    let bytes: [UInt8]
    let leafHash: [UInt8]
  }

  /// At most `limit` rows from `sequence` on and before `end`, in order.
  static func rows(
    from sequence: Int64, before end: Int64, limit: Int, tenant: TenantID, in transaction: Transaction
  ) throws -> [StoredEntry] {
    try transaction.query(
      """
      SELECT seq, entry, leaf_hash FROM audit.entries
      WHERE tenant_id = \(tenant.uuid) AND seq >= \(sequence) AND seq < \(end) ORDER BY seq LIMIT \(limit)
      """
    ).map {
      StoredEntry(
        sequence: try $0.decode("seq", as: Int64.self), bytes: try $0.decode("entry", as: [UInt8].self),
        leafHash: try $0.decode("leaf_hash", as: [UInt8].self))
    }
  }

  /// The sequence numbers of rows from `sequence` on, the greatest first, at most `limit`; and of rows below zero.
  static func outside(from sequence: Int64, limit: Int, tenant: TenantID, in transaction: Transaction) throws
    -> [Int64]
  {
    try transaction.query(
      """
      SELECT seq FROM audit.entries
      WHERE tenant_id = \(tenant.uuid) AND (seq >= \(sequence) OR seq < 0) ORDER BY seq DESC LIMIT \(limit)
      """
    ).map { try $0.decode("seq", as: Int64.self) }
  }
}
