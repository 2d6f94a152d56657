import Foundation
import Postgres
import Vault

/// The vault database's rows: wrapped keys and their tombstones. The only SQL that touches them.
struct KeyStore: Sendable {
  let pool: PostgresPool

  /// What the vault holds under one id.
  enum Stored: Sendable {
    case live(WrappedKey)
    case destroyed(commitment: [UInt8], at: Int64)
  }

  private func settings(_ tenant: TenantID) -> [SessionSetting] {
    [SessionSetting(name: "app.tenant_id", value: tenant.description)]
  }

  /// The stored keys under those ids; an id without a row is absent from the answer.
  func find(_ kind: KeyOwner.Kind, _ ids: [UUID], tenant: TenantID) async throws -> [UUID: Stored] {
    if ids.isEmpty { return [:] }
    let rows = try await pool.read(
      """
      SELECT key_id, epoch, wrapped, commitment, destroyed_at FROM vault.keys
      WHERE tenant_id = \(tenant.uuid) AND kind = \(Int(kind.rawValue)) AND key_id = ANY(\(ids))
      """, settings: settings(tenant))
    var found: [UUID: Stored] = [:]
    for row in rows {
      let id = try row.decode("key_id", as: UUID.self)
      let commitment = try row.decode("commitment", as: [UInt8].self)
      if let at = try row.decode("destroyed_at", as: Int64?.self) {
        found[id] = .destroyed(commitment: commitment, at: at)
      } else {
        found[id] = .live(
          WrappedKey(
            epoch: EpochNumber(rawValue: try row.decode("epoch", as: Int32.self)),
            blob: try row.decode("wrapped", as: [UInt8].self), commitment: commitment))
      }
    }
    return found
  }

  /// Commits a new key durably. False when the id is taken, by a live key or by a tombstone.
  func insert(
    _ owner: KeyOwner, subject: SubjectID?, wrapped: WrappedKey, at now: Int64, expires: Int64? = nil
  ) async throws -> Bool {
    let tenant = TenantID(owner.tenant)
    return try await pool.transaction(settings: settings(tenant)) { transaction in
      if let subject {
        // A key that belongs to a subject is not made once the subject's own is destroyed; an erasure waits for it.
        let rows = try transaction.query(
          """
          SELECT destroyed_at FROM vault.keys
          WHERE tenant_id = \(tenant.uuid) AND kind = \(Int(KeyOwner.Kind.subject.rawValue))
            AND key_id = \(subject.uuid) FOR SHARE
          """)
        guard let row = rows.first else { throw CustodyError(.keyMissing) }
        guard try row.decode("destroyed_at", as: Int64?.self) == nil else { throw CustodyError(.erased) }
      }
      let inserted = try transaction.execute(
        """
        INSERT INTO vault.keys
          (tenant_id, kind, key_id, subject_id, epoch, wrapped, commitment, created_at, expires_at)
        VALUES (\(tenant.uuid), \(Int(owner.kind.rawValue)), \(owner.id), \(subject?.uuid), \(wrapped.epoch.rawValue),
                \(wrapped.blob), \(wrapped.commitment), \(now), \(expires))
        ON CONFLICT DO NOTHING
        """)
      return inserted == 1
    }
  }

  /// What a destruction left behind.
  struct Destruction: Sendable {
    /// When the key was destroyed, microseconds since the Unix epoch.
    let at: Int64
    /// The newest epoch that there was by then. No copy of the key can be wrapped under a later one.
    let newestEpoch: EpochNumber
  }

