import Audit
import Foundation
import Postgres
import Signing

/// The log's rows, as a recovery writes and searches them.
extension AuditLogStore {
  /// An erasure that the log says was completed.
  struct CompletedErasure: Sendable {
    let subject: SubjectID
    let sequence: Int64
    let time: Int64
    let commitment: [UInt8]
    let request: UUID?
    let keyEpoch: Int32?

    /// Reads an entry; nil when it is about something else.
    init?(_ entry: Entry) throws {
      let record = try AuditRecord(body: entry.body)
      guard record.action == .erasureCompleted, let subject = record.subject,
        let commitment = record.codes["key_commitment"].flatMap(Hex.decode), commitment.count == 32
      else { return nil }
      self.subject = SubjectID(subject)
      self.sequence = Int64(entry.sequence)
      self.time = entry.time
      self.commitment = commitment
      self.request = record.codes["request"].flatMap { UUID(uuidString: $0) }
      self.keyEpoch = record.codes["key_epoch"].flatMap { Int32($0) }
    }
  }

  /// Puts archived entries back behind the head, which the caller holds and has found to be continued by them; lists
  /// them in the side table where they name one subject that is live.
  static func restore(_ entries: [Entry], after head: Head, tenant: TenantID, in transaction: Transaction) throws {
    guard let last = entries.last else { return }
    try transaction.execute(
      """
      INSERT INTO audit.entries (tenant_id, seq, entry, leaf_hash)
      SELECT \(tenant.uuid), *
      FROM unnest(\(entries.map { Int64($0.sequence) }), \(entries.map(\.bytes)), \(entries.map(\.leafHash.bytes)))
      """)
    var side: (sequences: [Int64], subjects: [UUID], salts: [[UInt8]]) = ([], [], [])
    for entry in entries {
      guard let subject = try AuditRecord(body: entry.body).subject else { continue }
      side.sequences.append(Int64(entry.sequence))
      side.subjects.append(subject)
      side.salts.append(SaltedSubject(SubjectID(subject)).salt)
    }
    if !side.subjects.isEmpty {
      try transaction.execute(
        """
        INSERT INTO audit.entry_subjects (tenant_id, seq, subject_id, salt)
        SELECT \(tenant.uuid), n.seq, n.subject_id, n.salt
        FROM unnest(\(side.sequences), \(side.subjects), \(side.salts)) AS n (seq, subject_id, salt)
        JOIN custody.subjects s
          ON s.tenant_id = \(tenant.uuid) AND s.subject_id = n.subject_id AND s.state = 'live'
        ON CONFLICT DO NOTHING
        """)
    }
    try transaction.execute(
      """
      UPDATE audit.heads
      SET size = \(Int64(last.sequence) + 1), leaf_hash = \(last.leafHash.bytes), last_time = \(last.time)
      WHERE tenant_id = \(tenant.uuid)
      """)
    if try AuditRecord(body: last.body).action == .logClosed {
      try LogUpkeepStore.close(tenant: tenant, at: last.time, in: transaction)
    }
  }

  /// Moves the head over entries that had their time before this database was backed up, or since: only their hashes
  /// are in the archive. `isClosed` says that nothing is kept of a log whose tenant has left.
  static func skip(
    to kept: UInt64, leaf: SHA256Digest, sealedUpTo sealed: UInt64, isClosed: Bool, tenant: TenantID,
    in transaction: Transaction
  ) throws {
    try transaction.execute(
      """
      UPDATE audit.heads SET size = \(Int64(kept)), leaf_hash = \(leaf.bytes) WHERE tenant_id = \(tenant.uuid)
      """)
    try LogUpkeepStore.recordSeal(upTo: Int64(sealed), tenant: tenant, in: transaction)
    if isClosed { try LogUpkeepStore.close(tenant: tenant, at: Microseconds.now(), in: transaction) }
    // From here on rows before that number may be missing; those that there are go with the next upkeep.
    _ = try LogUpkeepStore.deleteSealed(before: Int64(kept), limit: 0, tenant: tenant, in: transaction)
  }

  /// Every completed erasure that the log has, by subject; the first one where there are two.
  static func completedErasures(tenant: TenantID, in transaction: Transaction) throws
    -> [SubjectID: CompletedErasure]
  {
    // The text of an action appears in an entry as its action only: codes can't hold quotation marks.
    let member = "\"action\":\"\(AuditAction.erasureCompleted.rawValue)\""
    let rows = try transaction.query(
      """
      SELECT entry FROM audit.entries
      WHERE tenant_id = \(tenant.uuid) AND position(convert_to(\(member), 'UTF8') IN entry) > 0
      ORDER BY seq
      """)
    var found: [SubjectID: CompletedErasure] = [:]
    for row in rows {
      let entry = try Entry(parsing: try row.decode("entry", as: [UInt8].self))
      guard let erasure = try CompletedErasure(entry), found[erasure.subject] == nil else { continue }
      found[erasure.subject] = erasure
    }
    return found
  }

  /// Whether the tenant's log has begun in this database.
  static func hasHead(tenant: TenantID, in transaction: Transaction) throws -> Bool {
    try !transaction.query("SELECT 1 FROM audit.heads WHERE tenant_id = \(tenant.uuid)").isEmpty
  }
}
