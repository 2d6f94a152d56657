import Audit
import Foundation
import Postgres
import Vault

extension Custody {
  /// Binds the vault database to the keyring at the first start. Throws `.keyMissing` when the vault belongs to
  /// another installation: its keys would not open, and new ones must not be mixed in.
  public func bindVault() async throws {
    try await translating {
      let bound = try await keyStore.bind(
        installation: keyring.installation, epochs: keyring.epochs.map(\.number), at: Microseconds.now())
      guard bound else { throw CustodyError(.keyMissing, field: "installation") }
    }
  }

  /// Every tenant, oldest first.
  public func tenants() async throws -> [Tenant] {
    try await translating { try await worker.read(TenantStore.all).map(TenantStore.decode) }
  }

  /// Adds a tenant: its secret in the vault, its row, its log with a first entry. False when it is there already.
  public func createTenant(_ tenant: Tenant) async throws -> Bool {
    try await translating {
      try await keys.createTenantSecret(tenant.id)
      let context = AccessContext.operation(tenant.id)
      let origin = origin(of: tenant.id)
      return try await operate(context) { unit in
        guard try TenantStore.insert(tenant, at: unit.now, in: unit.database) else { return false }
        try AuditLogStore.createHead(tenant: tenant.id, origin: origin, in: unit.database)
        unit.record(.logStarted)
        return true
      }
    }
  }

  /// How many live keys each epoch wraps, over all tenants.
  public func liveKeys() async throws -> [Int32: Int64] {
    var total: [Int32: Int64] = [:]
    for tenant in try await tenants() {
      let counts = try await translating { try await keyStore.liveKeys(tenant: tenant.id) }
      total.merge(counts, uniquingKeysWith: +)
    }
    return total
  }
}
