import Foundation
import Postgres

/// Tenants in the data database. The only SQL that touches them.
enum TenantStore {
  /// Adds a tenant; false when it is there.
  static func insert(_ tenant: Tenant, at now: Int64, in transaction: Transaction) throws -> Bool {
    try transaction.execute(
      """
      INSERT INTO custody.tenants (id, kind, name, created_at)
      VALUES (\(tenant.id.uuid), \(tenant.kind.rawValue), \(tenant.name), \(now)) ON CONFLICT DO NOTHING
      """) == 1
  }

  /// Every tenant, oldest first; only the worker's role sees more than one.
  static let all: SQL = "SELECT id, kind, name FROM custody.tenants ORDER BY created_at, id"

  /// A row of ``all``.
  static func decode(_ row: Row) throws -> Tenant {
    Tenant(
      id: TenantID(try row.decode("id", as: UUID.self)),
      kind: Tenant.Kind(rawValue: try row.decode("kind", as: String.self)) ?? .platform,
      name: try row.decode("name", as: String.self))
  }
}

/// An organisation whose people's data is kept apart from everybody else's.
public struct Tenant: Sendable, Hashable {
  /// What the organisation is to the platform.
  public enum Kind: String, Sendable, CaseIterable {
    /// A shop with customers.
    case merchant
    /// An administrator or owners' board of condominiums.
    case condominium
    /// The platform's operator.
    case platform
  }

  /// Its random identifier: the `tenant_id` of tokens.
  public let id: TenantID
  /// What it is.
  public let kind: Kind
  /// Its display name, 1 to 120 characters; an organisation's, not a person's.
  public let name: String

  /// Describes a tenant.
  public init(id: TenantID, kind: Kind, name: String) {
    self.id = id
    self.kind = kind
    self.name = name
  }
}
