import Foundation
import Postgres
import Vault

/// The vault database's side of rotations: epochs, keys wrapped again, standbys. The only SQL for it.
struct VaultRotationStore: Sendable {
  let pool: PostgresPool

  private func settings(_ tenant: TenantID) -> [SessionSetting] {
    // Every statement here goes by the primary key. A table without statistics must not be scanned for each batch.
    [SessionSetting(name: "app.tenant_id", value: tenant.description)]
      + ["enable_seqscan", "enable_hashjoin", "enable_mergejoin", "jit"].map { SessionSetting(name: $0, value: "off") }
  }

  /// Lets keys be wrapped under the epoch.
  func insert(_ epoch: EpochNumber, at now: Int64) async throws {
    try await pool.transaction { try KeyStore.insert(epoch, at: now, in: $0) }
  }

  /// Removes the epoch. Throws a foreign-key violation (23503) while a key needs it. Afterwards no key can be wrapped
  /// under it any more.
  func delete(_ epoch: EpochNumber) async throws {
    try await pool.transaction { transaction in
      try transaction.execute("DELETE FROM vault.epochs WHERE epoch = \(epoch.rawValue)")
    }
  }

  /// Tells every replica to read its keyring again.
  func announce() async throws {
    try await pool.transaction { try KeyStore.notify(KeyNotice.epochsMoved, "", in: $0) }
  }

  /// The vault's epochs, earliest first, with the time at which each became known, microseconds since the Unix epoch.
  func epochs() async throws -> [(epoch: EpochNumber, createdAt: Int64)] {
    try await pool.read("SELECT epoch, created_at FROM vault.epochs ORDER BY epoch").map { row in
      (EpochNumber(rawValue: try row.decode("epoch", as: Int32.self)), try row.decode("created_at", as: Int64.self))
    }
  }

  /// How many live keys the epoch wraps, by tenant: of those, too, whose tenant was never committed.
  func keys(of epoch: EpochNumber) async throws -> [(tenant: TenantID, live: Int64)] {
    try await pool.read("SELECT tenant_id, live FROM vault.keys_by_tenant(\(epoch.rawValue))").map { row in
      (TenantID(try row.decode("tenant_id", as: UUID.self)), try row.decode("live", as: Int64.self))
    }
  }

  /// A key of a tenant, by its place among the tenant's keys.
  struct Place: Sendable {
    let kind: Int
    let id: UUID
  }

  /// A live key, as it is wrapped.
  struct Stored: Sendable {
    let owner: KeyOwner
    let wrapped: WrappedKey
    var place: Place { Place(kind: Int(owner.kind.rawValue), id: owner.id) }
  }

  /// The next live keys of the epoch, in the order of their primary keys; none at the end.
  func keys(of epoch: EpochNumber, in tenant: TenantID, after place: Place?, limit: Int) async throws -> [Stored] {
    try await pool.read(
      """
      SELECT kind, key_id, wrapped, commitment FROM vault.keys
      WHERE tenant_id = \(tenant.uuid) AND epoch = \(epoch.rawValue)
        AND (kind, key_id) > (\(place?.kind ?? 0), \(place?.id ?? tenant.uuid))
      ORDER BY kind, key_id LIMIT \(limit)
      """, settings: settings(tenant)
    ).map { row in
      guard let kind = KeyOwner.Kind(rawValue: UInt8(clamping: try row.decode("kind", as: Int.self))) else {
        throw CustodyError(.unreadable, field: "key_kind")
      }
      return Stored(
        owner: KeyOwner(kind: kind, tenant: tenant.uuid, id: try row.decode("key_id", as: UUID.self)),
        wrapped: WrappedKey(
          epoch: epoch, blob: try row.decode("wrapped", as: [UInt8].self),
          commitment: try row.decode("commitment", as: [UInt8].self)))
    }
  }

  /// Wraps those keys of an epoch under the active one, in one transaction, and returns them as they are wrapped then.
  ///
  /// A key that was destroyed meanwhile is left alone.
  func rewrap(_ keys: [Stored], of epoch: EpochNumber, in tenant: TenantID, keyring: any Keyring) async throws
    -> [Stored]
  {
    try await pool.transaction(settings: settings(tenant)) { transaction in
      let next = try keys.map { Stored(owner: $0.owner, wrapped: try keyring.rewrap($0.wrapped, for: $0.owner)) }
      try transaction.execute(
        """
        UPDATE vault.keys k SET wrapped = n.wrapped, epoch = \(keyring.activeEpoch.rawValue)
        FROM unnest(\(next.map { Int64($0.place.kind) }), \(next.map(\.owner.id)), \(next.map(\.wrapped.blob)))
          AS n (kind, key_id, wrapped)
        WHERE k.tenant_id = \(tenant.uuid) AND k.kind = n.kind AND k.key_id = n.key_id
          AND k.epoch = \(epoch.rawValue) AND k.destroyed_at IS NULL
        """)
      return next
    }
  }

  /// How many keys a tenant has ever had, tombstones included; not those that expire, since they are deleted.
  func keysEver(in tenant: TenantID) async throws -> Int64 {
    try await pool.read(
      """
      SELECT count(*) AS n FROM vault.keys
      WHERE tenant_id = \(tenant.uuid) AND kind <> \(Int(KeyOwner.Kind.expiring.rawValue))
      """, settings: [SessionSetting(name: "app.tenant_id", value: tenant.description)]
    ).first?.decode("n", as: Int64.self) ?? 0
  }

  /// The end of the vault's write-ahead log, as PostgreSQL writes it.
  func position() async throws -> String {
    try await pool.read("SELECT pg_current_wal_lsn()::text AS position").first?.decode("position", as: String.self)
      ?? ""
  }

  /// The standbys and idle replication slots that there are, and whether each has replayed up to the position.
  func standbys(reached position: String) async throws -> [(name: String, confirmed: Bool)] {
    try await pool.read("SELECT name, confirmed FROM vault.standbys(\(position)::text::pg_lsn) ORDER BY name").map {
      (try $0.decode("name", as: String.self), try $0.decode("confirmed", as: Bool.self))
    }
  }
}
