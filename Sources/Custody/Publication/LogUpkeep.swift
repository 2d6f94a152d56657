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

  /// Seals the tenant's segments that are due, one after the other and at most `limit`, and notes it in the database;
  /// returns how many that were. Zero also when another replica is publishing this tenant's log: it is tried again
  /// another time.
  ///
  /// Throws `AuditError` with the file at fault when what is read back isn't what was published: then that segment is
  /// not sealed, and publishing goes on.
  @discardableResult
  public func seal(_ tenant: TenantID, now: Int64 = Microseconds.now(), limit: Int = .max) async throws -> Int {
    var count = 0
    // One at a time: nobody can publish meanwhile.
    while count < limit, let manifest = try await sealNext(tenant, now: now) {
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

  /// Deletes the tenant's entries whose time is over, in the archive and in the database; all of them when the tenant
  /// has left. Before that the log gets an entry `log.entries_expired`, and it is published. What was interrupted before
  /// is finished first of all, so it is worth calling when nothing new is due.
  ///
  /// Returns the number of the first entry that is kept, when everything before it is gone; nil when another replica is
  /// at work on this log, or it isn't sealed so far: it is tried again another time.
  ///
  /// - Parameters:
  ///   - now: this host's clock. Where the database's differs by more than five minutes, nothing new is deleted.
  ///   - segments: the most segments of a closed log to seal in this call.
  ///   - batches: the most batches of ten thousand rows to delete in this call; the rest goes with the next one.
  @discardableResult
  public func expire(
    _ tenant: TenantID, _ terms: LogTerms, now: Int64 = Microseconds.now(), segments: Int = .max,
    batches: Int = .max
  ) async throws -> UInt64? {
    let checkpointer = checkpointer
    let (head, kept, clock) = try await working(tenant) { transaction in
      (
        try AuditLogStore.readHead(tenant: tenant, in: transaction), try checkpointer.firstKept(tenant),
        try LogUpkeepStore.clock(in: transaction)
      )
    }
    if head.isClosed {
      guard let size = try await checkpointer.publish(tenant) else { return nil }
      try await seal(tenant, now: now, limit: segments)
      return try await finish(tenant, before: size, terms, now: now, batches: batches)
    }
    var due = kept
    if let time = agreed(now, clock) {
      let cutoff = time - Int64(terms.days) * Self.microsecondsPerDay
      guard let announced = try await announce(tenant, terms, cutoff: cutoff) else { return nil }
      due = announced
    }
    if due > kept { guard try await checkpointer.publish(tenant) != nil else { return nil } }
    return try await finish(tenant, before: due, terms, now: now, batches: batches)
  }

  /// Adds the entry that says which entries go, unless it is there; returns the first one that is kept then. Nil when
  /// another replica is at work. Only whoever has the publication's lock adds one: the numbers never decrease.
  private func announce(_ tenant: TenantID, _ terms: LogTerms, cutoff: Int64) async throws -> UInt64? {
    let checkpointer = checkpointer
    return try await custody.operate(.operation(tenant)) { unit -> UInt64? in
      guard try AuditLogStore.claimPublication(tenant: tenant, in: unit.database) else { return nil }
      let writer = checkpointer.writer(of: tenant)
      let kept = try checkpointer.firstKept(tenant)
      let due = try writer.expirable(before: cutoff)
      guard due > kept, let number = Int64(exactly: due) else { return kept }
      if let last = try LogUpkeepStore.announced(tenant: tenant, in: unit.database) {
        // More was announced, and this is what is due now: kept until that is due again.
        if last.firstKept > number { return kept }
        if last.firstKept == number, last.policy == terms.policy { return due }
      }
      // Also after a crash between a manifest and its row.
      if let sealed = Int64(exactly: try writer.sealedUpTo()) {
        try LogUpkeepStore.recordSeal(upTo: sealed, tenant: tenant, in: unit.database)
      }
      unit.record(.logEntriesExpired, codes: ["first_kept": String(due), "policy": terms.policy])
      try LogUpkeepStore.recordAnnouncement(of: number, policy: terms.policy, tenant: tenant, in: unit.database)
      return due
    }
  }

  /// Removes from the archive, then from the database, whatever there is before `firstKept`. The retention note is there
  /// before the bundles go, so it says nothing about them: each time it is looked again.
  private func finish(
    _ tenant: TenantID, before firstKept: UInt64, _ terms: LogTerms, now: Int64, batches: Int
  ) async throws -> UInt64? {
    if firstKept == 0 { return 0 }
    let checkpointer = checkpointer
    let before = try await working(tenant) { transaction -> UInt64? in
      guard try AuditLogStore.claimPublication(tenant: tenant, in: transaction) else { return nil }
      let writer = checkpointer.writer(of: tenant)
      let kept = try checkpointer.firstKept(tenant)
      // Another replica has come further, or what is sealed ends before.
      guard kept <= firstKept, try writer.sealedUpTo() >= firstKept else { return nil }
      try writer.expire(before: firstKept, policy: terms.policy, time: now)
      return kept
    }
    guard let before else { return nil }
    try await deleteRows(before: firstKept, tenant, batches: batches)
    if before < firstKept {
      logger.notice(
        "entries of the log have had their time and are deleted",
        metadata: ["tenant": "\(tenant)", "first_kept": "\(firstKept)"])
    }
    return firstKept
  }

  private func deleteRows(before firstKept: UInt64, _ tenant: TenantID, batches: Int) async throws {
    guard let end = Int64(exactly: firstKept), end > 0 else { return }
    var gone: Int64 = 1
    var left = batches
    while gone > 0, left > 0 {
      left -= 1
      gone = try await working(tenant) { transaction in
        try LogUpkeepStore.deleteSealed(before: end, limit: Self.batchSize, tenant: tenant, in: transaction)
          + Int64(
            try LogUpkeepStore.deleteSide(
              before: end, limit: Int(Self.batchSize), tenant: tenant, in: transaction))
      }
    }
  }

  /// The time by which entries are deleted: the earlier one of the host's and the database's. Nil when they are so far
  /// apart that one of them must be wrong.
  private func agreed(_ host: Int64, _ database: Int64?) -> Int64? {
    guard let database else { return nil }
    guard (host - database).magnitude <= Self.toleratedSkew else {
      logger.error(
        "no entries are deleted while the clocks differ",
        metadata: ["host": "\(host)", "database": "\(database)"])
      return nil
    }
    return min(host, database)
  }

  private static let toleratedSkew: UInt64 = 300_000_000

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
  /// the lock within a second, it is left for another time; so it is while its clock and the host's, `now`, differ by
  /// more than five minutes.
  @discardableResult
  public func dropPartitions(
    for tenants: [TenantID], _ terms: @Sendable (TenantID) -> LogTerms, now: Int64 = Microseconds.now()
  ) async throws -> [String] {
    guard let first = tenants.first else { return [] }
    let (partitions, clock) = try await working(first) {
      (try LogUpkeepStore.partitions(in: $0), try LogUpkeepStore.clock(in: $0))
    }
    guard let now = agreed(now, clock) else { return [] }
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
