public import Custody
import Foundation

/// The requests and erasures of a database that came from a backup, brought to where the log says they are.
public struct RecoveredErasures: ErasureBookkeeping {
  private let custody: Custody

  /// Those behind that door.
  public init(custody: Custody) { self.custody = custody }

  /// The subjects of erasures that are ordered and not completed: ``ErasureRunner`` carries them on.
  public func unfinishedErasures(in tenant: TenantID) async throws -> Set<SubjectID> {
    try await custody.operate(.operation(tenant)) { unit in
      Set(try RecoveredErasureStore.unfinished(tenant: tenant, in: unit.database).map(\.subject))
    }
  }

  /// Completes the erasures and requests that the log has as completed. A request whose order was lost with a backup
  /// has no erasure to be certified: the log alone tells of it. No entry is added.
  public func settle(_ erasures: [LoggedErasure], in tenant: TenantID) async throws -> Int {
    let logged = Dictionary(erasures.map { ($0.subject, $0) }) { first, _ in first }
    let context = AccessContext.operation(tenant)
    let (unfinished, open) = try await custody.operate(context) { unit in
      (
        try RecoveredErasureStore.unfinished(tenant: tenant, in: unit.database),
        try RecoveredErasureStore.openErasureRequests(tenant: tenant, in: unit.database)
      )
    }
    var settled: Set<UUID> = []
    for erasure in unfinished {
      guard let known = logged[erasure.subject] else { continue }
      let key = try await custody.destroyKey(of: known.subject, commitment: known.commitment, context)
      try await custody.operate(context) { unit in
        try RecoveredErasureStore.complete(
          erasure.request, destroyedAt: key.at, sequence: known.sequence, epoch: known.keyEpoch ?? key.epoch,
          tenant: tenant, in: unit.database)
        try RecoveredErasureStore.completeRequest(
          erasure.request, at: known.time, tenant: tenant, in: unit.database)
      }
      settled.insert(erasure.request)
    }
    let pairs = erasures.compactMap { erasure in erasure.request.map { ($0, erasure) } }
    let named = Dictionary(pairs) { first, _ in first }
    for request in open where !settled.contains(request) {
      guard let known = named[request] else { continue }
      try await custody.operate(context) { unit in
        try RecoveredErasureStore.completeRequest(request, at: known.time, tenant: tenant, in: unit.database)
      }
      settled.insert(request)
    }
    return settled.count
  }
}
