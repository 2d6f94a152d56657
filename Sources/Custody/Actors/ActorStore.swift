import Foundation
import Postgres

/// Actors in the data database. The only SQL that touches them.
enum ActorStore {
  /// Adds an actor with its sealed identity.
  static func insert(
    _ actor: ActorID, subject: SubjectID, sealed: [UInt8], tenant: TenantID, at now: Int64,
    in transaction: Transaction
  ) throws {
    try transaction.execute(
      """
      INSERT INTO custody.actors (tenant_id, actor_id, subject_id, identity_sealed, created_at)
      VALUES (\(tenant.uuid), \(actor.uuid), \(subject.uuid), \(sealed), \(now))
      """)
  }
}
