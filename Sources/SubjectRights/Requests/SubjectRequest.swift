public import Custody
public import Foundation
import Redaction

/// A data subject's request, as an officer handles it.
public struct SubjectRequest: Sendable, Equatable {
  /// The request's random id.
  public let id: UUID
  /// What is asked for.
  public let type: RequestType
  /// How far it is.
  public let state: RequestState
  /// Whom it is about.
  public let subject: SubjectID
  /// The person's profile.
  public let profile: UUID
  /// ISO 3166-1 alpha-2 of the law that applies, where it was said.
  public let jurisdiction: String?
  /// How the person's identity was verified.
  public let verificationMethod: VerificationMethod?
  /// Who opened it.
  public let openedBy: ActorID
  /// Who verified the person's identity.
  public let verifiedBy: ActorID?
  /// Who approved it: never the opener.
  public let approvedBy: ActorID?
  /// Who ordered its execution.
  public let executedBy: ActorID?
  /// Microseconds since the Unix epoch.
  public let openedAt: Int64
  /// Microseconds since the Unix epoch.
  public let verifiedAt: Int64?
  /// Microseconds since the Unix epoch.
  public let approvedAt: Int64?
  /// Microseconds since the Unix epoch.
  public let executedAt: Int64?
  /// Microseconds since the Unix epoch.
  public let completedAt: Int64?
  /// Counts changes from 1.
  public let version: Int64
}

/// What a person may ask for, as far as it can be executed here.
public enum RequestType: String, Sendable, CaseIterable {
  /// Everything held about the person, and who read it (GDPR 15).
  case access
  /// The same in a machine-readable form to take along (GDPR 20).
  case portability
  /// To be forgotten (GDPR 17).
  case erasure
}

/// How far a request is.
public enum RequestState: String, Sendable, CaseIterable {
  /// Opened; the person's identity is not verified.
  case received
  /// Verified; may be executed.
  case verified
  /// Verified; a second person has to approve.
  case needsApproval = "needs_approval"
  /// Approved; may be executed.
  case approved
  /// Being carried out.
  case executing
  /// Done, in every system.
  case completed
}

/// How a person's identity was verified.
public enum VerificationMethod: String, Sendable, CaseIterable {
  /// The person was logged in.
  case login
  /// An identity document was checked.
  case document
  /// The person was there.
  case inPerson = "in_person"
  /// The person was called back on a number that was known before.
  case callback
}

/// How far an erasure is, and what it left behind.
public struct ErasureProgress: Sendable, Equatable {
  /// The last step that is committed.
  public let step: ErasureStep
  /// The live erasure time, when the key was destroyed; microseconds since the Unix epoch.
  public let destroyedAt: Int64?
  /// The position of `erasure.completed` in the tenant's log.
  public let completedSequence: Int64?
  /// The newest epoch that existed when the key was destroyed.
  public let keyEpoch: Int32?
  /// `YYYY-MM-DD`, as the newest certificate says it: by when no backup of the key is of use, or since when none is.
  public let keyBackupsDeadBy: String?
  /// The stage of the newest certificate; nil while there is none.
  public let certificate: CertificateStage?

  /// Whether a certificate is there.
  public var isCertified: Bool { certificate != nil }
}

/// The stage of an erasure's certificate.
public enum CertificateStage: String, Sendable {
  /// Erased live; backups of the key die by the date given, once one is promised.
  case issued
  /// The epoch's key is destroyed: backups of the key are dead, too.
  case final
}

/// A rule of subject rights that was not met.
public struct SubjectRightsError: Error, Sendable, Equatable, CustomStringConvertible {
  /// Which rule.
  public enum Code: String, Sendable {
    /// The request is in a state from which this can't be done.
    case wrongState = "wrong_state"
    /// Whoever opened the request asks to approve it.
    case sameOfficer = "same_officer"
    /// An erasure of this subject is on its way by another request.
    case alreadyOrdered = "already_ordered"
    /// The package's time has passed.
    case packageExpired = "package_expired"
    /// The request has no package or certificate, or not yet.
    case notReady = "not_ready"
  }

  /// Which rule.
  public let code: Code
  /// The state that the request has.
  public let state: RequestState?

  init(_ code: Code, state: RequestState? = nil) {
    self.code = code
    self.state = state
  }

  /// The code and the state.
  public var description: String { "subject rights: \(code.rawValue)\(state.map { " in \($0.rawValue)" } ?? "")" }
}
