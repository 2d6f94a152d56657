public import Foundation

/// Where a sealed value belongs. An envelope opens only at the address it was sealed at.
public struct FieldAddress: Sendable, Hashable {
  /// The organisation whose database row it is.
  public let tenant: UUID
  /// The person whose key seals it.
  public let subject: UUID
  /// The row's primary key.
  public let row: UUID
  /// The field's number in the registry of columns. It never changes, so that a column can be renamed.
  public let field: UInt16

  /// Names one field of one row of one subject of one tenant.
  public init(tenant: UUID, subject: UUID, row: UUID, field: UInt16) {
    self.tenant = tenant
    self.subject = subject
    self.row = row
    self.field = field
  }

  func associatedData(_ suite: Suite) -> AssociatedData {
    var data = AssociatedData(domain: "lethe/field/v1")
    data.append(part: tenant)
    data.append(part: subject)
    data.append(part: row)
    data.append(part: field)
    data.append(part: suite.rawValue)
    return data
  }
}
