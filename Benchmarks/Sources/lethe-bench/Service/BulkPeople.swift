import Custody
import Foundation
import LocalCluster
import Postgres
import ProfilesAPI
import Schema
import Vault

/// Rows put straight into both databases, as the service would have written them: real keys, envelopes and tags, but
/// without a transaction and an entry of the log for each.
struct BulkPeople: Sendable {
  private let data: PostgresPool
  private let vault: PostgresPool
  private let keyring: any Keyring
  private let tenant: UUID
  private let index: IndexKey

  /// Checks of foreign keys are left out: the rows are consistent by their making.
  private static let settings = [SessionSetting(name: "session_replication_role", value: "replica")]

  /// Opens both databases as the superuser. The tenant must be there.
  static func open(_ installation: BenchInstallation, keyring: any Keyring) async throws -> BulkPeople {
    func pool(_ database: String) -> PostgresPool {
      PostgresPool(
        PoolConfiguration(url: installation.cluster.url(database: database), role: "bulk", size: 2),
        logger: quietLogger)
    }
    let data = pool(DatabaseRoles.dataDatabase)
    let vault = pool(DatabaseRoles.vaultDatabase)
    try await data.start()
    try await vault.start()
    let tenant = installation.tenant.uuid
    let secret = try await key(KeyOwner(kind: .tenant, tenant: tenant, id: tenant), vault, keyring)
    return BulkPeople(
      data: data, vault: vault, keyring: keyring, tenant: tenant,
      index: try keyring.indexKey(epoch: keyring.activeEpoch, tenant: tenant, tenantSecret: secret))
  }

  func close() async {
    await data.shutdown()
    await vault.shutdown()
  }

  /// Adds so many people with a name and an e-mail address each.
  func add(_ count: Int) async throws {
    let batch = 5_000
    try await withThrowingTaskGroup(of: Void.self) { group in
      for lane in 0..<2 {
        group.addTask {
          for start in stride(from: lane * batch, to: count, by: 2 * batch) {
            try await addBatch(min(batch, count - start))
          }
        }
      }
      try await group.waitForAll()
    }
  }

  private func addBatch(_ count: Int) async throws {
    let tenant = tenant
    let active = keyring.activeEpoch
    let now = Microseconds.now()
    var subjects: [UUID] = []
    var profiles: [UUID] = []
    var wrapped: [[UInt8]] = []
    var commitments: [[UInt8]] = []
    var names: [[UInt8]] = []
    var emails: [[UInt8]] = []
    var tags: [[UInt8]] = []
    for _ in 0..<count {
      let (subject, profile) = (UUID(), UUID())
      let (key, blob) = try keyring.newKey(for: KeyOwner(kind: .subject, tenant: tenant, id: subject))
      let name = UUID().uuidString.lowercased()
      func seal(_ text: String, _ field: PersonalField) throws -> [UInt8] {
        try key.seal(
          Array(text.utf8), at: FieldAddress(tenant: tenant, subject: subject, row: profile, field: field.rawValue))
      }
      let email = "\(name.prefix(24))@example.com"
      subjects.append(subject)
      profiles.append(profile)
      wrapped.append(blob.blob)
      commitments.append(blob.commitment)
      names.append(try seal("Avery Example \(name.prefix(4))", .profileFullName))
      emails.append(try seal(email, .profileEmail))
      tags.append(index.tag(.email, email))
    }
    let rows = (subjects, profiles, wrapped, commitments, names, emails, tags)
    try await vault.transaction(settings: Self.settings) { transaction in
      _ = try transaction.execute(
        """
        INSERT INTO vault.keys (tenant_id, kind, key_id, epoch, wrapped, commitment, created_at)
        SELECT \(tenant), 1, n.id, \(active.rawValue), n.wrapped, n.commitment, \(now)
        FROM unnest(\(rows.0), \(rows.2), \(rows.3)) AS n (id, wrapped, commitment)
        """)
    }
    try await data.transaction(settings: Self.settings) { transaction in
      _ = try transaction.execute(
        """
        INSERT INTO custody.subjects (tenant_id, subject_id, state, key_commitment, created_at)
        SELECT \(tenant), n.id, 'live', n.commitment, \(now)
        FROM unnest(\(rows.0), \(rows.3)) AS n (id, commitment)
        """)
      _ = try transaction.execute(
        """
        INSERT INTO user_profiles.profiles
          (tenant_id, id, subject_id, status, full_name_sealed, email_sealed, version, created_at, updated_at)
        SELECT \(tenant), n.id, n.subject, 'active', n.name, n.email, 1, \(now), \(now)
        FROM unnest(\(rows.1), \(rows.0), \(rows.4), \(rows.5)) AS n (id, subject, name, email)
        """)
      _ = try transaction.execute(
        """
        INSERT INTO custody.lookup_tags (tenant_id, kind, epoch, tag, subject_id, row_id)
        SELECT \(tenant), 'email', \(active.rawValue), n.tag, n.subject, n.id
        FROM unnest(\(rows.6), \(rows.0), \(rows.1)) AS n (tag, subject, id)
        """)
    }
  }

