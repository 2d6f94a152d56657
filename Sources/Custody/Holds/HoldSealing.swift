import Audit
import Foundation
import Schema
import Vault

/// The keys that an erasure needs to carry its subject's holds over: fetched before the transaction, since nothing is
/// awaited inside it. Made by ``Custody/holdSealing(of:_:)``.
public struct HoldSealing: Sendable {
  /// The subject's key; nil when it is destroyed already.
  let subjectKey: DataKey?
  /// The keys of the holds that waited when this was made; nil for one whose key a release has destroyed.
  let holdKeys: [UUID: DataKey?]
  let suite: Suite
}

extension UnitOfWork {
  /// Seals the fields of every waiting hold under the hold's key, and puts `hold.sealed` into the log. Call it while
  /// the subject is held for its erasure and before the log's head is taken.
  ///
  /// Throws `.stale` when other holds wait than those whose keys were fetched: fetch again, and repeat.
  func sealHolds(of subject: SubjectID, with sealing: HoldSealing?) throws {
    let tenant = context.tenant
    let waiting = try HoldStore.waiting(of: subject, at: now, tenant: tenant, in: database)
    guard Set(waiting.map(\.id)) == Set(sealing?.holdKeys.keys.map { $0 } ?? []) else {
      throw CustodyError(.stale, field: "holds")
    }
    guard let sealing else { return }
    for hold in waiting {
      // Without its key, its release is under way: there is nothing to carry over.
      guard let holdKey = sealing.holdKeys[hold.id].flatMap({ $0 }) else { continue }
      var codes = ["hold": hold.id.uuidString.lowercased(), "basis": hold.basis]
      guard let subjectKey = sealing.subjectKey else {
        // A database from before the erasure: what was held is in a later one, or lost. Not passed over in silence.
        codes["reason"] = "key_destroyed"
        record(
          .holdSealed, subject: subject, fields: hold.fields, codes: codes, outcome: .failed, aboutErasure: true)
        continue
      }
      var kept: [PersonalField] = []
      for column in DataRegistry.sealedColumns where hold.fields.contains(column.field) {
        for found in try HoldStore.envelopes(column, of: subject, tenant: tenant, in: database) {
          let field = found.field.rawValue
          let bytes = try subjectKey.open(
            found.sealed, at: FieldAddress(tenant: tenant.uuid, subject: subject.uuid, row: found.row, field: field))
          let sealed = try holdKey.seal(
            bytes, at: FieldAddress(tenant: tenant.uuid, subject: hold.id, row: found.row, field: field),
            suite: sealing.suite)
          try HoldStore.insert(
            HoldStore.Value(field: found.field, row: found.row, sealed: sealed), of: hold.id, tenant: tenant,
            in: database)
          if !kept.contains(found.field) { kept.append(found.field) }
        }
      }
      try HoldStore.markSealed(hold.id, at: now, tenant: tenant, in: database)
      record(.holdSealed, subject: subject, fields: kept, codes: codes, aboutErasure: true)
    }
  }

  /// The subject's fields that are kept by holds, each with its basis, by field and then by basis: what the certificate
  /// of the erasure has to name.
  public func exemptions(of subject: SubjectID) throws -> [HoldExemption] {
    try HoldStore.exemptions(of: subject, tenant: context.tenant, in: database)
  }
}
