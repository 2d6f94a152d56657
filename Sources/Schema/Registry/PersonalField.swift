/// A sealed field, by the immutable number that binds an envelope to it.
///
/// The number, not the column's name, is part of every envelope's associated data, so a column can be renamed
/// without bricking what was sealed in it. A number is never given to another field, even when the first is gone.
public enum PersonalField: UInt16, Sendable, Hashable, CaseIterable {
  /// A profile's full name.
  case profileFullName = 1
  /// A profile's e-mail address.
  case profileEmail = 2
  /// A profile's telephone number.
  case profilePhone = 3
  /// The identity service's identifier of the person (`sub`).
  case profileIdentity = 4
  /// An actor's identifier at the token issuer (`sub`).
  case actorIdentity = 100
  /// What an officer noted when a request was opened.
  case requestNote = 200
  /// The package that answers an access request, sealed under a key of its own.
  case accessPackage = 201
  /// An answer kept for the repetition of a request with the same Idempotency-Key.
  case idempotentAnswer = 300
  /// A value that outlives an erasure, sealed under its hold's key.
  case heldValue = 301

  /// The name by which audit entries and packages speak of the field; never its value.
  public var name: String {
    switch self {
    case .profileFullName: "full_name"
    case .profileEmail: "email"
    case .profilePhone: "phone"
    case .profileIdentity: "identity"
    case .actorIdentity: "actor_identity"
    case .requestNote: "request_note"
    case .accessPackage: "access_package"
    case .idempotentAnswer: "idempotent_answer"
    case .heldValue: "held_value"
    }
  }
}
