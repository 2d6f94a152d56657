import Audit
import Foundation
import Postgres
import Signing

/// The log's rows in the data database: the head, the entries and the side table. The only SQL that touches them.
enum AuditLogStore {
  /// The end of a tenant's log, locked until the transaction ends.
  struct Head: Sendable {
    let origin: LogOrigin
    let size: Int64
    let leaf: SHA256Digest
    let lastTime: Int64
    /// Whether the tenant has left: no entry follows.
    var isClosed = false
  }

  /// Starts a tenant's log: its head, at the genesis hash.
  static func createHead(tenant: TenantID, origin: LogOrigin, in transaction: Transaction) throws {
    try transaction.execute(
      """
      INSERT INTO audit.heads (tenant_id, origin, size, leaf_hash, last_time)
      VALUES (\(tenant.uuid), \(origin.text), 0, \(origin.genesis.bytes), 0)
      """)
  }

  /// Takes the head. Late, after the business statements, so that it is held shortly.
  static func lockHead(tenant: TenantID, in transaction: Transaction) throws -> Head {
    let rows = try transaction.query(
      """
      SELECT origin, size, leaf_hash, last_time, closed_at IS NOT NULL AS closed FROM audit.heads
      WHERE tenant_id = \(tenant.uuid) FOR UPDATE
      """)
    return try head(rows)
  }

  /// The head as committed, without a lock.
  static func readHead(tenant: TenantID, in transaction: Transaction) throws -> Head {
    let rows = try transaction.query(
      """
      SELECT origin, size, leaf_hash, last_time, closed_at IS NOT NULL AS closed FROM audit.heads
      WHERE tenant_id = \(tenant.uuid)
      """)
    return try head(rows)
  }

  private static func head(_ rows: [Row]) throws -> Head {
    guard let row = rows.first else { throw CustodyError(.unknownTenant) }
    guard let origin = LogOrigin(try row.decode("origin", as: String.self)),
      let leaf = SHA256Digest(try row.decode("leaf_hash", as: [UInt8].self))
    else { throw CustodyError(.unavailable, field: "audit_head") }
    return Head(
      origin: origin, size: try row.decode("size", as: Int64.self), leaf: leaf,
      lastTime: try row.decode("last_time", as: Int64.self), isClosed: try row.decode("closed", as: Bool.self))
  }

  /// Which of those subjects may no longer be touched. Asked under the head, so that no erasure commits in between.
  static func tombstoned(_ subjects: Set<SubjectID>, tenant: TenantID, in transaction: Transaction) throws
    -> Set<SubjectID>
  {
    if subjects.isEmpty { return [] }
    let rows = try transaction.query(
      """
      SELECT subject_id FROM custody.subjects
      WHERE tenant_id = \(tenant.uuid) AND subject_id = ANY(\(subjects.map(\.uuid))) AND state <> 'live'
      """)
    return Set(try rows.map { SubjectID(try $0.decode("subject_id", as: UUID.self)) })
  }

  /// Appends the entries after `head` and moves it; returns their sequence numbers. The clock never goes back: an
  /// entry that had to be moved forward by more than a second is preceded by one that says so. Throws `.unknownTenant`
  /// when the tenant has left.
  static func append(
    _ pending: [PreparedEntry], after head: Head, tenant: TenantID, in transaction: Transaction
  ) throws -> [Int64] {
    if pending.isEmpty { return [] }
    guard !head.isClosed else { throw CustodyError(.unknownTenant) }
    let clock = Microseconds.now()
    let time = max(clock, head.lastTime)
    var entries = pending
    let anomaly = head.lastTime - clock > 1_000_000
    if anomaly {
      entries.insert(try JournalEntry(record: AuditRecord(action: .logClockAdjusted), subjects: []).prepared(), at: 0)
    }

    var previous = head.leaf
    var sequences: [Int64] = []
    var stored: [[UInt8]] = []
    var leaves: [[UInt8]] = []
    var side: (sequences: [Int64], subjects: [UUID], salts: [[UInt8]]) = ([], [], [])
    for (offset, prepared) in entries.enumerated() {
      let sequence = head.size + Int64(offset)
      let entry = try Entry(
        origin: head.origin, sequence: UInt64(sequence), previous: previous, time: time, body: prepared.body)
      previous = entry.leafHash
      sequences.append(sequence)
      stored.append(entry.bytes)
      leaves.append(previous.bytes)
      for one in prepared.side {
        side.sequences.append(sequence)
        side.subjects.append(one.subject.uuid)
        side.salts.append(one.salt)
      }
    }

    try transaction.execute(
      """
      INSERT INTO audit.entries (tenant_id, seq, entry, leaf_hash)
      SELECT \(tenant.uuid), * FROM unnest(\(sequences), \(stored), \(leaves))
      """)
    if !side.subjects.isEmpty {
      try transaction.execute(
        """
        INSERT INTO audit.entry_subjects (tenant_id, seq, subject_id, salt)
        SELECT \(tenant.uuid), * FROM unnest(\(side.sequences), \(side.subjects), \(side.salts))
        """)
    }
    let moved = try transaction.execute(
      """
      UPDATE audit.heads
      SET size = \(head.size + Int64(entries.count)), leaf_hash = \(previous.bytes), last_time = \(time)
      WHERE tenant_id = \(tenant.uuid) AND size = \(head.size)
      """)
    guard moved == 1 else { throw CustodyError(.unavailable, field: "audit_head") }
    return anomaly ? Array(sequences.dropFirst()) : sequences
  }

