public import Audit
public import Custody
public import Foundation
public import Logging
public import Policies

/// Carries erasures through their steps, resumes those that a crash stopped, and certifies them.
///
/// Every step is one commit, guarded by a row lock on the erasure, and does nothing when it has happened: any number
/// of runners on any number of replicas complete an erasure exactly once.
public struct ErasureRunner: Sendable {
  let custody: Custody
  let checkpointer: Checkpointer
  let logger: Logger
  private let ledger: ErasureLedger
  private let policy: RetentionPolicy
  private let afterStep: @Sendable (ErasureStep) -> Void

  /// - Parameter afterStep: called when a step is committed, before the next begins; for fault injection.
  public init(
    custody: Custody, checkpointer: Checkpointer, ledger: ErasureLedger, policy: RetentionPolicy,
    logger: Logger, afterStep: @escaping @Sendable (ErasureStep) -> Void = { _ in }
  ) {
    self.custody = custody
    self.checkpointer = checkpointer
    self.ledger = ledger
    self.policy = policy
    self.logger = logger
    self.afterStep = afterStep
  }

  /// Carries every unfinished erasure of every tenant as far as it goes. One that fails is reported and left for the
  /// next time; it does not hold up the others. Returns how many are still unfinished.
  @discardableResult
  public func resumeAll() async throws -> Int {
    var unfinished = 0
    for tenant in try await custody.tenants() {
      let requests: [UUID]
      do {
        requests = try await custody.operate(.operation(tenant.id)) { unit in
          try ErasureStore.unfinished(tenant: tenant.id, in: unit.database)
        }
      } catch {
        // One tenant's trouble holds up nobody else.
        logger.error("erasures can't be listed", metadata: ["tenant": "\(tenant.id)", "error": "\(error)"])
        unfinished += 1
        continue
      }
      for request in requests {
        do {
          if try await run(request, tenant: tenant.id) != .certified { unfinished += 1 }
        } catch {
          unfinished += 1
          logger.error(
            "an erasure did not go on",
            metadata: ["request": "\(request.uuidString.lowercased())", "error": "\(error)"])
        }
      }
    }
    return unfinished
  }

  /// Carries one erasure as far as it goes, and says how far that was.
  public func run(_ request: UUID, tenant: TenantID) async throws -> ErasureStep {
    let operation = AccessContext.operation(tenant)
    var reached = try await step(of: request, operation)
    while let next = try await advance(request, from: reached, operation) {
      reached = next
      afterStep(next)
    }
    return reached
  }

  private func step(of request: UUID, _ context: AccessContext) async throws -> ErasureStep {
    try await custody.operate(context) { unit in try Self.held(request, unit).step }
  }

  static func held(_ request: UUID, _ unit: UnitOfWork) throws -> ErasureStore.Erasure {
    guard let erasure = try ErasureStore.locked(request, tenant: unit.context.tenant, in: unit.database) else {
      throw CustodyError(.notFound)
    }
    return erasure
  }

  /// Takes the step after `step`; nil at the end, or when it has to wait.
  private func advance(_ request: UUID, from step: ErasureStep, _ context: AccessContext) async throws -> ErasureStep? {
    switch step {
    case .ordered: try await tombstone(request, context)
    case .tombstoned: try await enterIntoLedger(request, context)
    case .ledgered: try await destroyKey(request, context)
    case .keyDestroyed: try await complete(request, context)
    case .completed: try await certify(request, context)
    case .certified: nil
    }
  }

  private func tombstone(_ request: UUID, _ context: AccessContext) async throws -> ErasureStep {
    let ordered = try await custody.operate(context) { unit in try Self.held(request, unit) }
    guard ordered.step == .ordered else { return ordered.step }
    let sealing = try await custody.holdSealing(of: ordered.subject, context)
    return try await custody.operate(context) { unit in
      let erasure = try Self.held(request, unit)
      guard erasure.step == .ordered else { return erasure.step }
      // Another hold since: this throws, and the next round begins with its key.
      _ = try unit.tombstone(erasure.subject, codes: Self.codes(erasure), sealing: sealing)
      try ErasureStore.tombstoned(request, at: unit.now, tenant: context.tenant, in: unit.database)
      return .tombstoned
    }
  }

