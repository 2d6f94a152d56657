import Audit
import Foundation
public import Logging
import Postgres

/// For how long a tenant's log is kept, and by which policy.
public struct LogTerms: Sendable, Equatable {
  /// Days after which entries are deleted everywhere; hashes, checkpoints and manifests stay.
  public let days: Int
  /// Days for which entries are kept in the database besides the archive.
  public let databaseDays: Int
  /// The version of the policy, a code: the log names it.
  public let policy: String

  /// Terms in whole days.
  public init(days: Int, databaseDays: Int, policy: String) {
    self.days = days
    self.databaseDays = databaseDays
    self.policy = policy
  }
}

/// What happens to entries after they are published: segments are sealed, and what has had its time is deleted. Safe to
/// run on several replicas, and any number of times.
public struct LogUpkeep: Sendable {
  private let custody: Custody
  private let checkpointer: Checkpointer
  private let logger: Logger

  private static let microsecondsPerDay: Int64 = 86_400_000_000
  private static let batchSize: Int64 = 10_000

  /// Works on the archive of the checkpointer.
  public init(custody: Custody, checkpointer: Checkpointer, logger: Logger) {
    self.custody = custody
    self.checkpointer = checkpointer
    self.logger = logger
  }

  // MARK: Sealing

  /// Seals the tenant's segments that are due, one after the other, and notes it in the database; returns how many that
  /// were. Zero also when another replica is publishing this tenant's log: it is tried again another time.
  ///
  /// Throws `AuditError` with the file at fault when what is read back isn't what was published: then that segment is
  /// not sealed, and publishing goes on.
  @discardableResult
  public func seal(_ tenant: TenantID, now: Int64 = Microseconds.now()) async throws -> Int {
    var count = 0
    // One at a time: nobody can publish meanwhile.
    while let manifest = try await sealNext(tenant, now: now) {
      count += 1
      logger.info(
        "a segment of the log is sealed",
        metadata: [
          "tenant": "\(tenant)", "segment": "\(manifest.number)", "first": "\(manifest.first)",
          "end": "\(manifest.end)",
        ])
    }
    return count
  }

  private func sealNext(_ tenant: TenantID, now: Int64) async throws -> Manifest? {
    let checkpointer = checkpointer
    return try await working(tenant) { transaction in
      guard try AuditLogStore.claimPublication(tenant: tenant, in: transaction) else { return nil }
      let writer = checkpointer.writer(of: tenant)
      let sealed = try writer.seal(now: now, limit: 1).last
      // Also after a crash between the manifest and this row.
      let end = try sealed?.end ?? writer.sealedUpTo()
      if end > 0 { try LogUpkeepStore.recordSeal(upTo: Int64(end), tenant: tenant, in: transaction) }
      return sealed
    }
  }

  // MARK: The end of the entries' time

  /// Deletes the tenant's entries whose time is over, in the archive and in the database. Before that the log gets an
  /// entry `log.entries_expired`, and it is published. Returns the number of the first entry that is kept.
  @discardableResult
  public func expire(_ tenant: TenantID, _ terms: LogTerms, now: Int64 = Microseconds.now()) async throws -> UInt64 {
    let checkpointer = checkpointer
    let cutoff = now - Int64(terms.days) * Self.microsecondsPerDay
    let (head, due, kept) = try await working(tenant) { transaction in
      let writer = checkpointer.writer(of: tenant)
      return (
        try AuditLogStore.readHead(tenant: tenant, in: transaction), try writer.expirable(before: cutoff),
        try checkpointer.firstKept(tenant)
      )
    }
    if head.isClosed { return try await expireClosed(tenant, size: UInt64(head.size), kept: kept, terms, now: now) }
    guard due > kept else {
      try await deleteRows(before: kept, tenant)
      return kept
    }
    let announced = try await custody.operate(.operation(tenant)) { unit in
      // Whoever else has come here meanwhile: one of us is enough.
      guard try AuditLogStore.claimPublication(tenant: tenant, in: unit.database) else { return false }
      unit.record(.logEntriesExpired, codes: ["first_kept": String(due), "policy": terms.policy])
      return true
    }
    guard announced, try await checkpointer.publish(tenant) != nil else { return kept }
    return try await finish(tenant, before: due, terms, now: now)
  }

  /// A log whose tenant has left keeps none of its entries.
  private func expireClosed(_ tenant: TenantID, size: UInt64, kept: UInt64, _ terms: LogTerms, now: Int64) async throws
    -> UInt64
  {
    if kept == size {
      try await deleteRows(before: size, tenant)
      return kept
    }
    guard try await checkpointer.publish(tenant) != nil else { return kept }
    try await seal(tenant, now: now)
    return try await finish(tenant, before: size, terms, now: now)
  }

