import Foundation
import Postgres
import Schema
import Vault

/// Makes lookup tags again, from the sealed values that they stand for: into the next epoch by a rotation, or after a
/// recovery. The only SQL that reads sealed values by the registry.
enum TagBackfill {
  /// Adds the tags of those subjects under the key's epoch, for each tag that they have of the epoch `from`.
  ///
  /// Rows are held until the transaction ends, so that no change of the value comes in between; a row that somebody else
  /// holds is left out, and is found again as one without its counterpart. Returns how many tags were added, and how
  /// many values don't open or have no key.
  static func add(
    under index: IndexKey, from: EpochNumber, keys: [SubjectID: DataKey], tenant: TenantID,
    in transaction: Transaction
  ) throws -> (added: Int, unreadable: Int) {
    // Subjects before tags, like every writer; one that is being erased is left out. A new tag's foreign key would ask
    // for the same lock, after the tags.
    let held = try transaction.query(
      """
      SELECT subject_id FROM custody.subjects
      WHERE tenant_id = \(tenant.uuid) AND subject_id = ANY(\(keys.keys.map(\.uuid))) FOR KEY SHARE SKIP LOCKED
      """
    ).map { try $0.decode("subject_id", as: UUID.self) }
    var made = Made()
    for source in DataRegistry.tagSources {
      let value = source.value
      // Names come from the registry, a constant of the program.
      let rows = try transaction.query(
        """
        SELECT t.subject_id, t.row_id, v.\(unsafe: value.column) AS sealed
        FROM custody.lookup_tags t
        JOIN \(unsafe: value.table) v ON v.tenant_id = t.tenant_id AND v.\(unsafe: value.rowID) = t.row_id
        WHERE t.tenant_id = \(tenant.uuid) AND t.kind = \(source.kind) AND t.epoch = \(from.rawValue)
          AND t.subject_id = ANY(\(held))
        FOR UPDATE OF t SKIP LOCKED
        """)
      try made.take(rows, source, under: index, keys: keys, tenant: tenant)
    }
    return (try made.insert(index.epoch, tenant: tenant, in: transaction), made.unreadable)
  }

  /// Adds the tags of those subjects under the key's epoch, for every value that they have: for a database whose tags
  /// are not to be relied on. Nobody else may be writing.
  static func rebuild(
    under index: IndexKey, keys: [SubjectID: DataKey], tenant: TenantID, in transaction: Transaction
  ) throws -> (added: Int, unreadable: Int) {
    var made = Made()
    for source in DataRegistry.tagSources {
      let value = source.value
      let rows = try transaction.query(
        """
        SELECT v.subject_id, v.\(unsafe: value.rowID) AS row_id, v.\(unsafe: value.column) AS sealed
        FROM \(unsafe: value.table) v
        WHERE v.tenant_id = \(tenant.uuid) AND v.subject_id = ANY(\(keys.keys.map(\.uuid)))
          AND v.\(unsafe: value.column) IS NOT NULL
        """)
      try made.take(rows, source, under: index, keys: keys, tenant: tenant)
    }
    return (try made.insert(index.epoch, tenant: tenant, in: transaction), made.unreadable)
  }

  /// Tags that are ready to be inserted.
  private struct Made {
    var kinds: [String] = []
    var tags: [[UInt8]] = []
    var subjects: [UUID] = []
    var rows: [UUID] = []
    var unreadable = 0

    mutating func take(
      _ found: [Row], _ source: TagSource, under index: IndexKey, keys: [SubjectID: DataKey], tenant: TenantID
    ) throws {
      guard let kind = TagKind(rawValue: source.kind) else { return }
      for row in found {
        let subject = SubjectID(try row.decode("subject_id", as: UUID.self))
        let id = try row.decode("row_id", as: UUID.self)
        guard let sealed = try row.decode("sealed", as: [UInt8]?.self), let key = keys[subject] else {
          unreadable += 1
          continue
        }
        let address = FieldAddress(
          tenant: tenant.uuid, subject: subject.uuid, row: id, field: source.value.field.rawValue)
        do {
          let tag = index.tag(kind, String(decoding: try key.open(sealed, at: address), as: UTF8.self))
          kinds.append(source.kind)
          tags.append(tag)
          subjects.append(subject.uuid)
          rows.append(id)
        } catch {
          // Reported, never passed over: a rotation doesn't end while there is one.
          unreadable += 1
        }
      }
    }

    func insert(_ epoch: EpochNumber, tenant: TenantID, in transaction: Transaction) throws -> Int {
      if tags.isEmpty { return 0 }
      return try transaction.execute(
        """
        INSERT INTO custody.lookup_tags (tenant_id, kind, epoch, tag, subject_id, row_id)
        SELECT \(tenant.uuid), n.kind, \(epoch.rawValue), n.tag, n.subject_id, n.row_id
        FROM unnest(\(kinds), \(tags), \(subjects), \(rows)) AS n (kind, tag, subject_id, row_id)
        ON CONFLICT DO NOTHING
        """)
    }
  }
}
