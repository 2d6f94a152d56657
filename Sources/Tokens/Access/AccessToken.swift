public import FoundationEssentials

/// The claims of an access token whose signature, issuer, audience and times have been checked.
///
/// It says nothing yet about who sent it: that takes a proof by the key it is bound to.
public struct AccessToken: Sendable, Hashable, CustomStringConvertible, CustomReflectable {
  /// `sub`: 1–255 bytes of printable ASCII.
  public let subject: String
  /// `client_id`: 1–255 bytes of printable ASCII.
  public let clientID: String
  /// `tenant_id`.
  public let tenant: UUID
  /// `scope`; empty when the claim is absent.
  public let scopes: Set<Scope>
  /// `cnf.jkt`: the RFC 7638 thumbprint of the key that must sign each request's proof.
  public let thumbprint: String
  /// `jti`: 1–255 bytes of printable ASCII.
  public let tokenID: String
  /// `iat`, Unix seconds.
  public let issued: Int64
  /// `exp`, Unix seconds: the first second at which the token is no longer valid.
  public let expires: Int64

  /// The type's name; claims identify people and never appear in a log by accident.
  public var description: String { "AccessToken" }
  /// Empty, so that `dump` shows no claim either.
  public var customMirror: Mirror { Mirror(self, children: []) }
}
