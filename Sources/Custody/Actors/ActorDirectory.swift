public import Foundation
public import Redaction
import Schema
import Synchronization
import Vault

/// Maps a token's `sub` to our own random id of the actor, so that the log never holds an identifier of the
/// issuer's. The mapping is a lookup tag and a sealed field under the actor's own key: erasable like anybody's.
public final class ActorDirectory: Sendable {
  private let custody: Custody
  private let known = Mutex<[Name: ActorID]>([:])
  private let capacity: Int

  private struct Name: Hashable {
    let tenant: TenantID
    let identity: Personal<String>
  }

  /// A directory that remembers at most `capacity` actors in memory.
  public init(custody: Custody, capacity: Int = 10_000) {
    self.custody = custody
    self.capacity = capacity
  }

  /// The actor behind a token's `sub`; made at its first appearance in the tenant. Throws `.unknownTenant` when the
  /// tenant is not one of ours.
  public func actor(for identity: Personal<String>, tenant: TenantID, requestID: UUID) async throws -> ActorID {
    let name = Name(tenant: tenant, identity: identity)
    if let actor = known.withLock({ $0[name] }) { return actor }
    let context = AccessContext(
      tenant: tenant, actor: ActorID(tenant.uuid), purpose: .operation, requestID: requestID)
    let actor = try await find(identity, context)
    known.withLock { known in
      if known.count >= capacity { known.removeAll() }
      known[name] = actor
    }
    return actor
  }

  private func find(_ identity: Personal<String>, _ context: AccessContext) async throws -> ActorID {
    if let found = try await custody.lookUp(identity, as: .actor, context) { return ActorID(found.row) }
    do {
      return try await custody.write(context, subjects: .creating) { unit in
        let subject = try unit.newSubject()
        let actor = ActorID(UUID())
        try unit.claim(identity, as: .actor, field: .actorIdentity, row: actor.uuid, of: subject)
        let sealed = try unit.seal(identity, as: .actorIdentity, row: actor.uuid, of: subject)
        try ActorStore.insert(
          actor, subject: subject, sealed: sealed, tenant: context.tenant, at: unit.now, in: unit.database)
        return actor
      }
    } catch let error as CustodyError where error.code == .taken {
      // Another request of the same actor came first.
      guard let found = try await custody.lookUp(identity, as: .actor, context) else { throw error }
      return ActorID(found.row)
    }
  }
}
