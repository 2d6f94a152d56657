import Audit
public import Custody
public import Foundation
public import Redaction
import Schema
import Vault

/// Profiles: creation, reading, change, status. Every method is one unit of work of ``Custody/Custody``.
///
/// Throws ``Custody/CustodyError`` (`.notFound`, `.erased`, `.taken` with a field, `.unavailable`) and
/// ``ProfileError``.
public struct Profiles: Sendable {
  let custody: Custody

  /// Profiles behind that door.
  public init(custody: Custody) { self.custody = custody }

  // MARK: Reading

  /// One profile. Its fields are in the log before they are returned.
  public func profile(_ id: UUID, _ context: AccessContext) async throws -> Profile {
    guard let row = try await custody.rows(ProfileStore.byID(id, tenant: context.tenant), context).first else {
      throw CustodyError(.notFound)
    }
    let sealed = try ProfileStore.decode(row)
    guard sealed.subjectIsLive else { throw CustodyError(.erased) }
    return try await custody.read(context, of: [sealed.subject]) { try Self.open(sealed, $0) }
  }

  /// The profile of the person who asks, found by the token's `sub`.
  public func own(_ identity: Personal<String>, _ context: AccessContext) async throws -> Profile {
    guard let found = try await custody.lookUp(identity, as: .identity, context) else {
      throw CustodyError(.notFound)
    }
    return try await profile(found.row, context)
  }

  /// A page of live profiles in a stable order, after `cursor`. One log entry says how many were read.
  ///
  /// - Parameter limit: 1 to 200.
  public func page(_ filter: ProfileFilter, after cursor: UUID?, limit: Int, _ context: AccessContext) async throws
    -> ProfilePage
  {
    var attempts = 0
    var gone: Set<SubjectID> = []
    while true {
      let rows = try await custody.rows(
        ProfileStore.page(filter, after: cursor, limit: limit + 1, tenant: context.tenant), context)
      let sealed = try rows.map(ProfileStore.decode)
      let page = sealed.prefix(limit)
      let shown = page.filter { !gone.contains($0.subject) }
      let next = sealed.count > limit ? page.last?.id : nil
      if shown.isEmpty { return ProfilePage(profiles: [], next: next) }
      do {
        let profiles = try await custody.read(context, of: shown.map(\.subject)) { opener in
          try shown.map { try Self.open($0, opener) }
        }
        return ProfilePage(profiles: profiles, next: next)
      } catch let error as CustodyError where error.code == .erased && attempts < 5 {
        // Somebody on the page was erased while it was read: the page is read again, without them. In a restored
        // database the row doesn't know; the vault does.
        attempts += 1
        gone = try await custody.erased(among: shown.map(\.subject), context)
      }
    }
  }

  /// The profiles with exactly this address or number; at most one each. A search is in the log, hit or not, by the
  /// field's name and never its value.
  public func search(_ query: ProfileQuery, _ context: AccessContext) async throws -> [Profile] {
    let (value, kind, field): (Personal<String>, TagKind, PersonalField) =
      switch query {
      case .email(let address): (address, .email, .profileEmail)
      case .phone(let number): (number, .phone, .profilePhone)
      }
    func missed() async throws -> [Profile] {
      try await custody.note(context, .personalDataSearched, outcome: .ok, codes: ["by": field.name, "hits": "0"])
      return []
    }
    guard let found = try await custody.lookUp(value, as: kind, context) else { return try await missed() }
    let rows = try await custody.rows(ProfileStore.byID(found.row, tenant: context.tenant), context)
    let live = try rows.map(ProfileStore.decode).filter(\.subjectIsLive)
    guard !live.isEmpty else { return try await missed() }
    do {
      return try await custody.read(
        context, of: live.map(\.subject), action: .personalDataSearched,
        codes: ["by": field.name, "hits": String(live.count)]
      ) { opener in try live.map { try Self.open($0, opener) } }
    } catch let error as CustodyError where error.code == .erased {
      // Erased while it was searched for.
      return try await missed()
    }
  }

  // MARK: Writing

