import Foundation
import Postgres
import Schema

/// Subjects and their tombstones in the data database. The only SQL that touches them.
enum SubjectStore {
  /// Adds the row of a subject whose key is already committed in the vault.
  static func insert(
    _ subject: SubjectID, commitment: [UInt8], tenant: TenantID, at now: Int64, in transaction: Transaction
  ) throws {
    try transaction.execute(
      """
      INSERT INTO custody.subjects (tenant_id, subject_id, state, key_commitment, created_at)
      VALUES (\(tenant.uuid), \(subject.uuid), 'live', \(commitment), \(now))
      """)
  }

  /// Holds the subjects live until the transaction ends: an erasure waits for it. Throws `.erased` for one that is
  /// tombstoned, `.notFound` for one that isn't there.
  static func lockLive(_ subjects: [SubjectID], tenant: TenantID, in transaction: Transaction) throws {
    if subjects.isEmpty { return }
    let rows = try transaction.query(
      """
      SELECT state FROM custody.subjects
      WHERE tenant_id = \(tenant.uuid) AND subject_id = ANY(\(subjects.map(\.uuid))) ORDER BY subject_id FOR SHARE
      """)
    guard rows.count == Set(subjects).count else { throw CustodyError(.notFound) }
    for row in rows where try row.decode("state", as: String.self) != "live" { throw CustodyError(.erased) }
  }

  /// Takes the subject for its erasure, waiting for every unit of work that holds it. False when it is tombstoned.
  static func lockForErasure(_ subject: SubjectID, tenant: TenantID, in transaction: Transaction) throws -> Bool {
    let rows = try transaction.query(
      """
      SELECT state FROM custody.subjects
      WHERE tenant_id = \(tenant.uuid) AND subject_id = \(subject.uuid) FOR UPDATE
      """)
    guard let row = rows.first else { throw CustodyError(.notFound) }
    return try row.decode("state", as: String.self) == "live"
  }

  /// Writes the tombstone.
  static func markErasing(_ subject: SubjectID, tenant: TenantID, at now: Int64, in transaction: Transaction) throws {
    try transaction.execute(
      """
      UPDATE custody.subjects SET state = 'erasing', erasing_at = \(now)
      WHERE tenant_id = \(tenant.uuid) AND subject_id = \(subject.uuid) AND state = 'live'
      """)
  }

  /// Notes that the key is gone.
  static func markErased(_ subject: SubjectID, tenant: TenantID, at time: Int64, in transaction: Transaction) throws {
    try transaction.execute(
      """
      UPDATE custody.subjects SET state = 'erased', erased_at = \(time)
      WHERE tenant_id = \(tenant.uuid) AND subject_id = \(subject.uuid)
      """)
  }

  /// Moves the subject's lookup tags, without the subject's id, to where late data is recognised by them.
  ///
  /// A rotation may hold such a row and add its tag of the next epoch meanwhile: deleting waits for it, and is repeated
  /// with a new snapshot until there is nothing left.
  static func moveTags(of subject: SubjectID, tenant: TenantID, at now: Int64, in transaction: Transaction) throws {
    var moved = 1
    while moved > 0 {
      moved = try transaction.execute(
        """
        WITH gone AS (
          DELETE FROM custody.lookup_tags WHERE tenant_id = \(tenant.uuid) AND subject_id = \(subject.uuid)
          RETURNING tenant_id, kind, epoch, tag
        )
        INSERT INTO custody.erased_tags (tenant_id, kind, epoch, tag, erased_at)
        SELECT tenant_id, kind, epoch, tag, \(now) FROM gone
        ON CONFLICT (tenant_id, kind, epoch, tag) DO UPDATE SET erased_at = greatest(erased_tags.erased_at, excluded.erased_at)
        """)
    }
  }

  /// The state of those subjects that the tenant has.
  static func states(of subjects: [SubjectID], tenant: TenantID, in transaction: Transaction) throws
    -> [SubjectID: SubjectState]
  {
    if subjects.isEmpty { return [:] }
    let rows = try transaction.query(
      """
      SELECT subject_id, state FROM custody.subjects
      WHERE tenant_id = \(tenant.uuid) AND subject_id = ANY(\(subjects.map(\.uuid)))
      """)
    var states: [SubjectID: SubjectState] = [:]
    for row in rows {
      let state = SubjectState(rawValue: try row.decode("state", as: String.self)) ?? .erasing
      states[SubjectID(try row.decode("subject_id", as: UUID.self))] = state
    }
    return states
  }

  /// How many of those subjects are live.
  static func live(among subjects: [SubjectID], tenant: TenantID, in transaction: Transaction) throws -> Int {
    try filter(subjects, inState: "live", tenant: tenant, in: transaction).count
  }

  /// Which of those subjects are tombstoned and on their way.
  static func erasing(among subjects: [SubjectID], tenant: TenantID, in transaction: Transaction) throws
    -> Set<SubjectID>
  {
    try filter(subjects, inState: "erasing", tenant: tenant, in: transaction)
  }

  private static func filter(
    _ subjects: [SubjectID], inState state: String, tenant: TenantID, in transaction: Transaction
  ) throws -> Set<SubjectID> {
    if subjects.isEmpty { return [] }
    let rows = try transaction.query(
      """
      SELECT subject_id FROM custody.subjects
      WHERE tenant_id = \(tenant.uuid) AND subject_id = ANY(\(subjects.map(\.uuid))) AND state = \(state)
      """)
    return Set(try rows.map { SubjectID(try $0.decode("subject_id", as: UUID.self)) })
  }

  /// Applies what the registry declares for every table: rows deleted, linkable columns cleared or overwritten.
  static func applyErasureRules(to subject: SubjectID, tenant: TenantID, at now: Int64, in transaction: Transaction)
    throws
  {
    for table in DataRegistry.tables {
      switch table.onErasure {
      case .notOfASubject: continue
      case .delete:
        // The names come from the registry, a constant of the program.
        try transaction.execute(
          """
          DELETE FROM \(unsafe: table.qualifiedName)
          WHERE tenant_id = \(tenant.uuid) AND subject_id = \(subject.uuid)
          """)
      case .keep:
        let cleared = table.columns.compactMap { column -> String? in
          switch column.columnClass {
          case .linkable(.clear): "\(column.name) = NULL"
          default: nil
          }
        }
        let overwritten = table.columns.compactMap { column -> String? in
          switch column.columnClass {
          case .linkable(.overwriteWithErasureTime): column.name
          default: nil
          }
        }
        if cleared.isEmpty && overwritten.isEmpty { continue }
        let assignments = (cleared + overwritten.map { "\($0) = \(now)" }).joined(separator: ", ")
        try transaction.execute(
          """
          UPDATE \(unsafe: table.qualifiedName) SET \(unsafe: assignments)
          WHERE tenant_id = \(tenant.uuid) AND subject_id = \(subject.uuid)
          """)
      }
    }
  }
}