  private func enterIntoLedger(_ request: UUID, _ context: AccessContext) async throws -> ErasureStep {
    let ledger = ledger
    return try await custody.operate(context) { unit in
      let erasure = try Self.held(request, unit)
      guard erasure.step == .tombstoned else { return erasure.step }
      // Before the commit: an entry whose step is not committed is found again and not repeated.
      try ledger.append(
        ErasureRecord(
          tenant: context.tenant.uuid, subject: erasure.subject.uuid, commitment: erasure.commitment, time: unit.now))
      try ErasureStore.advance(request, to: .ledgered, tenant: context.tenant, in: unit.database)
      return .ledgered
    }
  }

  private func destroyKey(_ request: UUID, _ context: AccessContext) async throws -> ErasureStep {
    let erasure = try await custody.operate(context) { unit in try Self.held(request, unit) }
    guard erasure.step == .ledgered else { return erasure.step }
    let key = try await custody.destroyKey(of: erasure.subject, commitment: erasure.commitment, context)
    return try await custody.operate(context) { unit in
      let erasure = try Self.held(request, unit)
      guard erasure.step == .ledgered else { return erasure.step }
      try ErasureStore.destroyed(request, at: key.at, epoch: key.epoch, tenant: context.tenant, in: unit.database)
      return .keyDestroyed
    }
  }

  private func complete(_ request: UUID, _ context: AccessContext) async throws -> ErasureStep {
    let destroyed = try await custody.operate(context) { unit in try Self.held(request, unit) }
    // Once more, though the step says so: a vault that was restored meanwhile has the key again, and whatever epoch
    // there is by now may have wrapped it.
    let key = try await custody.destroyKey(of: destroyed.subject, commitment: destroyed.commitment, context)
    return try await custody.operate(context) { unit in
      let erasure = try Self.held(request, unit)
      guard erasure.step == .keyDestroyed, let destroyedAt = erasure.destroyedAt else { return erasure.step }
      try RequestStore.complete(request, at: unit.now, tenant: context.tenant, in: unit.database)
      unit.recordAboutErasure(.requestCompleted, subject: erasure.subject, codes: Self.codes(erasure))
      let epoch = max(erasure.keyEpoch ?? 0, key.epoch)
      let sequence = try unit.completeErasure(
        of: erasure.subject, erasedAt: destroyedAt,
        codes: Self.codes(erasure).merging(["key_epoch": String(epoch)]) { first, _ in first })
      try ErasureStore.completed(
        request, sequence: sequence, epoch: epoch, tenant: context.tenant, in: unit.database)
      return .completed
    }
  }

  private func certify(_ request: UUID, _ context: AccessContext) async throws -> ErasureStep? {
    // Nil when another replica publishes at the moment: the next round certifies.
    guard let covered = try await checkpointer.publish(context.tenant) else { return nil }
    let checkpointer = checkpointer
    let policy = policy
    let completed = try await custody.operate(context) { unit in try Self.held(request, unit) }
    guard completed.step == .completed else { return completed.step }
    // Fixed with the entry of the completion, which names it.
    guard let epoch = completed.keyEpoch else { throw CustodyError(.unavailable, field: "key_epoch") }
    let backups = KeyBackups(
      epoch: epoch, deadBy: try await custody.keyBackupsDeadBy(epoch: epoch),
      copies: Int32(clamping: try await custody.outstandingCopies(of: epoch)))
    return try await custody.operate(context) { unit -> ErasureStep? in
      let erasure = try Self.held(request, unit)
      guard erasure.step == .completed, let sequence = erasure.completedSequence,
        let destroyedAt = erasure.destroyedAt
      else { return erasure.step }
      guard covered > UInt64(sequence) else { return nil }
      let certificate = try Self.certificate(
        erasure, sequence: sequence, destroyedAt: destroyedAt, exempted: try unit.exemptions(of: erasure.subject),
        backups: backups, checkpointer: checkpointer, policy: policy, tenant: context.tenant)
      try ErasureStore.certified(
        request, certificate: certificate, deadBy: backups.deadBy, copies: backups.copies, at: unit.now,
        tenant: context.tenant, in: unit.database)
      unit.recordAboutErasure(
        .certificateIssued, subject: erasure.subject,
        codes: Self.codes(erasure).merging(
          ["stage": CertificateStage.issued.rawValue, "retention_policy": policy.version]
        ) { first, _ in first })
      return .certified
    }
  }

  static func codes(_ erasure: ErasureStore.Erasure) -> [String: String] {
    [
      "request": erasure.request.uuidString.lowercased(),
      "key_commitment": Custody.hex(erasure.commitment),
      "ordered_by": erasure.actor.description,
    ]
  }
}
