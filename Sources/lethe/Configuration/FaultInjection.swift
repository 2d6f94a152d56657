import Foundation
import SubjectRights

/// Ends the process the hard way after a named step of an erasure, so that tests can walk the steps. Debug builds
/// only: a release build has no such switch.
enum FaultInjection {
  /// The hook for ``ProfilesAPI/Server``.
  static func afterStep(_ environment: Environment) -> @Sendable (ErasureStep) -> Void {
    #if DEBUG
      guard let name = environment.text("LETHE_KILL_AFTER"), let fatal = ErasureStep(rawValue: name) else {
        return { _ in }
      }
      return { step in
        if step == fatal { kill(getpid(), SIGKILL) }
      }
    #else
      return { _ in }
    #endif
  }
}
