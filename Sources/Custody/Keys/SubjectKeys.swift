import Foundation
import Synchronization
import Vault

/// Lends the keys that a unit of work needs: fetched from the vault database, unwrapped by the keyring, wiped when
/// the last borrower lets go.
///
/// Subject keys are fetched for each unit, so that an erasure is seen at once. The tenants' index keys are kept:
/// they are few and live as long as their epoch.
final class SubjectKeys: Sendable {
  private let store: KeyStore
  private let keyring: any Keyring
  private let indexKeys = Mutex<[IndexKeyName: IndexKey]>([:])

  private struct IndexKeyName: Hashable {
    let owner: KeyOwner
    let epoch: EpochNumber
  }

  init(store: KeyStore, keyring: any Keyring) {
    self.store = store
    self.keyring = keyring
  }

  /// The keys of those subjects. Throws `.erased` when one is destroyed, `.keyMissing` when one has no row.
  func keys(of subjects: [SubjectID], tenant: TenantID) async throws -> [SubjectID: DataKey] {
    let stored = try await store.find(.subject, subjects.map(\.uuid), tenant: tenant)
    var keys: [SubjectID: DataKey] = [:]
    for subject in subjects {
      switch stored[subject.uuid] {
      case .live(let wrapped):
        keys[subject] = try keyring.unwrap(
          wrapped, for: KeyOwner(kind: .subject, tenant: tenant.uuid, id: subject.uuid))
      case .destroyed: throw CustodyError(.erased)
      case nil: throw CustodyError(.keyMissing)
      }
    }
    return keys
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
    let owner = KeyOwner(kind: .subject, tenant: tenant.uuid, id: subject.uuid)
    let (key, wrapped) = try keyring.newKey(for: owner)
    guard
      try await store.insert(
        .subject, id: subject.uuid, tenant: tenant, subject: nil, wrapped: wrapped, at: Microseconds.now())
    else { throw CustodyError(.taken, field: "subject") }
    return (subject, key, wrapped)
  }

  /// Makes a key that expires, belonging to a subject: it dies with the subject or at its time, whichever is first.
  func createExpiringKey(tenant: TenantID, subject: SubjectID?, id: UUID, expires: Int64) async throws -> DataKey {
    let owner = KeyOwner(kind: .expiring, tenant: tenant.uuid, id: id)
    let (key, wrapped) = try keyring.newKey(for: owner)
    if try await store.insert(
      .expiring, id: id, tenant: tenant, subject: subject, wrapped: wrapped, at: Microseconds.now(), expires: expires)
    {
      return key
    }
    return try await expiringKey(tenant: tenant, id: id)
  }

  /// An expiring key, while it lives; `.erased` afterwards.
  func expiringKey(tenant: TenantID, id: UUID) async throws -> DataKey {
    switch try await store.find(.expiring, [id], tenant: tenant)[id] {
    case .live(let wrapped):
      try keyring.unwrap(wrapped, for: KeyOwner(kind: .expiring, tenant: tenant.uuid, id: id))
    case .destroyed, nil: throw CustodyError(.erased)
    }
  }

  /// Destroys the subject's key and everything else under it; returns the live erasure time.
  func destroy(_ subject: SubjectID, commitment: [UInt8], tenant: TenantID) async throws -> Int64 {
    try await store.destroy(subject: subject, commitment: commitment, tenant: tenant, at: Microseconds.now())
  }

  /// Makes the tenant's secret, unless it has one.
  func createTenantSecret(_ tenant: TenantID) async throws {
    let owner = KeyOwner(kind: .tenant, tenant: tenant.uuid, id: tenant.uuid)
    let (_, wrapped) = try keyring.newKey(for: owner)
    _ = try await store.insert(
      .tenant, id: tenant.uuid, tenant: tenant, subject: nil, wrapped: wrapped, at: Microseconds.now())
  }

  /// The tenant's index key of the active epoch: for every tag that is written.
  func indexKey(of tenant: TenantID) async throws -> IndexKey {
    let owner = KeyOwner(kind: .tenant, tenant: tenant.uuid, id: tenant.uuid)
    return try await indexKey(owner, tenant: tenant) { [store, keyring] in
      guard case .live(let wrapped)? = try await store.find(.tenant, [tenant.uuid], tenant: tenant)[tenant.uuid] else {
        throw CustodyError(.unknownTenant)
      }
      return try keyring.unwrap(wrapped, for: owner)
    }
  }

  /// The index key of one day, random and gone after two: for fingerprints of requests, which could otherwise be
  /// guessed. `day` counts from the Unix epoch.
  func dayKey(_ day: Int32, tenant: TenantID) async throws -> IndexKey {
    let id = Self.identifier(ofDay: day)
    let owner = KeyOwner(kind: .expiring, tenant: tenant.uuid, id: id)
    // A day that is over two days ago takes its key with it, here as in the vault.
    let kept = [-1, 0, 1].map { Self.identifier(ofDay: day + $0) }
    indexKeys.withLock { known in
      known = known.filter { $0.key.owner.kind != .expiring || kept.contains($0.key.owner.id) }
    }
    return try await indexKey(owner, tenant: tenant) { [self] in
      do {
        return try await expiringKey(tenant: tenant, id: id)
      } catch let error as CustodyError where error.code == .erased {
        return try await createExpiringKey(
          tenant: tenant, subject: nil, id: id, expires: (Int64(day) + 2) * 86_400_000_000)
      }
    }
  }

  private func indexKey(
    _ owner: KeyOwner, tenant: TenantID, secret: () async throws -> DataKey
  ) async throws -> IndexKey {
    let name = IndexKeyName(owner: owner, epoch: keyring.activeEpoch)
    if let known = indexKeys.withLock({ $0[name] }) { return known }
    let made = try keyring.indexKey(epoch: name.epoch, tenant: tenant.uuid, tenantSecret: try await secret())
    indexKeys.withLock { known in
      if known.count >= 4_096 { known.removeAll() }
      known[name] = made
    }
    return made
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
