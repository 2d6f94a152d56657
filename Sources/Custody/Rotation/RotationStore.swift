import Foundation
import Postgres
import Vault

/// Rotations in the data database, and the tags that they move. The only SQL that touches `custody.rotations`.
enum RotationStore {
  // MARK: The rotation's own row

  private static let columns: SQL = """
    SELECT from_epoch, to_epoch, state, started_at, keys_total, keys_done, tags_done, waiting_for, backup, retired_at
    FROM custody.rotations
    """

  /// The rotation that is under way.
  static let current: SQL = "\(columns) WHERE state <> 'retired'"

  /// Every rotation that ended an epoch, the last one first.
  static let past: SQL = "\(columns) WHERE state = 'retired' ORDER BY to_epoch DESC"

  /// A row of the queries above.
  static func decode(_ row: Row) throws -> RotationRecord {
    guard let state = RotationState(rawValue: try row.decode("state", as: String.self)) else {
      throw CustodyError(.unavailable, field: "rotation_state")
    }
    return RotationRecord(
      from: EpochNumber(rawValue: try row.decode("from_epoch", as: Int32.self)),
      to: EpochNumber(rawValue: try row.decode("to_epoch", as: Int32.self)), state: state,
      startedAt: try row.decode("started_at", as: Int64.self), keysTotal: try row.decode("keys_total", as: Int64.self),
      keysDone: try row.decode("keys_done", as: Int64.self), tagsDone: try row.decode("tags_done", as: Int64.self),
      waitingFor: try row.decode("waiting_for", as: String?.self), backup: try row.decode("backup", as: String?.self),
      retiredAt: try row.decode("retired_at", as: Int64?.self))
  }

  /// Begins a rotation: its row, and the epoch that its tags will name.
  static func begin(from: EpochNumber, to: EpochNumber, at now: Int64, in transaction: Transaction) throws {
    try EpochStore.insert(to, at: now, in: transaction)
    try transaction.execute(
      """
      INSERT INTO custody.rotations (to_epoch, from_epoch, state, started_at, changed_at)
      VALUES (\(to.rawValue), \(from.rawValue), 'prepared', \(now), \(now))
      """)
  }

  /// Moves to a state once no writer is under way that relies on the one before. Writers wait for the commit.
  static func move(
    _ rotation: RotationRecord, to state: RotationState, at now: Int64, in transaction: Transaction
  ) throws {
    // Writers hold the same lock shared: see custody.hold_epochs.
    try transaction.query("SELECT pg_advisory_xact_lock(1818588264, 1)")
    try transaction.execute(
      """
      UPDATE custody.rotations SET state = \(state.rawValue), changed_at = \(now), waiting_for = NULL
      WHERE to_epoch = \(rotation.to.rawValue)
      """)
  }

  /// Notes how many keys there are to be wrapped again, the first time.
  static func expect(keys: Int64, _ rotation: RotationRecord, in transaction: Transaction) throws {
    try transaction.execute(
      """
      UPDATE custody.rotations SET keys_total = greatest(keys_total, keys_done + \(keys))
      WHERE to_epoch = \(rotation.to.rawValue)
      """)
  }

  /// Counts what a batch did.
  static func count(keys: Int, tags: Int, _ rotation: RotationRecord, in transaction: Transaction) throws {
    try transaction.execute(
      """
      UPDATE custody.rotations SET keys_done = keys_done + \(Int64(keys)), tags_done = tags_done + \(Int64(tags))
      WHERE to_epoch = \(rotation.to.rawValue)
      """)
  }

  /// Notes what the rotation waits for.
  static func wait(for code: String?, _ rotation: RotationRecord, in transaction: Transaction) throws {
    try transaction.execute(
      "UPDATE custody.rotations SET waiting_for = \(code) WHERE to_epoch = \(rotation.to.rawValue)")
  }

  /// Notes the position that every standby has replayed, and the backup that was opened.
  static func confirm(position: String, backup: String, _ rotation: RotationRecord, in transaction: Transaction) throws
  {
    try transaction.execute(
      """
      UPDATE custody.rotations SET vault_position = \(position), backup = \(backup), waiting_for = NULL
      WHERE to_epoch = \(rotation.to.rawValue)
      """)
  }

