public import FoundationEssentials

/// Who is calling: the outcome of a request that passed every step.
public struct Principal: Sendable, Hashable, CustomStringConvertible, CustomReflectable {
  /// `sub`: the person or service, as the issuer names it.
  public let subject: String
  /// `client_id`: the application that acts for the subject.
  public let clientID: String
  /// The one tenant whose data this caller may touch.
  public let tenant: UUID
  /// What the token allows.
  public let scopes: Set<Scope>
  /// RFC 7638 thumbprint of the caller's key.
  public let thumbprint: String
  /// `jti` of the access token.
  public let tokenID: String
  /// `exp` of the access token, Unix seconds.
  public let expires: Int64

  /// Puts a principal together directly; outside of tests, ``Authenticator`` does.
  public init(
    subject: String, clientID: String, tenant: UUID, scopes: Set<Scope>, thumbprint: String, tokenID: String,
    expires: Int64
  ) {
    self.subject = subject
    self.clientID = clientID
    self.tenant = tenant
    self.scopes = scopes
    self.thumbprint = thumbprint
    self.tokenID = tokenID
    self.expires = expires
  }

  init(_ token: AccessToken) {
    self.init(
      subject: token.subject, clientID: token.clientID, tenant: token.tenant, scopes: token.scopes,
      thumbprint: token.thumbprint, tokenID: token.tokenID, expires: token.expires)
  }

  /// The type's name; who is calling is written to the audit log, not to this one.
  public var description: String { "Principal" }
  /// Empty, so that `dump` names nobody either.
  public var customMirror: Mirror { Mirror(self, children: []) }
}
