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
  /// The keys that checkpoints are signed with. Shared with every server process, and with nobody else.
  let keys: SigningKeys
  let custody: Custody
  let immutability: ImmutableAttribute?
  private let batchSize: Int

  /// A publisher of every tenant's log into `archive`.
  ///
  /// - Parameter immutability: asks for the immutable attribute on what is sealed; nil leaves it alone.
  public init(
    custody: Custody, archive: String, keys: SigningKeys, immutability: ImmutableAttribute? = nil,
    batchSize: Int = 2_048
  ) {
    self.custody = custody
    self.archive = archive
    self.keys = keys
    self.immutability = immutability
    self.batchSize = batchSize
  }

  /// A publisher that has one signing key, without a file.
  public init(custody: Custody, archive: String, key: SigningKey, batchSize: Int = 2_048) {
    self.init(custody: custody, archive: archive, keys: SigningKeys(key), batchSize: batchSize)
  }

  /// The key that new logs begin with.
  var key: SigningKey { keys.current }

  /// The tenant's folder in the archive.
  public func folder(of tenant: TenantID) -> String { "\(archive)/\(tenant)" }

  /// The signer of the tenant's checkpoints, named like the log's origin: by the key whose turn it is after the last
  /// checkpoint, and before the first one by the key in use, which is read again for it. Reads files.
  public func signer(of tenant: TenantID) -> NoteSigner {
    let origin = custody.origin(of: tenant).text
    guard let note = try? ArchiveReader(folder: folder(of: tenant)).checkpoint(),
      let id = note.signatures.last(where: { $0.name == origin })?.keyID
    else {
      // Another process may have replaced it: no log begins with a key that has retired.
      keys.reload()
      return NoteSigner(name: origin, key: keys.current)
    }
    for _ in 0..<2 {
      let found = keys.all.first { (try? NoteKey(name: origin, key: $0.publicKey))?.keyID == id }
      if let found { return NoteSigner(name: origin, key: found) }
      // Another process has rotated it.
      keys.reload()
    }
    return NoteSigner(name: origin, key: keys.current)
  }

  /// Every key that the tenant's log has had, the oldest first, as the archive lists them beside the log; before the
  /// first publication the one that it will begin with.
  public func verifierKeys(of tenant: TenantID) throws -> [NoteKey] {
    let path = folder(of: tenant) + "/vkey"
    guard let bytes = FileManager.default.contents(atPath: path) else { return [try signer(of: tenant).verifierKey()] }
    return try VerifierKeys(parsing: Array(bytes)).keys
  }

  /// Publishes what has been committed since the last checkpoint; returns the size that the archive now covers.
  /// Nil when another replica is publishing this tenant's log.
  ///
  /// Throws `AuditError` with the number of the first entry that is not the one that was committed.
  @discardableResult
  public func publish(_ tenant: TenantID) async throws -> UInt64? {
    try await custody.translating {
      try await custody.worker.transaction(settings: AccessContext.operation(tenant).settings) { transaction in
        guard try AuditLogStore.claimPublication(tenant: tenant, in: transaction) else { return nil }
        return try publish(tenant, in: transaction)
      }
    }
  }

  /// The proof that one entry is in the published log.
  public func receipt(_ sequence: Int64, tenant: TenantID) throws -> Receipt {
    try writer(of: tenant).inclusionReceipt(sequence: UInt64(sequence))
  }

  /// The writer of the tenant's folder, with every key that there is.
  func writer(of tenant: TenantID) -> ArchiveWriter {
    let origin = custody.origin(of: tenant)
    // Looks for the key whose turn it is, and reads the files again where this process doesn't have it.
    _ = signer(of: tenant)
    return ArchiveWriter(
      folder: folder(of: tenant), origin: origin,
      signers: keys.all.map { NoteSigner(name: origin.text, key: $0) }, immutability: immutability)
  }

  // MARK: Publishing

  private func publish(_ tenant: TenantID, in transaction: Transaction) throws -> UInt64? {
    let writer = writer(of: tenant)
    var size = try writer.lastCheckpoint()?.size
    let head = try AuditLogStore.readHead(tenant: tenant, in: transaction)
    // A database that went back behind its archive, by a failover for example, publishes nothing.
    guard size ?? 0 <= UInt64(head.size) else { throw CustodyError(.unavailable, field: "archive") }
    if let size { try restoreCheckpoints(upTo: size, tenant: tenant, in: transaction) }
    while size ?? 0 < UInt64(head.size) || size == nil {
      let (entries, last) = try AuditLogStore.batch(
        from: Int64(size ?? 0), limit: batchSize, before: head, tenant: tenant, in: transaction)
      // Rows that nobody may have deleted yet: without them there is nothing to say of the entries.
      guard !entries.isEmpty || UInt64(head.size) == size ?? 0 else {
        throw AuditError(.inconsistent, sequence: size ?? 0)
      }
      // The writer checks the chain up to the last entry, and this the last: else it would be signed as it is.
      guard entries.last.map(MerkleTree.leafHash) ?? last == last else {
        throw AuditError(.inconsistent, sequence: (size ?? 0) + UInt64(max(1, entries.count)) - 1)
      }
      let note = try write(entries, writer)
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

  private func write(_ entries: [[UInt8]], _ writer: ArchiveWriter) throws -> SignedNote {
    do {
      return try writer.publish(entries)
    } catch let error where error.code == .unsuitableKey {
      // They announce a key that another process has made: with the files read again, the next round has it.
      keys.reload()
      throw error
    }
  }

  /// Notes the archive's checkpoints that the database lacks: those of a publication whose transaction was rolled back
  /// after the files were written, or of a database that was restored.
  func restoreCheckpoints(upTo size: UInt64, tenant: TenantID, in transaction: Transaction) throws {
    let known = try AuditLogStore.lastPublished(tenant: tenant, in: transaction)
    // Zero says nothing of the empty log's own checkpoint.
    guard size > UInt64(max(0, known)) || known <= 0 else { return }
    let keys = try verifierKeys(of: tenant)
    let reader = ArchiveReader(folder: folder(of: tenant))
    for missing in try reader.exportedSizes(above: known <= 0 ? nil : UInt64(known)) where missing <= size {
      let note = try reader.checkpoint(size: missing)
      try note.verified(by: keys)
      try AuditLogStore.recordCheckpoint(
        try Checkpoint(parsing: note.body), note: note.text, tenant: tenant, in: transaction)
    }
  }
}

extension ArchiveReader {
  /// The sizes of the exported checkpoints above `size`, smallest first; without it all, that of the empty log too.
  func exportedSizes(above size: UInt64?) throws(AuditError) -> [UInt64] {
    let sizes = try checkpointSizes(above: size ?? 0)
    if size != nil { return sizes }
    do throws(AuditError) {
      _ = try checkpoint(size: 0)
      return [0] + sizes
    } catch {
      // A log whose first publication had entries already.
      guard error.code == .missing else { throw error }
      return sizes
    }
  }
}

extension Custody {
  /// The name of a tenant's log: the host, a slash, the tenant.
  public func origin(of tenant: TenantID) -> LogOrigin { LogOrigin(host: originHost, tenant: tenant.uuid) }
}
