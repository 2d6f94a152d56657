import Audit
import StrictJSON

/// A rule of profiles that was not met.
public struct ProfileError: Error, Sendable, Equatable, CustomStringConvertible {
  /// Which rule.
  public enum Code: String, Sendable {
    /// The state machine has no such transition from this status.
    case noSuchTransition = "no_such_transition"
  }

  /// Which rule.
  public let code: Code
  /// The status that the profile has.
  public let status: ProfileStatus

  init(_ code: Code, status: ProfileStatus) {
    self.code = code
    self.status = status
  }

  /// The code and the status.
  public var description: String { "profile: \(code.rawValue) from \(status.rawValue)" }
}

extension ProfileTransition {
  /// What the log calls it.
  var action: AuditAction {
    switch self {
    case .activate: .profileActivated
    case .lock: .profileLocked
    case .unlock: .profileUnlocked
    case .deactivate: .profileDeactivated
    }
  }
}
