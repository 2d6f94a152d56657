import Foundation
import Postgres
import Synchronization
import Vault

/// Lends the keys that a unit of work needs: from the cache, or fetched from the vault database and unwrapped by the
/// keyring. They are wiped when the last borrower lets go.
///
/// Nothing depends on the cache being right: a subject that is tombstoned meanwhile is noticed by the transaction that
/// commits the entry, whatever was lent. The tenants' index keys are kept as long as their epochs.
final class SubjectKeys: Sendable {
  let cache: CachedKeys
  private let store: KeyStore
  private let keyring: any Keyring
  private let indexKeys = Mutex<[IndexKeyName: IndexKey]>([:])
  private let dayKeys = Mutex<[KeyOwner: DataKey]>([:])

  private struct IndexKeyName: Hashable {
    let tenant: TenantID
    let epoch: EpochNumber
  }

  init(store: KeyStore, keyring: any Keyring, cache: KeyCache) {
    self.store = store
    self.keyring = keyring
    self.cache = CachedKeys(cache)
  }

  // MARK: Subjects

  /// The keys of those subjects. Throws `.erased` when one is destroyed, `.keyMissing` when one has no row.
  func keys(of subjects: [SubjectID], tenant: TenantID) async throws -> [SubjectID: DataKey] {
    var keys: [SubjectID: DataKey] = [:]
    for subject in subjects { keys[subject] = cache.key(for: Self.owner(of: subject, in: tenant)) }
    let missing = subjects.filter { keys[$0] == nil }
    if missing.isEmpty { return keys }
    let ticket = cache.ticket()
    let stored = try await store.find(.subject, missing.map(\.uuid), tenant: tenant)
    for subject in missing {
      switch stored[subject.uuid] {
      case .live(let wrapped):
        let owner = Self.owner(of: subject, in: tenant)
        let key = try unwrap(wrapped, for: owner)
        cache.insert(key, for: owner, since: ticket)
        keys[subject] = key
      case .destroyed: throw CustodyError(.erased)
      case nil: throw CustodyError(.keyMissing)
      }
    }
    return keys
  }

  /// The keys of those subjects that have one, for work that goes on without the others.
  func liveKeys(among subjects: [SubjectID], tenant: TenantID) async throws -> WrappedSubjectKeys {
    let stored = try await store.find(.subject, subjects.map(\.uuid), tenant: tenant)
    var wrapped: [SubjectID: WrappedKey] = [:]
    for subject in subjects {
      if case .live(let key) = stored[subject.uuid] { wrapped[subject] = key }
    }
    return WrappedSubjectKeys(tenant: tenant, wrapped: wrapped, keys: self)
  }

  /// Which of those subjects' keys are destroyed.
  func destroyed(among subjects: [SubjectID], tenant: TenantID) async throws -> Set<SubjectID> {
    let stored = try await store.find(.subject, subjects.map(\.uuid), tenant: tenant)
    return Set(
      subjects.filter { subject in
        if case .destroyed = stored[subject.uuid] { true } else { false }
      })
  }

  /// Which of those subjects have a key.
  func live(among subjects: [SubjectID], tenant: TenantID) async throws -> Set<SubjectID> {
    let stored = try await store.find(.subject, subjects.map(\.uuid), tenant: tenant)
    return Set(
      subjects.filter { subject in
        if case .live = stored[subject.uuid] { true } else { false }
      })
  }

  /// What the vault says of one subject, without unwrapping anything.
  func commitment(of subject: SubjectID, tenant: TenantID) async throws -> (commitment: [UInt8], destroyed: Int64?) {
    switch try await store.find(.subject, [subject.uuid], tenant: tenant)[subject.uuid] {
    case .live(let wrapped): (wrapped.commitment, nil)
    case .destroyed(let commitment, let at): (commitment, at)
    case nil: throw CustodyError(.keyMissing)
    }
  }

  /// Makes a subject: a random id and a key of its own, committed durably in the vault before any data row. A key
  /// whose data row never follows is harmless.
  func createSubject(tenant: TenantID) async throws -> (subject: SubjectID, key: DataKey, wrapped: WrappedKey) {
    let subject = SubjectID(UUID())
    guard let (key, wrapped) = try await create(Self.owner(of: subject, in: tenant)) else {
      throw CustodyError(.taken, field: "subject")
    }
    return (subject, key, wrapped)
  }

  /// Destroys the subject's key and everything else under it; returns the live erasure time, and the newest epoch under
  /// which the key can ever have been wrapped.
  func destroy(_ subject: SubjectID, commitment: [UInt8], tenant: TenantID) async throws -> KeyStore.Destruction {
    let destruction = try await store.destroy(
      subject: subject, commitment: commitment, tenant: tenant, at: Microseconds.now())
    cache.evict(Self.owner(of: subject, in: tenant))
    return destruction
  }

  // MARK: Expiring keys

  /// Makes a key that expires, belonging to a subject: it dies with the subject or at its time, whichever is first.
  func createExpiringKey(tenant: TenantID, subject: SubjectID?, id: UUID, expires: Int64) async throws -> DataKey {
    let owner = KeyOwner(kind: .expiring, tenant: tenant.uuid, id: id)
    if let (key, _) = try await create(owner, subject: subject, expires: expires) { return key }
    return try await expiringKey(tenant: tenant, id: id)
  }

  /// An expiring key, while it lives; `.erased` afterwards.
  func expiringKey(tenant: TenantID, id: UUID) async throws -> DataKey {
    try await key(for: KeyOwner(kind: .expiring, tenant: tenant.uuid, id: id))
  }

