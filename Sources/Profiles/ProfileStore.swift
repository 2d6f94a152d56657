import Custody
import Foundation
import Postgres
import Schema

/// Profiles in the data database. The only SQL that touches them.
enum ProfileStore {
  /// A profile as it is stored: its personal fields sealed.
  struct Sealed: Sendable {
    let id: UUID
    let subject: SubjectID
    let subjectIsLive: Bool
    let status: ProfileStatus
    let fullName: [UInt8]
    let email: [UInt8]?
    let phone: [UInt8]?
    let identity: [UInt8]?
    let country: String?
    let language: String?
    let version: Int64
    let createdAt: Int64
    let updatedAt: Int64
  }

  private static let columns: SQL = """
    p.id, p.subject_id, s.state = 'live' AS live, p.status, p.full_name_sealed, p.email_sealed, p.phone_sealed,
    p.identity_sealed, p.country, p.language, p.version, p.created_at, p.updated_at
    FROM user_profiles.profiles p
    JOIN custody.subjects s ON s.tenant_id = p.tenant_id AND s.subject_id = p.subject_id
    """

  /// One profile of the tenant.
  static func byID(_ id: UUID, tenant: TenantID) -> SQL {
    "SELECT \(columns) WHERE p.tenant_id = \(tenant.uuid) AND p.id = \(id)"
  }

  /// The profiles of those persons.
  static func bySubjects(_ subjects: [SubjectID], tenant: TenantID) -> SQL {
    "SELECT \(columns) WHERE p.tenant_id = \(tenant.uuid) AND p.subject_id = ANY(\(subjects.map(\.uuid)))"
  }

  /// A page of live profiles, by id.
  static func page(_ filter: ProfileFilter, after: UUID?, limit: Int, tenant: TenantID) -> SQL {
    """
    SELECT \(columns)
    WHERE p.tenant_id = \(tenant.uuid) AND s.state = 'live'
      AND (\(after) IS NULL OR p.id > \(after))
      AND (\(filter.status?.rawValue) IS NULL OR p.status = \(filter.status?.rawValue))
      AND (\(filter.country) IS NULL OR p.country = \(filter.country))
      AND (\(filter.language) IS NULL OR p.language = \(filter.language))
    ORDER BY p.id LIMIT \(limit)
    """
  }

  /// One profile, held until the transaction ends.
  static func locked(_ id: UUID, tenant: TenantID, in transaction: Transaction) throws -> Sealed? {
    try transaction.query("\(byID(id, tenant: tenant)) FOR UPDATE OF p").first.map(decode)
  }

  /// A row of the queries above.
  static func decode(_ row: Row) throws -> Sealed {
    Sealed(
      id: try row.decode("id", as: UUID.self), subject: SubjectID(try row.decode("subject_id", as: UUID.self)),
      subjectIsLive: try row.decode("live", as: Bool.self),
      status: ProfileStatus(rawValue: try row.decode("status", as: String.self)) ?? .inactive,
      fullName: try row.decode("full_name_sealed", as: [UInt8].self),
      email: try row.decode("email_sealed", as: [UInt8]?.self),
      phone: try row.decode("phone_sealed", as: [UInt8]?.self),
      identity: try row.decode("identity_sealed", as: [UInt8]?.self),
      country: try row.decode("country", as: String?.self), language: try row.decode("language", as: String?.self),
      version: try row.decode("version", as: Int64.self), createdAt: try row.decode("created_at", as: Int64.self),
      updatedAt: try row.decode("updated_at", as: Int64.self))
  }

  /// Adds a profile.
  static func insert(_ profile: Sealed, tenant: TenantID, in transaction: Transaction) throws {
    try transaction.execute(
      """
      INSERT INTO user_profiles.profiles
        (tenant_id, id, subject_id, status, full_name_sealed, email_sealed, phone_sealed, identity_sealed, country,
         language, version, created_at, updated_at)
      VALUES (\(tenant.uuid), \(profile.id), \(profile.subject.uuid), \(profile.status.rawValue), \(profile.fullName),
              \(profile.email), \(profile.phone), \(profile.identity), \(profile.country), \(profile.language),
              \(profile.version), \(profile.createdAt), \(profile.updatedAt))
      """)
  }

  /// Writes a changed profile over the version it was made from; false when that one is gone.
  static func update(_ profile: Sealed, tenant: TenantID, in transaction: Transaction) throws -> Bool {
    try transaction.execute(
      """
      UPDATE user_profiles.profiles
      SET status = \(profile.status.rawValue), full_name_sealed = \(profile.fullName), email_sealed = \(profile.email),
          phone_sealed = \(profile.phone), identity_sealed = \(profile.identity), country = \(profile.country),
          language = \(profile.language), version = \(profile.version), updated_at = \(profile.updatedAt)
      WHERE tenant_id = \(tenant.uuid) AND id = \(profile.id) AND version = \(profile.version - 1)
      """) == 1
  }
}

/// What a list of profiles may be filtered by: nothing personal.
public struct ProfileFilter: Sendable {
  /// Only this status.
  public let status: ProfileStatus?
  /// Only this country.
  public let country: String?
  /// Only this language.
  public let language: String?

  /// Nil does not filter.
  public init(status: ProfileStatus? = nil, country: String? = nil, language: String? = nil) {
    self.status = status
    self.country = country
    self.language = language
  }
}
