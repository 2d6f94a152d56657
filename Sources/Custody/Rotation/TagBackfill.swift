import Foundation
import Postgres
import Schema
import Vault

/// Makes lookup tags again, from the sealed values that they stand for: into the next epoch by a rotation, or after a
/// recovery.
enum TagBackfill {
  /// Adds the tags of those subjects under the key's epoch, for each tag that they have of the epoch `from`.
  ///
  /// The subjects are held until the transaction ends, so that no change of a value comes in between; one that somebody
  /// else holds is left out, and its tags are found again as some without a counterpart. Returns how many tags were added, and how
  /// many values don't open or have no key.
  static func add(
    under index: IndexKey, from: EpochNumber, keys: WrappedSubjectKeys, tenant: TenantID,
    in transaction: Transaction
  ) throws -> (added: Int, unreadable: Int) {
    let held = try TagBackfillStore.hold(keys.subjects.map(\.uuid), tenant: tenant, in: transaction)
    var made = MadeTags()
    for source in DataRegistry.tagSources {
      let rows = try TagBackfillStore.tagged(source, from: from, of: held, tenant: tenant, in: transaction)
      try made.take(rows, source, under: index, keys: keys, tenant: tenant)
    }
    return (try TagBackfillStore.insert(made, index.epoch, tenant: tenant, in: transaction), made.unreadable)
  }

  /// Adds the tags of those subjects under the key's epoch, for every value that they have: for a database whose tags
  /// are not to be relied on. Nobody else may be writing.
  static func rebuild(
    under index: IndexKey, keys: WrappedSubjectKeys, tenant: TenantID, in transaction: Transaction
  ) throws -> (added: Int, unreadable: Int) {
    var made = MadeTags()
    for source in DataRegistry.tagSources {
      let rows = try TagBackfillStore.values(source, of: keys.subjects.map(\.uuid), tenant: tenant, in: transaction)
      try made.take(rows, source, under: index, keys: keys, tenant: tenant)
    }
    return (try TagBackfillStore.insert(made, index.epoch, tenant: tenant, in: transaction), made.unreadable)
  }
}

/// Tags that are ready to be inserted.
struct MadeTags {
  private(set) var kinds: [String] = []
  private(set) var tags: [[UInt8]] = []
  private(set) var subjects: [UUID] = []
  private(set) var rows: [UUID] = []
  /// How many values did not open, or have no key.
  private(set) var unreadable = 0

  mutating func take(
    _ found: [TagBackfillStore.Value], _ source: TagSource, under index: IndexKey, keys: WrappedSubjectKeys,
    tenant: TenantID
  ) throws {
    guard let kind = TagKind(rawValue: source.kind) else { return }
    for value in found {
      guard let sealed = value.sealed, let key = try keys.key(of: SubjectID(value.subject)) else {
        unreadable += 1
        continue
      }
      let address = FieldAddress(
        tenant: tenant.uuid, subject: value.subject, row: value.row, field: source.value.field.rawValue)
      do {
        tags.append(index.tag(kind, String(decoding: try key.open(sealed, at: address), as: UTF8.self)))
        kinds.append(source.kind)
        subjects.append(value.subject)
        rows.append(value.row)
      } catch {
        // Reported, never passed over: a rotation doesn't end while there is one.
        unreadable += 1
      }
    }
  }
}