  /// The key of one day, random and gone after two: for fingerprints of requests, which could otherwise be guessed.
  /// `day` counts from the Unix epoch. What it tags stays the same when key epochs rotate.
  func dayKey(_ day: Int32, tenant: TenantID) async throws -> DataKey {
    let owner = KeyOwner(kind: .expiring, tenant: tenant.uuid, id: Self.identifier(ofDay: day))
    // A day that is over two days ago takes its key with it, here as in the vault.
    let kept = [-1, 0, 1].map { Self.identifier(ofDay: day + $0) }
    let known = dayKeys.withLock { known in
      known = known.filter { kept.contains($0.key.id) }
      return known[owner]
    }
    if let known { return known }
    let made: DataKey
    do {
      made = try await expiringKey(tenant: tenant, id: owner.id)
    } catch let error as CustodyError where error.code == .erased {
      made = try await createExpiringKey(
        tenant: tenant, subject: nil, id: owner.id, expires: (Int64(day) + 2) * 86_400_000_000)
    }
    dayKeys.withLock { known in
      if known.count >= 4_096 { known.removeAll() }
      known[owner] = made
    }
    return made
  }

  // MARK: Tenants

  /// Makes the tenant's secret, unless it has one.
  func createTenantSecret(_ tenant: TenantID) async throws {
    _ = try await create(KeyOwner(kind: .tenant, tenant: tenant.uuid, id: tenant.uuid))
  }

  /// The tenant's index keys, one for each epoch that the keyring holds, earliest first.
  func indexKeys(of tenant: TenantID) async throws -> [IndexKey] {
    let epochs = keyring.epochs.map(\.number)
    let known = indexKeys.withLock { known in epochs.compactMap { known[IndexKeyName(tenant: tenant, epoch: $0)] } }
    if known.count == epochs.count { return known }
    let owner = KeyOwner(kind: .tenant, tenant: tenant.uuid, id: tenant.uuid)
    let secret: DataKey
    do {
      secret = try await key(for: owner)
    } catch let error as CustodyError where error.code == .erased {
      throw CustodyError(.unknownTenant)
    }
    let made = try epochs.map { epoch in
      try keyring.indexKey(epoch: epoch, tenant: tenant.uuid, tenantSecret: secret)
    }
    indexKeys.withLock { known in
      if known.count >= 4_096 { known.removeAll() }
      // Those of epochs that are gone go as well.
      known = known.filter { epochs.contains($0.key.epoch) }
      for key in made { known[IndexKeyName(tenant: tenant, epoch: key.epoch)] = key }
    }
    return made
  }

  /// Drops the index keys of epochs that the keyring doesn't hold any more, and cached keys that have had their time.
  func dropStale() {
    let held = Set(keyring.epochs.map(\.number))
    indexKeys.withLock { known in known = known.filter { held.contains($0.key.epoch) } }
    cache.evictExpired()
  }

  // MARK: Any key

  /// Makes a key and commits it durably; nil when the id is taken, by a live key or a tombstone.
  func create(_ owner: KeyOwner, subject: SubjectID? = nil, expires: Int64? = nil) async throws
    -> (key: DataKey, wrapped: WrappedKey)?
  {
    var (key, wrapped) = try keyring.newKey(for: owner)
    for isLast in [false, true] {
      do {
        let inserted = try await store.insert(
          owner, subject: subject, wrapped: wrapped, at: Microseconds.now(), expires: expires)
        return inserted ? (key, wrapped) : nil
      } catch let error as PostgresError where error.sqlState == "23503" && !isLast {
        // The vault knows the epoch no more: a rotation ended it. The keyring is read again.
        _ = try keyring.refresh()
        wrapped = try keyring.wrap(key, for: owner)
      }
    }
    throw CustodyError(.unavailable, field: "epochs")
  }

  /// A key that is not cached; `.erased` when it is destroyed or not there.
  func key(for owner: KeyOwner) async throws -> DataKey {
    let stored = try await store.find(owner.kind, [owner.id], tenant: TenantID(owner.tenant))
    guard case .live(let wrapped)? = stored[owner.id] else { throw CustodyError(.erased) }
    return try unwrap(wrapped, for: owner)
  }

  /// Unwraps, with a keyring that is read again when the key's epoch is unknown to this process.
  func unwrap(_ wrapped: WrappedKey, for owner: KeyOwner) throws -> DataKey {
    do {
      return try keyring.unwrap(wrapped, for: owner)
    } catch let error where error.code == .unknownEpoch {
      guard try keyring.refresh() else { throw error }
      return try keyring.unwrap(wrapped, for: owner)
    }
  }

  static func owner(of subject: SubjectID, in tenant: TenantID) -> KeyOwner {
    KeyOwner(kind: .subject, tenant: tenant.uuid, id: subject.uuid)
  }

  /// The fixed id of a day's key: the day in the last four bytes, a tag of its own before it.
  private static func identifier(ofDay day: Int32) -> UUID {
    let bytes = UInt32(bitPattern: day)
    return UUID(
      uuid: (
        0x6c, 0x65, 0x74, 0x68, 0x65, 0x2d, 0x40, 0x61, 0x80, 0x79, 0x00, 0x00, UInt8(bytes >> 24),
        UInt8(truncatingIfNeeded: bytes >> 16), UInt8(truncatingIfNeeded: bytes >> 8), UInt8(truncatingIfNeeded: bytes)
      ))
  }
}
