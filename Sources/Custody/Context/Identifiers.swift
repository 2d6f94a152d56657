public import Foundation

/// The organisation whose rows a unit of work may see: row-level security's tenant.
public struct TenantID: Sendable, Hashable, CustomStringConvertible {
  /// The random identifier.
  public let uuid: UUID
  /// Wraps an identifier.
  public init(_ uuid: UUID) { self.uuid = uuid }
  /// Lower-case text, as rows and origins spell it.
  public var description: String { uuid.uuidString.lowercased() }
}

/// The random pseudonym of a person, and of the one key that seals what is held about that person.
public struct SubjectID: Sendable, Hashable, Comparable, CustomStringConvertible {
  /// The random identifier.
  public let uuid: UUID
  /// Wraps an identifier.
  public init(_ uuid: UUID) { self.uuid = uuid }
  /// Lower-case text.
  public var description: String { uuid.uuidString.lowercased() }
  /// Orders by text, so that several subjects are always locked in one order.
  public static func < (left: SubjectID, right: SubjectID) -> Bool { left.description < right.description }
}

/// Our own random identifier of whoever acts; the mapping to a token's `sub` is sealed and erasable.
public struct ActorID: Sendable, Hashable, CustomStringConvertible {
  /// The random identifier.
  public let uuid: UUID
  /// Wraps an identifier.
  public init(_ uuid: UUID) { self.uuid = uuid }
  /// Lower-case text.
  public var description: String { uuid.uuidString.lowercased() }
}
