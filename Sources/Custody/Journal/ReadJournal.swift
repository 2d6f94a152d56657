import Audit
import Postgres

/// Writes the entries of reads in group commits: each commit takes whatever queued while the one before it was
/// under way, one queue a tenant. A caller gets its answer only after the commit that holds its entry.
actor ReadJournal {
  private let pool: PostgresPool
  private let capacity: Int
  private let batchSize: Int
  private var queues: [TenantID: [Waiting]] = [:]
  private var draining: Set<TenantID> = []

  private struct Waiting {
    let entry: PreparedEntry
    let continuation: CheckedContinuation<Void, any Error>
  }

  /// What the commit says of one entry.
  private enum Outcome: Sendable { case committed, erased }

  init(pool: PostgresPool, capacity: Int = 4_096, batchSize: Int = 512) {
    self.pool = pool
    self.capacity = capacity
    self.batchSize = batchSize
  }

  /// Returns once the entry is committed. Throws `.erased` when one of its subjects is tombstoned by then, and
  /// `.unavailable` when the log can't be written or too many wait: nothing may be released then.
  nonisolated func append(_ entry: JournalEntry, tenant: TenantID) async throws {
    // An entry that can't be written is its caller's affair, not that of everybody in the same commit.
    try await enqueue(try entry.prepared(), tenant: tenant)
  }

  /// How many entries of the tenant wait for the commit after the one that is under way.
  func waiting(in tenant: TenantID) -> Int { queues[tenant]?.count ?? 0 }

  private func enqueue(_ entry: PreparedEntry, tenant: TenantID) async throws {
    guard queues[tenant, default: []].count < capacity else { throw CustodyError(.unavailable, field: "log") }
    try await withCheckedThrowingContinuation { continuation in
      queues[tenant, default: []].append(Waiting(entry: entry, continuation: continuation))
      if draining.insert(tenant).inserted { Task { await drain(tenant) } }
    }
  }

  private func drain(_ tenant: TenantID) async {
    while let batch = take(tenant) {
      let entries = batch.map(\.entry)
      do {
        let outcomes = try await commit(entries, tenant: tenant)
        for (waiting, outcome) in zip(batch, outcomes) {
          switch outcome {
          case .committed: waiting.continuation.resume()
          case .erased: waiting.continuation.resume(throwing: CustodyError(.erased))
          }
        }
      } catch {
        let refusal = (error as? CustodyError) ?? CustodyError(.unavailable, field: "log")
        for waiting in batch { waiting.continuation.resume(throwing: refusal) }
      }
    }
    draining.remove(tenant)
  }

  private func take(_ tenant: TenantID) -> [Waiting]? {
    guard let queue = queues[tenant], !queue.isEmpty else {
      queues[tenant] = nil
      return nil
    }
    let batch = Array(queue.prefix(batchSize))
    queues[tenant] = Array(queue.dropFirst(batch.count))
    return batch
  }

  private func commit(_ entries: [PreparedEntry], tenant: TenantID) async throws -> [Outcome] {
    let setting = SessionSetting(name: "app.tenant_id", value: tenant.description)
    return try await pool.transaction(settings: [setting]) { transaction in
      let head = try AuditLogStore.lockHead(tenant: tenant, in: transaction)
      let tombstoned = try AuditLogStore.tombstoned(
        Set(entries.lazy.flatMap(\.guarded)), tenant: tenant, in: transaction)
      let outcomes = entries.map { tombstoned.isDisjoint(with: $0.guarded) ? Outcome.committed : .erased }
      let admitted = zip(entries, outcomes).filter { $0.1 == .committed }.map(\.0)
      _ = try AuditLogStore.append(admitted, after: head, tenant: tenant, in: transaction)
      return outcomes
    }
  }
}