  private func finish(_ tenant: TenantID, before firstKept: UInt64, _ terms: LogTerms, now: Int64) async throws
    -> UInt64
  {
    let checkpointer = checkpointer
    try await working(tenant) { _ in
      try checkpointer.writer(of: tenant).expire(before: firstKept, policy: terms.policy, time: now)
    }
    try await deleteRows(before: firstKept, tenant)
    logger.notice(
      "entries of the log have had their time and are deleted",
      metadata: ["tenant": "\(tenant)", "first_kept": "\(firstKept)"])
    return firstKept
  }

  private func deleteRows(before firstKept: UInt64, _ tenant: TenantID) async throws {
    guard let end = Int64(exactly: firstKept), end > 0 else { return }
    var gone: Int64 = 1
    while gone > 0 {
      gone = try await working(tenant) { transaction in
        try LogUpkeepStore.deleteSealed(before: end, limit: Self.batchSize, tenant: tenant, in: transaction)
          + Int64(
            try LogUpkeepStore.deleteSide(
              before: end, limit: Int(Self.batchSize), tenant: tenant, in: transaction))
      }
    }
  }

  // MARK: Partitions

  /// Makes partitions for what will be appended, ahead of need; returns how many were made.
  @discardableResult
  public func makePartitions(for tenants: [TenantID]) async throws -> Int64 {
    var made: Int64 = 0
    for tenant in tenants {
      made += try await working(tenant) { transaction in
        let size = try AuditLogStore.readHead(tenant: tenant, in: transaction).size
        return try LogUpkeepStore.makePartitions(below: size + Self.ahead, in: transaction)
      }
    }
    return made
  }

  /// For how many entries of a tenant there is always a partition: a fortnight at three a second.
  private static let ahead: Int64 = 4_194_304

  /// Drops the partitions of which every tenant's entries are sealed and older than its terms say; an empty one takes
  /// the place of each. Returns their names.
  ///
  /// The database checks that much again, under a lock that keeps every writer away for that moment; when it doesn't get
  /// the lock within a second, it is left for another time.
  @discardableResult
  public func dropPartitions(
    for tenants: [TenantID], _ terms: @Sendable (TenantID) -> LogTerms, now: Int64 = Microseconds.now()
  ) async throws -> [String] {
    guard let first = tenants.first else { return [] }
    let partitions = try await working(first) { try LogUpkeepStore.partitions(in: $0) }
    var dropped: [String] = []
    for partition in partitions {
      var isInUse = false
      var before: Int64 = 0
      for tenant in tenants {
        let cutoff = now - Int64(terms(tenant).databaseDays) * Self.microsecondsPerDay
        let state = try await working(tenant) { try Self.state(of: partition, tenant, cutoff, $0) }
        if state == .staying { break }
        if state == .due {
          isInUse = true
          before = max(before, cutoff)
        }
        if tenant == tenants.last, isInUse,
          try await working(
            tenant,
            { [before] in
              try LogUpkeepStore.dropPartition(partition.name, before: before, in: $0)
            })
        {
          dropped.append(partition.name)
          logger.notice("a partition of sealed entries is dropped", metadata: ["partition": "\(partition.name)"])
        }
      }
    }
    return dropped
  }

  private enum PartitionState { case empty, due, staying }

  private static func state(
    of partition: LogUpkeepStore.Partition, _ tenant: TenantID, _ cutoff: Int64, _ transaction: Transaction
  ) throws -> PartitionState {
    guard
      let last = try LogUpkeepStore.lastRow(in: partition.first..<partition.end, tenant: tenant, in: transaction)
    else { return .empty }
    let sealed = try LogUpkeepStore.sealedUpTo(tenant: tenant, in: transaction)
    return try last.sequence < sealed && Entry(parsing: last.entry).time < cutoff ? .due : .staying
  }

  private func working<Value: Sendable>(
    _ tenant: TenantID, _ body: @escaping @Sendable (Transaction) throws -> Value
  ) async throws -> Value {
    try await custody.translating {
      try await custody.worker.transaction(settings: AccessContext.operation(tenant).settings) { try body($0) }
    }
  }
}

extension Checkpointer {
  /// The first entry of the log whose bundle is sure to be in the archive; 0 where nothing has had its time.
  ///
  /// Throws `.signature` when the archive's word for it is not by one of the log's keys.
  func firstKept(_ tenant: TenantID) throws -> UInt64 {
    guard let note = try ArchiveReader(folder: folder(of: tenant)).retention() else { return 0 }
    try note.verified(by: verifierKeys(of: tenant))
    let retention = try RetentionNote(parsing: note.body)
    guard retention.origin == custody.origin(of: tenant) else {
      throw AuditError(.inconsistent, file: RetentionNote.file)
    }
    return retention.firstKept
  }
}
