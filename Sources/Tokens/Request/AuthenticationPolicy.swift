/// Whom to believe, and as whom: what an operator configures about authentication.
///
/// Every request needs a bound token and a fresh proof. There is no setting to change that.
public struct AuthenticationPolicy: Sendable, Hashable {
  /// The only `iss` taken, compared byte for byte; an empty text matches nothing.
  public let issuer: String
  /// What `aud` must contain, compared byte for byte; an empty text matches nothing.
  public let audience: String
  /// The origin that proofs must name.
  public let origin: ExternalOrigin

  /// Seconds for which a proof is good after its `iat`, that second included.
  public static let proofLifetime: Int64 = 60
  /// Seconds by which another clock may run ahead of ours; an expiry is never extended by it.
  public static let clockTolerance: Int64 = 10

  /// Puts the three together.
  public init(issuer: String, audience: String, origin: ExternalOrigin) {
    self.issuer = issuer
    self.audience = audience
    self.origin = origin
  }
}