  /// Makes a subject and its profile. The subject's key is in the vault before the row is in the database.
  ///
  /// Throws `.suppressed`, with the field, for an import that carries late data of somebody who was erased; the refusal
  /// is in the log.
  public func create(_ draft: ProfileDraft, _ context: AccessContext, answering: Answering<Profile>? = nil)
    async throws -> Profile
  {
    do {
      return try await insert(draft, context, answering: answering)
    } catch let error as CustodyError where error.code == .suppressed {
      try await custody.note(
        context, .profileCreated, outcome: .denied,
        codes: ["reason": "suppressed", "field": error.field ?? "unknown"])
      throw error
    }
  }

  private func insert(_ draft: ProfileDraft, _ context: AccessContext, answering: Answering<Profile>?) async throws
    -> Profile
  {
    try await custody.write(context, subjects: .creating) { unit in
      let subject = try unit.newSubject()
      let id = UUID()
      let profile = Profile(
        id: id, subject: subject, status: .pending, fullName: draft.fullName, email: draft.email, phone: draft.phone,
        identity: draft.identity, country: draft.country, language: draft.language, version: 1, createdAt: unit.now,
        updatedAt: unit.now)
      for (value, kind, field) in Self.tagged(profile) {
        guard let value else { continue }
        try unit.claim(value, as: kind, field: field, row: id, of: subject)
        if case .imported(let collectedAt) = draft.origin {
          try unit.refuseSuppressed(value, as: kind, field: field, collectedAt: collectedAt)
        }
      }
      try ProfileStore.insert(try Self.seal(profile, unit), tenant: context.tenant, in: unit.database)
      unit.record(.profileCreated, subject: subject, fields: Self.present(profile))
      try unit.keep(profile, answering, personal: subject)
      return profile
    }
  }

  /// Changes fields of the profile whose version is `version`. Throws `.stale` when it is another one by now.
  public func change(_ id: UUID, _ patch: ProfilePatch, version: Int64, _ context: AccessContext) async throws
    -> Profile
  {
    let subject = try await subject(of: id, context)
    return try await custody.write(context, subjects: .existing([subject])) { unit in
      let sealed = try Self.lock(id, unit)
      guard sealed.version == version else { throw CustodyError(.stale) }
      let old = try Self.open(sealed, unit)
      let new = Profile(
        id: id, subject: subject, status: old.status, fullName: patch.fullName ?? old.fullName,
        email: patch.email.applied(to: old.email), phone: patch.phone.applied(to: old.phone),
        identity: patch.identity.applied(to: old.identity), country: patch.country.applied(to: old.country),
        language: patch.language.applied(to: old.language), version: old.version + 1, createdAt: old.createdAt,
        updatedAt: unit.now)
      for ((before, kind, field), (after, _, _)) in zip(Self.tagged(old), Self.tagged(new))
      where Self.differ(before, after) {
        try unit.release(kind, row: id, of: subject)
        if let after { try unit.claim(after, as: kind, field: field, row: id, of: subject) }
      }
      guard try ProfileStore.update(try Self.seal(new, unit), tenant: context.tenant, in: unit.database) else {
        throw CustodyError(.stale)
      }
      unit.record(
        .profileUpdated, subject: subject, fields: Self.changed(old, new), codes: Self.neutralChanges(old, new))
      return new
    }
  }

  /// Changes the status. Throws ``ProfileError`` `.noSuchTransition` where the state machine has none.
  public func move(
    _ id: UUID, _ transition: ProfileTransition, _ context: AccessContext, answering: Answering<Profile>? = nil
  ) async throws -> Profile {
    let subject = try await subject(of: id, context)
    return try await custody.write(context, subjects: .existing([subject])) { unit in
      let sealed = try Self.lock(id, unit)
      guard let target = transition.target(from: sealed.status) else {
        throw ProfileError(.noSuchTransition, status: sealed.status)
      }
      let old = try Self.open(sealed, unit)
      let new = Profile(
        id: id, subject: subject, status: target, fullName: old.fullName, email: old.email, phone: old.phone,
        identity: old.identity, country: old.country, language: old.language, version: old.version + 1,
        createdAt: old.createdAt, updatedAt: unit.now)
      guard try ProfileStore.update(try Self.seal(new, unit), tenant: context.tenant, in: unit.database) else {
        throw CustodyError(.stale)
      }
      unit.record(
        transition.action, subject: subject, codes: ["from": old.status.rawValue, "to": target.rawValue])
      try unit.keep(new, answering, personal: subject)
      return new
    }
  }