  /// The stored bytes of entries from `sequence` on, at most `limit`, in order.
  static func entries(from sequence: Int64, limit: Int, tenant: TenantID, in transaction: Transaction) throws
    -> [[UInt8]]
  {
    try transaction.query(
      """
      SELECT entry FROM audit.entries
      WHERE tenant_id = \(tenant.uuid) AND seq >= \(sequence) ORDER BY seq LIMIT \(limit)
      """
    ).map { try $0.decode("entry", as: [UInt8].self) }
  }

  /// At most `limit` entries from `sequence` on, up to the head, and the leaf hash that the last one must have: what
  /// the entry after it names as previous, or what the head says.
  static func batch(
    from sequence: Int64, limit: Int, before head: Head, tenant: TenantID, in transaction: Transaction
  ) throws -> (entries: [[UInt8]], last: SHA256Digest) {
    let left = Int(head.size - sequence)
    var found = try entries(from: sequence, limit: min(limit + 1, left), tenant: tenant, in: transaction)
    guard left > limit, found.count > limit else { return (found, head.leaf) }
    let next = try Entry(parsing: found.removeLast())
    return (found, next.previous)
  }

  /// The entries that touched one subject, newest last: sequence number and stored bytes, nil where the row has had its
  /// time in the database.
  static func entries(about subject: SubjectID, limit: Int, tenant: TenantID, in transaction: Transaction) throws
    -> [(sequence: Int64, entry: [UInt8]?)]
  {
    try transaction.query(
      """
      SELECT s.seq, e.entry FROM audit.entry_subjects s
      LEFT JOIN audit.entries e ON e.tenant_id = s.tenant_id AND e.seq = s.seq
      WHERE s.tenant_id = \(tenant.uuid) AND s.subject_id = \(subject.uuid)
      ORDER BY s.seq DESC LIMIT \(limit)
      """
    ).map { (try $0.decode("seq", as: Int64.self), try $0.decode("entry", as: [UInt8]?.self)) }.reversed()
  }

  /// The leaf hash of one entry, recomputed from its bytes, if the database has it.
  static func leaf(at sequence: Int64, tenant: TenantID, in transaction: Transaction) throws -> SHA256Digest? {
    try entries(from: sequence, limit: 1, tenant: tenant, in: transaction).first.map(MerkleTree.leafHash)
  }

  /// Notes a published checkpoint.
  static func recordCheckpoint(_ checkpoint: Checkpoint, note: String, tenant: TenantID, in transaction: Transaction)
    throws
  {
    try transaction.execute(
      """
      INSERT INTO audit.checkpoints (tenant_id, size, root, note, published_at)
      VALUES (\(tenant.uuid), \(Int64(checkpoint.size)), \(checkpoint.root.bytes), \(note), \(Microseconds.now()))
      ON CONFLICT DO NOTHING
      """)
  }

  /// How many entries the last published checkpoint covers; zero when none was published.
  static func lastPublished(tenant: TenantID, in transaction: Transaction) throws -> Int64 {
    try transaction.query(
      "SELECT coalesce(max(size), 0) AS size FROM audit.checkpoints WHERE tenant_id = \(tenant.uuid)"
    ).first?.decode("size", as: Int64.self) ?? 0
  }

  /// Lets one replica at a time publish a tenant's log; false when another one is at it.
  static func claimPublication(tenant: TenantID, in transaction: Transaction) throws -> Bool {
    try transaction.query(
      "SELECT pg_try_advisory_xact_lock(hashtextextended('lethe/publish/' || \(tenant.description), 0)) AS mine"
    ).first?.decode("mine", as: Bool.self) ?? false
  }
}