  /// Notes the end: the old epoch's key is destroyed.
  static func retire(_ rotation: RotationRecord, at now: Int64, in transaction: Transaction) throws {
    try transaction.execute(
      """
      UPDATE custody.rotations SET state = 'retired', changed_at = \(now), retired_at = \(now), waiting_for = NULL
      WHERE to_epoch = \(rotation.to.rawValue) AND state <> 'retired'
      """)
  }

  /// Lets one process at a time rotate; held until the transaction ends.
  static func claim(in transaction: Transaction) throws -> Bool {
    try transaction.query("SELECT pg_try_advisory_xact_lock(1818588264, 2) AS mine").first?
      .decode("mine", as: Bool.self) ?? false
  }

  /// Asks for anything, so that a lost connection is noticed.
  static func ping(in transaction: Transaction) throws { try transaction.query("SELECT 1") }

  // MARK: Tags

  /// How the statement below is planned, whatever is known of the tables: by the index of subjects, so that its time
  /// doesn't grow with the number of tags.
  /// What can't be avoided seems dear then, and would be compiled first.
  static let bySubject = [
    "enable_seqscan", "enable_bitmapscan", "enable_sort", "enable_hashjoin", "enable_mergejoin", "jit",
  ].map { SessionSetting(name: $0, value: "off") }

  /// A page of a tenant's tags of the old epoch, in the order of their subjects: a row for each that has no counterpart
  /// in the new one, and one more, with `behind` false, for the last subject of the page. Nothing after the last page.
  static func behind(_ rotation: RotationRecord, after subject: UUID, limit: Int, tenant: TenantID) -> SQL {
    // The sum keeps the planner from the primary key, under which it may expect that the new epoch has no tags.
    """
    WITH page AS MATERIALIZED (
      SELECT subject_id, kind, row_id FROM custody.lookup_tags
      WHERE tenant_id = \(tenant.uuid) AND epoch = \(rotation.from.rawValue) AND subject_id > \(subject)
      ORDER BY subject_id FETCH FIRST \(limit) ROWS WITH TIES)
    SELECT p.subject_id, true AS behind FROM page p
    WHERE NOT EXISTS (
      SELECT FROM custody.lookup_tags n
      WHERE n.tenant_id = \(tenant.uuid) AND n.subject_id = p.subject_id AND n.kind = p.kind AND n.row_id = p.row_id
        AND n.epoch + 0 = \(rotation.to.rawValue))
    UNION ALL (SELECT subject_id, false FROM page ORDER BY subject_id DESC LIMIT 1)
    """
  }

  /// How many tags an epoch has in a tenant, of the living and of the erased.
  static func countTags(of epoch: EpochNumber, tenant: TenantID, in transaction: Transaction) throws -> Int64 {
    try transaction.query(
      """
      SELECT (SELECT count(*) FROM custody.lookup_tags WHERE tenant_id = \(tenant.uuid) AND epoch = \(epoch.rawValue))
        + (SELECT count(*) FROM custody.erased_tags WHERE tenant_id = \(tenant.uuid) AND epoch = \(epoch.rawValue)) AS n
      """
    ).first?.decode("n", as: Int64.self) ?? 0
  }

  /// Deletes the epoch's tags in the tenant that begin with a byte in the range. Tags are evenly spread, so each of 256
  /// ranges holds as many.
  static func deleteTags(
    of epoch: EpochNumber, firstByte range: ClosedRange<UInt8>, tenant: TenantID, in transaction: Transaction
  ) throws {
    let low: [UInt8] = [range.lowerBound]
    let high = [range.upperBound] + [UInt8](repeating: 0xff, count: 32)
    for table in ["custody.lookup_tags", "custody.erased_tags"] {
      for kind in ["email", "phone", "identity", "actor"] {
        // The table's name is one of two constants.
        try transaction.execute(
          """
          DELETE FROM \(unsafe: table)
          WHERE tenant_id = \(tenant.uuid) AND kind = \(kind) AND epoch = \(epoch.rawValue)
            AND tag >= \(low) AND tag <= \(high)
          """)
      }
    }
  }
}
