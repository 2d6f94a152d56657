import Audit
import Foundation
import Postgres

/// Brings archived entries of one tenant back into the data database: first all of them are followed from the
/// database's last entry to the signed checkpoint, then they are written, batch by batch.
struct LogImport: Sendable {
  let custody: Custody
  let checkpointer: Checkpointer
  let tenant: TenantID

  static let batchSize: UInt64 = 1_024

  private var settings: [SessionSetting] { AccessContext.operation(tenant).settings }

  /// What the archive has and the database has not.
  struct Missing: Sendable {
    let checkpoint: Checkpoint
    let count: UInt64
    /// The erasures that these entries record as completed.
    let erasures: [AuditLogStore.CompletedErasure]
  }

  /// Follows the chain over every missing entry, and checks that the last one is under the signed checkpoint. Nil when
  /// nothing is missing. Throws ``RecoveryError`` when the entries are not the database's own log's.
  func missing() async throws -> Missing? {
    let (custody, checkpointer, tenant) = (custody, checkpointer, tenant)
    let writer = checkpointer.writer(of: tenant)
    return try await custody.translating {
      // On a connection's thread: the archive's files are read there, too.
      try await custody.worker.transaction(settings: settings) { transaction -> Missing? in
        guard let checkpoint = try writer.lastCheckpoint() else { return nil }
        let head =
          try AuditLogStore.hasHead(tenant: tenant, in: transaction)
          ? try AuditLogStore.readHead(tenant: tenant, in: transaction) : Self.empty(custody.origin(of: tenant))
        guard checkpoint.size > UInt64(head.size) else { return nil }
        var position = head
        let kept = try checkpointer.firstKept(tenant)
        if kept > UInt64(head.size) {
          position = try Self.head(before: kept, writer.reader, checkpoint, head)
        }
        var erasures: [AuditLogStore.CompletedErasure] = []
        while UInt64(position.size) < checkpoint.size {
          let entries = try Self.next(after: position, checkpoint, writer.reader, tenant)
          erasures += try entries.compactMap(AuditLogStore.CompletedErasure.init)
          position = Self.head(after: entries, position)
        }
        let last = checkpoint.size - 1
        guard
          MerkleTree.verifyInclusion(
            leaf: position.leaf, index: last, size: checkpoint.size,
            proof: try writer.reader.inclusionProof(index: last, size: checkpoint.size), root: checkpoint.root)
        else { throw RecoveryError(.brokenChain(tenant: tenant, sequence: last)) }
        return Missing(checkpoint: checkpoint, count: checkpoint.size - UInt64(head.size), erasures: erasures)
      }
    }
  }

  /// Writes the next batch; returns how many entries that were, and zero at the end.
  func importBatch(upTo checkpoint: Checkpoint) async throws -> Int64 {
    let (checkpointer, tenant) = (checkpointer, tenant)
    let writer = checkpointer.writer(of: tenant)
    return try await custody.translating {
      try await custody.worker.transaction(settings: settings) { transaction -> Int64 in
        let known = try AuditLogStore.readHead(tenant: tenant, in: transaction)
        if known.isClosed { return 0 }
        let head = try AuditLogStore.lockHead(tenant: tenant, in: transaction)
        let kept = try checkpointer.firstKept(tenant)
        if kept > UInt64(head.size) {
          // Their bodies have had their time: the hashes in the tiles are what the chain goes on from.
          let skipped = try Self.head(before: kept, writer.reader, checkpoint, head)
          // The database lets go only what it knows to be published.
          try checkpointer.restoreCheckpoints(upTo: checkpoint.size, tenant: tenant, in: transaction)
          try AuditLogStore.skip(
            to: kept, leaf: skipped.leaf, sealedUpTo: try writer.sealedUpTo(), isClosed: kept == checkpoint.size,
            tenant: tenant, in: transaction)
          return Int64(kept) - head.size
        }
        let entries = try Self.next(after: head, checkpoint, writer.reader, tenant)
        try AuditLogStore.restore(entries, after: head, tenant: tenant, in: transaction)
        return Int64(entries.count)
      }
    }
  }

  /// Notes the archive's checkpoints that the database lacks.
  func restoreCheckpoints() async throws {
    let (checkpointer, tenant) = (checkpointer, tenant)
    try await custody.translating {
      try await custody.worker.transaction(settings: settings) { transaction in
        guard let size = try checkpointer.writer(of: tenant).lastCheckpoint()?.size else { return }
        try checkpointer.restoreCheckpoints(upTo: size, tenant: tenant, in: transaction)
      }
    }
  }

  /// The next archived entries, each chained to the one before it.
  private static func next(
    after head: AuditLogStore.Head, _ checkpoint: Checkpoint, _ reader: ArchiveReader, _ tenant: TenantID
  ) throws -> [Entry] {
    let start = UInt64(head.size)
    let end = min(checkpoint.size, (start / 256 * 256) + batchSize)
    guard start < end else { return [] }
    var previous = head.leaf
    var time = head.lastTime
    return try zip(start..., try reader.entries(in: start..<end, size: checkpoint.size)).map { sequence, bytes in
      let entry = try Entry(parsing: bytes)
      guard entry.sequence == sequence, entry.origin == head.origin, entry.previous == previous, entry.time >= time
      else { throw RecoveryError(.brokenChain(tenant: tenant, sequence: sequence)) }
      previous = MerkleTree.leafHash(bytes)
      time = entry.time
      return entry
    }
  }

  private static func head(after entries: [Entry], _ head: AuditLogStore.Head) -> AuditLogStore.Head {
    guard let last = entries.last else { return head }
    return AuditLogStore.Head(
      origin: head.origin, size: Int64(last.sequence) + 1, leaf: last.leafHash, lastTime: last.time)
  }

  /// The head of a log of which the entries before `kept` are known by their hashes only.
  private static func head(
    before kept: UInt64, _ reader: ArchiveReader, _ checkpoint: Checkpoint, _ head: AuditLogStore.Head
  ) throws -> AuditLogStore.Head {
    AuditLogStore.Head(
      origin: head.origin, size: Int64(kept), leaf: try reader.leafHash(at: kept - 1, size: checkpoint.size),
      lastTime: head.lastTime)
  }

  private static func empty(_ origin: LogOrigin) -> AuditLogStore.Head {
    AuditLogStore.Head(origin: origin, size: 0, leaf: origin.genesis, lastTime: 0)
  }
}
