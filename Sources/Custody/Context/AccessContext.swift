public import Foundation

/// On whose behalf personal data is touched, and why. Every unit of work takes one: there is no way to reach a row
/// without naming the tenant, the actor and the purpose.
public struct AccessContext: Sendable {
  /// The tenant of the caller's token.
  public let tenant: TenantID
  /// Who acts.
  public let actor: ActorID
  /// The purpose of the access, as a code (`profile_administration`, `subject_request`, `self_service`, …).
  public let purpose: Purpose
  /// The request's identifier, made by us.
  public let requestID: UUID
  /// The W3C trace id, 32 lower-case hex digits, when the caller sent one.
  public let traceID: String?

  /// Describes one access.
  public init(tenant: TenantID, actor: ActorID, purpose: Purpose, requestID: UUID, traceID: String? = nil) {
    self.tenant = tenant
    self.actor = actor
    self.purpose = purpose
    self.requestID = requestID
    self.traceID = traceID
  }

  /// The service acts for itself in a tenant; the tenant's own id stands for the actor.
  public static func operation(_ tenant: TenantID) -> AccessContext {
    AccessContext(tenant: tenant, actor: ActorID(tenant.uuid), purpose: .operation, requestID: UUID())
  }

  /// The same access for another purpose.
  public func with(purpose: Purpose) -> AccessContext {
    AccessContext(tenant: tenant, actor: actor, purpose: purpose, requestID: requestID, traceID: traceID)
  }
}

/// Why personal data is touched; a closed list of codes, so that no free text reaches the log.
public enum Purpose: String, Sendable, Hashable, CaseIterable {
  /// Keeping profiles up to date.
  case profileAdministration = "profile_administration"
  /// The person looks at their own data.
  case selfService = "self_service"
  /// A data subject's request is handled.
  case subjectRequest = "subject_request"
  /// The log is looked at: by an auditor, an officer or a witness.
  case audit
  /// The service acts for itself: start-up, recovery, publication.
  case operation = "operation"
}
