import Audit
public import Foundation
import Postgres
import Redaction
public import Schema
import Vault

extension Custody {
  private var holdKeyStore: HoldKeyStore { HoldKeyStore(pool: keyStore.pool) }

  // MARK: Placing

  /// Places a hold on fields of a live subject. Its key is in the vault before its row is in the data database.
  ///
  /// Nothing is sealed now: that happens in the transaction that tombstones the subject, with what the fields hold then.
  ///
  /// Throws ``HoldError``, and ``CustodyError``: `.notFound` without such a subject, `.erased` for a tombstoned one.
  /// - Parameters:
  ///   - fields: out of ``Hold/holdable``, at least one.
  ///   - basis: why, as a code of 1 to 64 lower-case letters, digits and underscores.
  ///   - keepUntil: when it is released by itself, microseconds since the Unix epoch.
  public func placeHold(
    on subject: SubjectID, fields: [PersonalField], basis: String, keepUntil: Int64?, _ context: AccessContext
  ) async throws -> Hold {
    let now = Microseconds.now()
    let fields = Array(Set(fields)).sorted { $0.rawValue < $1.rawValue }
    guard !fields.isEmpty else { throw HoldError(.noFields) }
    if let field = fields.first(where: { !Hold.holdable.contains($0) }) {
      throw HoldError(.notHoldable, field: field.name)
    }
    let isCode = basis.utf8.allSatisfy { (0x61...0x7a).contains($0) || (0x30...0x39).contains($0) || $0 == 0x5f }
    guard (1...64).contains(basis.utf8.count), isCode else { throw HoldError(.malformedBasis) }
    guard keepUntil.map({ $0 > now }) ?? true else { throw HoldError(.past) }

    // Before a key is made for nothing.
    try await operate(context) { unit in
      try SubjectStore.lockLive([subject], tenant: context.tenant, in: unit.database)
    }
    let hold = Hold(
      id: UUID(), subject: subject, fields: fields, basis: basis, keepUntil: keepUntil, placedAt: now, sealedAt: nil,
      releasedAt: nil)
    let owner = KeyOwner(kind: .hold, tenant: context.tenant.uuid, id: hold.id)
    guard let made = try await translating({ try await keys.create(owner) }) else {
      throw CustodyError(.taken, field: "hold")
    }
    do {
      try await operate(context) { unit in
        // An erasure waits for this, and then finds the hold; or it was first.
        try SubjectStore.lockLive([subject], tenant: context.tenant, in: unit.database)
        try HoldStore.insert(hold, tenant: context.tenant, in: unit.database)
        var codes = Self.codes(hold)
        codes["key_commitment"] = Self.hex(made.wrapped.commitment)
        unit.record(.holdPlaced, subject: subject, fields: fields, codes: codes)
      }
    } catch let error as CustodyError where error.code == .erased {
      // Certainly not placed: the key is of no use to anybody.
      try await translating { try await holdKeyStore.destroy(hold.id, tenant: context.tenant, at: Microseconds.now()) }
      throw error
    }
    return hold
  }

  // MARK: Looking

  /// The tenant's holds, or those of one subject, oldest first; none of their values.
  public func holds(of subject: SubjectID? = nil, releasedToo: Bool = false, _ context: AccessContext) async throws
    -> [Hold]
  {
    try await operate(context) { unit in
      try HoldStore.all(of: subject, releasedToo: releasedToo, tenant: context.tenant, in: unit.database)
    }
  }

  /// Opens what a hold keeps, and releases it once the entry that says so, `hold.opened`, is committed.
  ///
  /// Throws ``HoldError`` `.notSealed` before the erasure, `.released` afterwards; ``CustodyError`` `.notFound`.
  public func openHold(_ id: UUID, _ context: AccessContext) async throws -> [HeldValue] {
    let tenant = context.tenant
    try await operate(context) { unit in _ = try Self.sealed(id, unit) }
    let owner = KeyOwner(kind: .hold, tenant: tenant.uuid, id: id)
    let key: DataKey
    do {
      key = try await translating { try await keys.key(for: owner) }
    } catch let error as CustodyError where error.code == .erased {
      // Its release has begun.
      throw HoldError(.released)
    }
    return try await operate(context) { unit in
      let hold = try Self.sealed(id, unit)
      let values = try HoldStore.values(of: id, tenant: tenant, in: unit.database).map { found in
        let address = FieldAddress(tenant: tenant.uuid, subject: id, row: found.row, field: found.field.rawValue)
        let bytes = try key.open(found.sealed, at: address)
        return HeldValue(field: found.field, row: found.row, value: Personal(String(decoding: bytes, as: UTF8.self)))
      }
      let fields = hold.fields.filter { field in values.contains { $0.field == field } }
      unit.record(.holdOpened, subject: hold.subject, fields: fields, codes: Self.codes(hold), aboutErasure: true)
      return values
    }
  }

