public import Custody
public import Redaction
public import Foundation

/// A person's profile, opened: the canonical record that the organisation keeps of a person.
public struct Profile: Sendable {
  /// The row's random id.
  public let id: UUID
  /// The person's pseudonym.
  public let subject: SubjectID
  /// Where the profile is in its life.
  public let status: ProfileStatus
  /// At most 140 characters.
  public let fullName: Personal<String>
  /// RFC 5322 addr-spec, normalised.
  public let email: Personal<String>?
  /// E.164.
  public let phone: Personal<String>?
  /// The identity service's `sub` of the person, when the person can log in.
  public let identity: Personal<String>?
  /// ISO 3166-1 alpha-2.
  public let country: String?
  /// One of ``ProfileRules/languages``.
  public let language: String?
  /// Counts changes from 1; the entity tag.
  public let version: Int64
  /// Microseconds since the Unix epoch.
  public let createdAt: Int64
  /// Microseconds since the Unix epoch.
  public let updatedAt: Int64
}

/// Where a profile is in its life.
public enum ProfileStatus: String, Sendable, CaseIterable {
  /// Created, not yet activated.
  case pending
  /// In use.
  case active
  /// Blocked for the time being.
  case locked
  /// Out of use.
  case inactive
}

/// A change of status that somebody may ask for.
public enum ProfileTransition: String, Sendable, CaseIterable {
  /// To `active`, from `pending` or `inactive`.
  case activate
  /// To `locked`, from `active`.
  case lock
  /// To `active`, from `locked`.
  case unlock
  /// To `inactive`, from `pending`, `active` or `locked`.
  case deactivate

  /// Where it leads from `status`; nil where there is no such transition.
  public func target(from status: ProfileStatus) -> ProfileStatus? {
    switch (self, status) {
    case (.activate, .pending), (.activate, .inactive), (.unlock, .locked): .active
    case (.lock, .active): .locked
    case (.deactivate, .pending), (.deactivate, .active), (.deactivate, .locked): .inactive
    default: nil
    }
  }
}
