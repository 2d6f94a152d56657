public import Audit
import Foundation
import Logging
import Postgres
public import Signing

/// Publishes the tenants' logs to the archive: re-reads committed entries, recomputes chain and tree independently,
/// makes the entries durable, and only then signs the checkpoint that covers them.
///
/// One replica at a time per tenant, by an advisory lock. Blocking file work runs on the connection's thread, never
/// on Swift's pool.
public struct Checkpointer: Sendable {
  /// The archive's root folder.
  public let archive: String
  /// The key that checkpoints are signed with. Shared with every server process, and with nobody else.
  let key: SigningKey
  let custody: Custody
  private let batchSize: Int

  /// A publisher of every tenant's log into `archive`.
  public init(custody: Custody, archive: String, key: SigningKey, batchSize: Int = 2_048) {
    self.custody = custody
    self.archive = archive
    self.key = key
    self.batchSize = batchSize
  }

  /// The tenant's folder in the archive.
  public func folder(of tenant: TenantID) -> String { "\(archive)/\(tenant)" }

  /// The signer of the tenant's checkpoints, named like the log's origin.
  public func signer(of tenant: TenantID) -> NoteSigner {
    NoteSigner(name: custody.origin(of: tenant).text, key: key)
  }

  /// Publishes what has been committed since the last checkpoint; returns the size that the archive now covers.
  /// Nil when another replica is publishing this tenant's log.
  @discardableResult
  public func publish(_ tenant: TenantID) async throws -> UInt64? {
    let writer = ArchiveWriter(
      folder: folder(of: tenant), origin: custody.origin(of: tenant), signer: signer(of: tenant))
    let batchSize = batchSize
    let settings = [SessionSetting(name: "app.tenant_id", value: tenant.description)]
    return try await custody.translating {
      try await custody.worker.transaction(settings: settings) { transaction -> UInt64? in
        guard try AuditLogStore.claimPublication(tenant: tenant, in: transaction) else { return nil }
        var size = try writer.lastCheckpoint()?.size
        let head = try AuditLogStore.readHead(tenant: tenant, in: transaction)
        // A database that went back behind its archive, by a failover for example, publishes nothing.
        guard size ?? 0 <= UInt64(head.size) else { throw CustodyError(.unavailable, field: "archive") }
        while size ?? 0 < UInt64(head.size) || size == nil {
          let (entries, last) = try AuditLogStore.batch(
            from: Int64(size ?? 0), limit: batchSize, before: head, tenant: tenant, in: transaction)
          // The writer checks the chain up to the last entry, and this the last: else it would be signed as it is.
          guard entries.last.map(MerkleTree.leafHash) ?? last == last else {
            throw CustodyError(.unavailable, field: "audit_entries")
          }
          let note = try writer.publish(entries)
          let checkpoint = try Checkpoint(parsing: note.body)
          guard checkpoint.size == (size ?? 0) + UInt64(entries.count) else {
            throw CustodyError(.unavailable, field: "archive")
          }
          try AuditLogStore.recordCheckpoint(checkpoint, note: note.text, tenant: tenant, in: transaction)
          size = checkpoint.size
          if entries.isEmpty { break }
        }
        return size
      }
    }
  }

  /// The proof that one entry is in the published log.
  public func receipt(_ sequence: Int64, tenant: TenantID) throws -> Receipt {
    try ArchiveWriter(folder: folder(of: tenant), origin: custody.origin(of: tenant), signer: signer(of: tenant))
      .inclusionReceipt(sequence: UInt64(sequence))
  }
}

extension Custody {
  /// The name of a tenant's log: the host, a slash, the tenant.
  public func origin(of tenant: TenantID) -> LogOrigin { LogOrigin(host: originHost, tenant: tenant.uuid) }
}
