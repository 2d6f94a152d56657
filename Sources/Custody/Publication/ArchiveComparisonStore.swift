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

  /// Rows of one stretch of the log.
  struct Page: Sendable {
    /// In order. Several of one number where the primary key was taken off.
    let rows: [StoredEntry]
    /// The first number that was not looked at.
    let end: Int64
    /// Rows before this number may be gone. It only grows, and was read after the rows: those that were deleted
    /// meanwhile are before it.
    let rowsFrom: Int64
  }

  /// The rows from `sequence` on and before `end`, about `limit` at most, all of one number together. The numbers between
  /// `sequence` and the page's end that have no row here have none.
  static func page(
    from sequence: Int64, before end: Int64, limit: Int, tenant: TenantID, in transaction: Transaction
  ) throws -> Page {
    var found = try rows(from: sequence, before: end, limit: limit + 1, tenant: tenant, in: transaction)
    var end = end
    if found.count > limit, let last = found.last?.sequence {
      // The last one's number may have more rows. When all are of one number, it has more than enough.
      let cut = max(last, sequence + 1)
      found.removeAll { $0.sequence >= cut }
      end = cut
    }
    return Page(rows: found, end: end, rowsFrom: try LogUpkeepStore.rowsFrom(tenant: tenant, in: transaction))
  }

  private static func rows(
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