  /// Whose profile it is. Throws `.notFound`, or `.erased` when the subject is tombstoned.
  public func subject(of id: UUID, _ context: AccessContext) async throws -> SubjectID {
    guard let row = try await custody.rows(ProfileStore.byID(id, tenant: context.tenant), context).first else {
      throw CustodyError(.notFound)
    }
    let sealed = try ProfileStore.decode(row)
    guard sealed.subjectIsLive else { throw CustodyError(.erased) }
    return sealed.subject
  }

  // MARK: Sealing

  private static func lock(_ id: UUID, _ unit: UnitOfWork) throws -> ProfileStore.Sealed {
    guard let sealed = try ProfileStore.locked(id, tenant: unit.context.tenant, in: unit.database) else {
      throw CustodyError(.notFound)
    }
    return sealed
  }

  private static func seal(_ profile: Profile, _ unit: UnitOfWork) throws -> ProfileStore.Sealed {
    func seal(_ value: Personal<String>?, _ field: PersonalField) throws -> [UInt8]? {
      try value.map { try unit.seal($0, as: field, row: profile.id, of: profile.subject) }
    }
    return ProfileStore.Sealed(
      id: profile.id, subject: profile.subject, subjectIsLive: true, status: profile.status,
      fullName: try unit.seal(profile.fullName, as: .profileFullName, row: profile.id, of: profile.subject),
      email: try seal(profile.email, .profileEmail), phone: try seal(profile.phone, .profilePhone),
      identity: try seal(profile.identity, .profileIdentity), country: profile.country, language: profile.language,
      version: profile.version, createdAt: profile.createdAt, updatedAt: profile.updatedAt)
  }

  private static func open(_ sealed: ProfileStore.Sealed, _ unit: UnitOfWork) throws -> Profile {
    try open(sealed) { try unit.open($0, as: $1, row: sealed.id, of: sealed.subject) }
  }

  private static func open(_ sealed: ProfileStore.Sealed, _ opener: Opener) throws -> Profile {
    try open(sealed) { try opener.open($0, as: $1, row: sealed.id, of: sealed.subject) }
  }

  private static func open(
    _ sealed: ProfileStore.Sealed, _ open: ([UInt8], PersonalField) throws -> Personal<String>
  ) throws -> Profile {
    Profile(
      id: sealed.id, subject: sealed.subject, status: sealed.status,
      fullName: try open(sealed.fullName, .profileFullName),
      email: try sealed.email.map { try open($0, .profileEmail) },
      phone: try sealed.phone.map { try open($0, .profilePhone) },
      identity: try sealed.identity.map { try open($0, .profileIdentity) }, country: sealed.country,
      language: sealed.language, version: sealed.version, createdAt: sealed.createdAt, updatedAt: sealed.updatedAt)
  }

  // MARK: What the log says of a change

  private static func tagged(_ profile: Profile) -> [(Personal<String>?, TagKind, PersonalField)] {
    [
      (profile.email, .email, .profileEmail), (profile.phone, .phone, .profilePhone),
      (profile.identity, .identity, .profileIdentity),
    ]
  }

  private static func present(_ profile: Profile) -> [PersonalField] {
    [.profileFullName] + tagged(profile).compactMap { value, _, field in value == nil ? nil : field }
  }

  private static func changed(_ old: Profile, _ new: Profile) -> [PersonalField] {
    (differ(old.fullName, new.fullName) ? [.profileFullName] : [])
      + zip(tagged(old), tagged(new)).compactMap { before, after in differ(before.0, after.0) ? after.2 : nil }
  }

  /// Whether two values differ, byte for byte: Swift's own equality takes canonical equivalents for one.
  private static func differ(_ left: Personal<String>?, _ right: Personal<String>?) -> Bool {
    left.map { Array($0.disclosed().utf8) } != right.map { Array($0.disclosed().utf8) }
  }

  private static func neutralChanges(_ old: Profile, _ new: Profile) -> [String: String] {
    // Country and language point at a person in context: that they changed is said, not to what.
    var codes: [String: String] = [:]
    if old.country != new.country { codes["country"] = "changed" }
    if old.language != new.language { codes["language"] = "changed" }
    return codes
  }
}
