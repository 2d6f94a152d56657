public import Audit
public import Logging
import Postgres

/// A tenant leaves: its log is closed for good, its entries are deleted, and what remains is what proves the log.
///
/// Everybody has to be erased before. Each step may be repeated: whoever was interrupted runs it again.
public struct TenantExit: Sendable {
  /// Why a tenant can't leave yet.
  public struct Obstacle: Error, Sendable, Equatable, CustomStringConvertible {
    /// People who are not erased.
    public let people: Int64
    /// Holds that are not released.
    public let holds: Int64
    /// Erasures without a certificate: they are under way.
    public let erasures: Int64

    /// One line for the operator.
    public var description: String {
      "\(people) subject(s) are not erased, \(holds) hold(s) are not released, \(erasures) erasure(s) have no certificate"
    }
  }

  private let custody: Custody
  private let checkpointer: Checkpointer
  private let ledger: ErasureLedger
  private let logger: Logger

  /// Works on the archive of the checkpointer, and its ledger.
  public init(custody: Custody, checkpointer: Checkpointer, ledger: ErasureLedger, logger: Logger) {
    self.custody = custody
    self.checkpointer = checkpointer
    self.ledger = ledger
    self.logger = logger
  }

  /// Erases who acted for the tenant, appends `log.closed`, publishes and seals the log, and deletes its entries in the
  /// archive and in the database. From then on every access in the tenant's name is refused as `.unknownTenant`.
  ///
  /// Returns the number of entries that the log had; it ends with that.
  ///
  /// Throws ``Obstacle`` before anything is changed; `.unavailable` with the field `publication` when another replica
  /// publishes the log and goes on doing so; then it is run again.
  @discardableResult
  public func run(_ tenant: TenantID, policy: String) async throws -> UInt64 {
    let context = AccessContext.operation(tenant)
    let isClosed = try await custody.translating {
      try await custody.worker.transaction(settings: context.settings) { transaction in
        let head = try AuditLogStore.readHead(tenant: tenant, in: transaction)
        if !head.isClosed { try Self.refuseIfInUse(tenant, transaction) }
        return head.isClosed
      }
    }
    if !isClosed {
      try await eraseActors(context)
      try await custody.operate(context) { unit in
        // Whoever is being created at this moment waits for the head, and finds the log closed.
        try unit.takeHead()
        try Self.refuseIfInUse(tenant, unit.database)
        guard try TenantExitStore.actorsLeft(tenant: tenant, in: unit.database).isEmpty else {
          throw CustodyError(.stale, field: "actors")
        }
        unit.record(.logClosed)
        try unit.appendEntries()
        try LogUpkeepStore.close(tenant: tenant, at: unit.now, in: unit.database)
      }
    }
    let upkeep = LogUpkeep(custody: custody, checkpointer: checkpointer, logger: logger)
    for attempt in 0..<50 {
      // Repeats what a run before may have left undone, also where the archive says already that all is gone.
      let kept = try await expired(tenant, upkeep, policy)
      let size = try await size(tenant)
      if kept == size { return size }
      if attempt < 49 { try await Task.sleep(for: .milliseconds(100)) }
    }
    throw CustodyError(.unavailable, field: "publication")
  }

  /// Nil while somebody else is at work on the log.
  private func expired(_ tenant: TenantID, _ upkeep: LogUpkeep, _ policy: String) async throws -> UInt64? {
    do {
      return try await upkeep.expire(tenant, LogTerms(days: 0, databaseDays: 0, policy: policy))
    } catch let error as AuditError where error.code == .busy {
      return nil
    }
  }

  private func size(_ tenant: TenantID) async throws -> UInt64 {
    try await custody.translating {
      try await custody.worker.transaction(settings: AccessContext.operation(tenant).settings) {
        UInt64(try AuditLogStore.readHead(tenant: tenant, in: $0).size)
      }
    }
  }

  private static func refuseIfInUse(_ tenant: TenantID, _ transaction: Transaction) throws {
    let obstacle = Obstacle(
      people: try TenantExitStore.peopleLeft(tenant: tenant, in: transaction),
      holds: try TenantExitStore.holdsLeft(tenant: tenant, in: transaction),
      erasures: try TenantExitStore.erasuresLeft(tenant: tenant, in: transaction))
    guard obstacle == Obstacle(people: 0, holds: 0, erasures: 0) else { throw obstacle }
  }

  /// In the order of every erasure: tombstone, ledger, key, completion.
  private func eraseActors(_ context: AccessContext) async throws {
    let tenant = context.tenant
    let actors = try await custody.translating {
      try await custody.worker.transaction(settings: context.settings) {
        try TenantExitStore.actorsLeft(tenant: tenant, in: $0)
      }
    }
    let ledger = ledger
    for actor in actors {
      _ = try await custody.operate(context) { unit in
        try unit.tombstone(actor.subject, codes: ["reason": "tenant_exit"])
      }
      try await custody.operate(context) { unit in
        _ = try ledger.append(
          ErasureRecord(
            tenant: tenant.uuid, subject: actor.subject.uuid, commitment: actor.commitment, time: unit.now))
      }
      let key = try await custody.destroyKey(of: actor.subject, commitment: actor.commitment, context)
      try await custody.operate(context) { unit in
        _ = try unit.completeErasure(
          of: actor.subject, erasedAt: key.at,
          codes: [
            "reason": "tenant_exit", "key_commitment": Custody.hex(actor.commitment), "key_epoch": String(key.epoch),
          ])
      }
    }
  }
}
