public import Redaction
public import Foundation

/// A page of profiles.
public struct ProfilePage: Sendable {
  /// The profiles, by id.
  public let profiles: [Profile]
  /// Where the next page begins; nil at the end.
  public let next: UUID?
}

/// An exact search. The value is normalised like the one that was stored.
public enum ProfileQuery: Sendable {
  /// By e-mail address.
  case email(Personal<String>)
  /// By telephone number.
  case phone(Personal<String>)
}
