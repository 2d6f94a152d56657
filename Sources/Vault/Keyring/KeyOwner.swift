public import Foundation

/// Whom a wrapped key belongs to. It unwraps for no other owner.
public struct KeyOwner: Sendable, Hashable {
  /// What the key is for. The raw value is part of what a wrapping is bound to, and of the vault's rows.
  public enum Kind: UInt8, Sendable, Hashable, CaseIterable {
    /// A person's key, which seals that person's fields.
    case subject = 1
    /// A tenant's secret, from which its index keys derive.
    case tenant = 2
    /// A key that ends at a fixed time.
    case expiring = 3
    /// A key for what must outlive an erasure, while a law says so.
    case hold = 4
  }

  /// What the key is for.
  public let kind: Kind
  /// The tenant in whose vault rows it is.
  public let tenant: UUID
  /// The key's own id within tenant and kind: of the subject, of the tenant, or a random one.
  public let id: UUID

  /// Names an owner.
  public init(kind: Kind, tenant: UUID, id: UUID) {
    self.kind = kind
    self.tenant = tenant
    self.id = id
  }

  func associatedData(_ epoch: EpochNumber, _ suite: Suite) -> AssociatedData {
    var data = AssociatedData(domain: "lethe/wrap/v1")
    data.append(part: kind.rawValue)
    data.append(part: tenant)
    data.append(part: id)
    data.append(part: epoch.rawValue)
    data.append(part: suite.rawValue)
    return data
  }
}