  /// Destroys the subject's key and every other key that belongs to the subject, in one commit, and returns the
  /// time of the destruction: of this one, or of the earlier one when it had happened before. Without a row for the
  /// subject a tombstone is put in its place, so that a key for that id is never created later. Every replica is told.
  func destroy(subject: SubjectID, commitment: [UInt8], tenant: TenantID, at now: Int64) async throws -> Destruction {
    try await pool.transaction(settings: settings(tenant)) { transaction in
      try transaction.execute(
        """
        INSERT INTO vault.keys (tenant_id, kind, key_id, commitment, created_at, destroyed_at)
        VALUES (\(tenant.uuid), \(Int(KeyOwner.Kind.subject.rawValue)), \(subject.uuid), \(commitment), \(now), \(now))
        ON CONFLICT DO NOTHING
        """)
      try transaction.execute(
        """
        UPDATE vault.keys SET wrapped = NULL, epoch = NULL, destroyed_at = \(now)
        WHERE tenant_id = \(tenant.uuid) AND destroyed_at IS NULL
          AND kind = \(Int(KeyOwner.Kind.subject.rawValue)) AND key_id = \(subject.uuid)
        """)
      // In a statement of its own, after the subject's row is held: it sees what others have added until then.
      try transaction.execute(
        """
        UPDATE vault.keys SET wrapped = NULL, epoch = NULL, destroyed_at = \(now)
        WHERE tenant_id = \(tenant.uuid) AND destroyed_at IS NULL AND subject_id = \(subject.uuid)
        """)
      // After the row is held: whoever wrapped the key under an epoch had seen that epoch's row.
      let rows = try transaction.query(
        """
        SELECT destroyed_at, (SELECT max(epoch) FROM vault.epochs) AS newest_epoch FROM vault.keys
        WHERE tenant_id = \(tenant.uuid) AND kind = \(Int(KeyOwner.Kind.subject.rawValue))
          AND key_id = \(subject.uuid)
        """)
      guard let row = rows.first, let at = try row.decode("destroyed_at", as: Int64?.self) else {
        throw CustodyError(.keyMissing)
      }
      let owner = KeyOwner(kind: .subject, tenant: tenant.uuid, id: subject.uuid)
      try Self.notify(KeyNotice.keyDestroyed, KeyNotice.payload(owner), in: transaction)
      return Destruction(
        at: at, newestEpoch: EpochNumber(rawValue: try row.decode("newest_epoch", as: Int32.self)))
    }
  }

  /// Deletes the tenant's expiring keys whose time has passed; returns how many.
  func deleteExpired(tenant: TenantID, before now: Int64) async throws -> Int {
    try await pool.transaction(settings: settings(tenant)) { transaction in
      try transaction.execute(
        """
        DELETE FROM vault.keys
        WHERE tenant_id = \(tenant.uuid) AND kind = \(Int(KeyOwner.Kind.expiring.rawValue)) AND expires_at < \(now)
        """)
    }
  }

  /// Binds the vault to its keyring at the first start; false when it belongs to another installation.
  func bind(installation: UUID, epochs: [EpochNumber], at now: Int64) async throws -> Bool {
    try await pool.transaction { transaction in
      try transaction.execute(
        "INSERT INTO vault.installation (id, created_at) VALUES (\(installation), \(now)) ON CONFLICT DO NOTHING")
      let rows = try transaction.query("SELECT id FROM vault.installation")
      guard try rows.first?.decode("id", as: UUID.self) == installation else { return false }
      // At the first start only: later, epochs come and go by rotations.
      if try transaction.query("SELECT 1 FROM vault.epochs").isEmpty {
        for epoch in epochs { try Self.insert(epoch, at: now, in: transaction) }
      }
      return true
    }
  }

  /// Lets keys be wrapped under an epoch.
  static func insert(_ epoch: EpochNumber, at now: Int64, in transaction: Transaction) throws {
    try transaction.execute(
      "INSERT INTO vault.epochs (epoch, created_at) VALUES (\(epoch.rawValue), \(now)) ON CONFLICT DO NOTHING")
  }

  /// Tells every listener, when the transaction commits.
  static func notify(_ channel: String, _ payload: String, in transaction: Transaction) throws {
    try transaction.query("SELECT pg_notify(\(channel), \(payload))")
  }
}