  private static func sealed(_ id: UUID, _ unit: UnitOfWork) throws -> Hold {
    guard let hold = try HoldStore.locked(id, tenant: unit.context.tenant, in: unit.database) else {
      throw CustodyError(.notFound)
    }
    switch hold.state {
    case .placed: throw HoldError(.notSealed)
    case .sealed: return hold
    case .released: throw HoldError(.released)
    }
  }

  // MARK: Releasing

  /// Ends a hold: its key is destroyed in the vault, then its values are deleted. Idempotent; returns the hold as it is
  /// afterwards. Throws ``CustodyError`` `.notFound`.
  @discardableResult
  public func releaseHold(_ id: UUID, _ context: AccessContext) async throws -> Hold {
    try await release(id, because: "operator", context)
  }

  /// Ends the tenant's holds whose time has passed, at most 100 a call; one that fails holds up no other. Safe to run
  /// anywhere, any number of times. Returns how many ended.
  @discardableResult
  public func releaseExpiredHolds(in tenant: TenantID) async throws -> Int {
    let context = AccessContext.operation(tenant)
    let expired = try await operate(context) { unit in
      try HoldStore.expired(before: unit.now, limit: 100, tenant: tenant, in: unit.database)
    }
    var failure: (any Error)?
    var released = 0
    for id in expired {
      do {
        try await release(id, because: "expired", context)
        released += 1
      } catch {
        failure = failure ?? error
      }
    }
    if let failure { throw failure }
    return released
  }

  @discardableResult
  private func release(_ id: UUID, because reason: String, _ context: AccessContext) async throws -> Hold {
    let tenant = context.tenant
    // The key first: an erasure that seals under it meanwhile keeps nothing, and what it wrote is deleted below.
    try await translating { try await holdKeyStore.destroy(id, tenant: tenant, at: Microseconds.now()) }
    return try await operate(context) { unit in
      guard let hold = try HoldStore.locked(id, tenant: tenant, in: unit.database) else {
        throw CustodyError(.notFound)
      }
      guard hold.releasedAt == nil else { return hold }
      try HoldStore.release(id, at: unit.now, tenant: tenant, in: unit.database)
      unit.record(
        .holdReleased, subject: hold.subject, fields: hold.fields,
        codes: Self.codes(hold).merging(["reason": reason]) { first, _ in first }, aboutErasure: true)
      return Hold(
        id: hold.id, subject: hold.subject, fields: hold.fields, basis: hold.basis, keepUntil: hold.keepUntil,
        placedAt: hold.placedAt, sealedAt: hold.sealedAt, releasedAt: unit.now)
    }
  }

  // MARK: The erasure's part

  /// Fetches the keys with which an erasure carries the subject's holds over; hand them to
  /// ``UnitOfWork/tombstone(_:codes:sealing:)``. Throws `.keyMissing` when the vault doesn't know a hold's key.
  public func holdSealing(of subject: SubjectID, _ context: AccessContext) async throws -> HoldSealing {
    let tenant = context.tenant
    let waiting = try await operate(context) { unit in
      try HoldStore.waiting(of: subject, at: unit.now, tenant: tenant, in: unit.database)
    }
    if waiting.isEmpty { return HoldSealing(subjectKey: nil, holdKeys: [:], suite: suite) }
    return try await translating {
      let stored = try await keyStore.find(.hold, waiting.map(\.id), tenant: tenant)
      var holdKeys: [UUID: DataKey?] = [:]
      for hold in waiting {
        switch stored[hold.id] {
        case .live(let wrapped):
          let owner = KeyOwner(kind: .hold, tenant: tenant.uuid, id: hold.id)
          holdKeys.updateValue(try keys.unwrap(wrapped, for: owner), forKey: hold.id)
        case .destroyed: holdKeys.updateValue(nil, forKey: hold.id)
        case nil: throw CustodyError(.keyMissing, field: "hold")
        }
      }
      let subjectKey = try await keys.liveKeys(among: [subject], tenant: tenant).key(of: subject)
      return HoldSealing(subjectKey: subjectKey, holdKeys: holdKeys, suite: suite)
    }
  }

  /// The subject's fields that holds keep, each with its basis; see ``UnitOfWork/exemptions(of:)``.
  public func exemptions(of subject: SubjectID, _ context: AccessContext) async throws -> [HoldExemption] {
    try await operate(context) { try $0.exemptions(of: subject) }
  }

  private static func codes(_ hold: Hold) -> [String: String] {
    ["hold": hold.id.uuidString.lowercased(), "basis": hold.basis]
  }
}
