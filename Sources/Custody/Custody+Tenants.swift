import Audit
import Foundation
import Postgres
import Vault

extension Custody {
  /// Binds both databases to the keyring at the first start. Throws `.keyMissing` when the vault belongs to
  /// another installation: its keys would not open, and new ones must not be mixed in.
  public func bindVault() async throws {
    try await translating {
      let bound = try await keyStore.bind(
        installation: keyring.installation, epochs: keyring.epochs.map(\.number), at: Microseconds.now())
      guard bound else { throw CustodyError(.keyMissing, field: "installation") }
      let epochs = keyring.epochs.map(\.number)
      try await worker.transaction { try EpochStore.bind(epochs, at: Microseconds.now(), in: $0) }
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
}
