import Foundation
import Postgres
import Schema
import Vault

/// Subjects, tags and epochs of the data database, as a recovery looks for them and puts them right. The only SQL for it.
enum RecoveryStore {
  // MARK: Subjects

  /// The states of those subjects that have a row.
  static func states(of subjects: [SubjectID], tenant: TenantID) -> SQL {
    """
    SELECT subject_id, state FROM custody.subjects
    WHERE tenant_id = \(tenant.uuid) AND subject_id = ANY(\(subjects.map(\.uuid)))
    """
  }

  /// A row of ``states(of:tenant:)`` or ``page(after:limit:tenant:)``.
  static func decodeState(_ row: Row) throws -> (subject: SubjectID, state: String) {
    (SubjectID(try row.decode("subject_id", as: UUID.self)), try row.decode("state", as: String.self))
  }

  /// Erased subjects by id, with the commitment of the key and the time.
  static func erased(after subject: SubjectID?, limit: Int, tenant: TenantID) -> SQL {
    """
    SELECT subject_id, key_commitment, coalesce(erased_at, erasing_at, created_at) AS at FROM custody.subjects
    WHERE tenant_id = \(tenant.uuid) AND state = 'erased' AND (\(subject?.uuid) IS NULL OR subject_id > \(subject?.uuid))
    ORDER BY subject_id LIMIT \(limit)
    """
  }

  /// Live subjects by id.
  static func live(after subject: SubjectID?, limit: Int, tenant: TenantID) -> SQL {
    """
    SELECT subject_id FROM custody.subjects
    WHERE tenant_id = \(tenant.uuid) AND state = 'live' AND (\(subject?.uuid) IS NULL OR subject_id > \(subject?.uuid))
    ORDER BY subject_id LIMIT \(limit)
    """
  }

  // MARK: Tags

  /// Whether every value of a live subject from which tags are made has one under the epoch.
  static func hasEveryTag(under epoch: EpochNumber, tenant: TenantID, in transaction: Transaction) throws -> Bool {
    for source in DataRegistry.tagSources {
      // Names come from the registry, a constant of the program.
      let rows = try transaction.query(
        """
        SELECT EXISTS (
          SELECT FROM \(unsafe: source.value.table) v
          JOIN custody.subjects s USING (tenant_id, subject_id)
          WHERE v.tenant_id = \(tenant.uuid) AND s.state = 'live' AND v.\(unsafe: source.value.column) IS NOT NULL
            AND NOT EXISTS (
              SELECT FROM custody.lookup_tags t
              WHERE t.tenant_id = v.tenant_id AND t.subject_id = v.subject_id AND t.kind = \(source.kind)
                AND t.row_id = v.\(unsafe: source.value.rowID) AND t.epoch = \(epoch.rawValue))) AS lacking
        """)
      if try rows.first?.decode("lacking", as: Bool.self) ?? true { return false }
    }
    return true
  }

  /// Deletes every tag of the tenant, of the living and of the erased, that names another epoch than those.
  static func deleteTags(except epochs: [EpochNumber], tenant: TenantID, in transaction: Transaction) throws {
    for table in ["custody.lookup_tags", "custody.erased_tags"] {
      // The table's name is one of two constants.
      try transaction.execute(
        """
        DELETE FROM \(unsafe: table)
        WHERE tenant_id = \(tenant.uuid) AND epoch <> ALL(\(epochs.map { Int64($0.rawValue) }))
        """)
    }
  }

  // MARK: Epochs and rotations

  /// Forgets the rotation that is under way.
  static func deleteRotation(in transaction: Transaction) throws {
    try transaction.execute("DELETE FROM custody.rotations WHERE state <> 'retired'")
  }

  /// Puts a rotation to where both epochs' tags are written and its backfill begins again.
  static func resumeRotation(from: EpochNumber, to: EpochNumber, at now: Int64, in transaction: Transaction) throws {
    try transaction.execute(
      """
      INSERT INTO custody.rotations (to_epoch, from_epoch, state, started_at, changed_at)
      VALUES (\(to.rawValue), \(from.rawValue), 'dual_write', \(now), \(now))
      ON CONFLICT (to_epoch) DO UPDATE
      SET state = 'dual_write', from_epoch = excluded.from_epoch, changed_at = excluded.changed_at,
          keys_total = 0, keys_done = 0, tags_done = 0, waiting_for = NULL, retired_at = NULL
      """)
  }

  /// Notes that an epoch is retired, unless that is known: its key is gone, at the latest since now.
  static func noteRetired(from: EpochNumber, to: EpochNumber, at now: Int64, in transaction: Transaction) throws {
    try transaction.execute(
      """
      INSERT INTO custody.rotations (to_epoch, from_epoch, state, started_at, changed_at, retired_at)
      VALUES (\(to.rawValue), \(from.rawValue), 'retired', \(now), \(now), \(now))
      ON CONFLICT (to_epoch) DO NOTHING
      """)
  }

  // MARK: Who else is connected

  /// How many sessions a running service has in this database.
  static let services: SQL = """
    SELECT count(*) AS sessions FROM pg_stat_activity
    WHERE datname = current_database() AND usename::text = ANY(\([DatabaseRoles.application, DatabaseRoles.worker]))
      AND application_name IN ('lethe', 'lethe-worker')
    """
}

extension Custody {
  /// Erased subjects by id, with the commitment of the key and the time.
  func erasedSubjects(in tenant: TenantID, after subject: SubjectID?, limit: Int) async throws
    -> [(subject: SubjectID, commitment: [UInt8], at: Int64)]
  {
    try await translating {
      try await worker.read(
        RecoveryStore.erased(after: subject, limit: limit, tenant: tenant),
        settings: AccessContext.operation(tenant).settings
      ).map { row in
        (
          SubjectID(try row.decode("subject_id", as: UUID.self)), try row.decode("key_commitment", as: [UInt8].self),
          try row.decode("at", as: Int64.self)
        )
      }
    }
  }
}
