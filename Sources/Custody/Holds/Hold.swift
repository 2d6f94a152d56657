public import Foundation
public import Redaction
public import Schema

/// Fields of one person that outlive the person's erasure under a key of their own, because a law says so.
///
/// Until the erasure a hold is only a note. At the erasure the fields are sealed again under the hold's key, in the
/// transaction that tombstones the person; the person's own key is destroyed all the same. Releasing a hold destroys
/// its key.
public struct Hold: Sendable, Hashable {
  /// Its random id, and that of its key.
  public let id: UUID
  /// Whose fields.
  public let subject: SubjectID
  /// Which fields, by their numbers.
  public let fields: [PersonalField]
  /// Why, as a code: 1 to 64 lower-case letters, digits and underscores.
  public let basis: String
  /// When it is released by itself, microseconds since the Unix epoch; nil when only an operator releases it.
  public let keepUntil: Int64?
  /// When it was placed, microseconds since the Unix epoch.
  public let placedAt: Int64
  /// When its fields were sealed under its key: at the person's erasure.
  public let sealedAt: Int64?
  /// When its key was destroyed and its values deleted.
  public let releasedAt: Int64?

  /// How far a hold has come.
  public enum State: String, Sendable {
    /// Waits for an erasure.
    case placed
    /// The person is erased, and the fields are under the hold's key.
    case sealed
    /// Over: nothing is kept any more.
    case released
  }

  /// How far it has come.
  public var state: State { releasedAt != nil ? .released : sealedAt != nil ? .sealed : .placed }

  /// The fields that can be held: those that are sealed under their subject's own key.
  public static let holdable: [PersonalField] = PersonalField.allCases.filter { field in
    DataRegistry.sealedColumns.contains { $0.field == field }
  }
}

/// One value that a hold keeps.
public struct HeldValue: Sendable {
  /// What it was.
  public let field: PersonalField
  /// The id of the row that it was in.
  public let row: UUID
  /// The value.
  public let value: Personal<String>
}

/// A field that was kept although its person was erased, and why: what a certificate says of it.
public struct HoldExemption: Sendable, Hashable {
  /// Which field.
  public let field: PersonalField
  /// The hold's basis.
  public let basis: String
}