  /// Adds so many kept answers, each sealed under the subject's key.
  func addAnswers(_ count: Int, of subject: UUID) async throws {
    let key = try await Self.key(KeyOwner(kind: .subject, tenant: tenant, id: subject), vault, keyring)
    let answer = Array(repeating: UInt8(ascii: "a"), count: 200)
    let now = Microseconds.now()
    for start in stride(from: 0, to: count, by: 5_000) {
      var tags: [[UInt8]] = []
      var sealed: [[UInt8]] = []
      for _ in 0..<min(5_000, count - start) {
        let (row, rest) = (UUID(), UUID())
        tags.append(withUnsafeBytes(of: row.uuid) { Array($0) } + withUnsafeBytes(of: rest.uuid) { Array($0) })
        sealed.append(
          try key.seal(
            answer,
            at: FieldAddress(
              tenant: tenant, subject: subject, row: row, field: PersonalField.idempotentAnswer.rawValue)))
      }
      let rows = (tags, sealed)
      let tenant = tenant
      try await data.transaction(settings: Self.settings) { transaction in
        _ = try transaction.execute(
          """
          INSERT INTO custody.idempotency
            (tenant_id, key_tag, key_day, fingerprint, fence, state, lease_until, status, subject_id, answer_sealed,
             headers, created_at)
          SELECT \(tenant), n.tag, 0, n.tag, \(subject), 'completed', \(now), 200, \(subject), n.sealed, '{}', \(now)
          FROM unnest(\(rows.0), \(rows.1)) AS n (tag, sealed)
          """)
      }
    }
  }

  /// Adds so many rows that say that an entry of the log is about the subject.
  func addTouches(_ count: Int, of subject: UUID) async throws {
    let tenant = tenant
    try await data.transaction(settings: Self.settings) { transaction in
      _ = try transaction.execute(
        """
        INSERT INTO audit.entry_subjects (tenant_id, seq, subject_id, salt)
        SELECT \(tenant), 4000000000 + n, \(subject), sha256(n::text::bytea)
        FROM generate_series(1, \(Int64(count))) AS n
        """)
    }
  }

  private static func key(_ owner: KeyOwner, _ vault: PostgresPool, _ keyring: any Keyring) async throws -> DataKey {
    let rows = try await vault.read(
      """
      SELECT epoch, wrapped, commitment FROM vault.keys
      WHERE tenant_id = \(owner.tenant) AND kind = \(Int(owner.kind.rawValue)) AND key_id = \(owner.id)
      """)
    guard let row = rows.first else { throw Harness.Failure(description: "a key is missing in the vault") }
    return try keyring.unwrap(
      WrappedKey(
        epoch: EpochNumber(rawValue: try row.decode("epoch", as: Int32.self)),
        blob: try row.decode("wrapped", as: [UInt8].self), commitment: try row.decode("commitment", as: [UInt8].self)),
      for: owner)
  }
}
