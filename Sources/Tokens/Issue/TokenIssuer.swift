public import FoundationEssentials
public import Signing
import StrictJSON

/// Issues access tokens in the form this service takes (RFC 9068, bound as RFC 9449 §6.1): for development and tests.
public struct TokenIssuer: Sendable {
  private let issuer: String
  private let audience: String
  private let keyID: String
  private let key: SigningKey

  /// Sets `iss`, `aud`, `kid` and the key, whose public half the issuer publishes under `keyID` (see ``jwk``).
  public init(issuer: String, audience: String, keyID: String, key: SigningKey) {
    self.issuer = issuer
    self.audience = audience
    self.keyID = keyID
    self.key = key
  }

  /// The public key as the issuer's key set names it.
  public var jwk: JWK { JWK(key.publicKey, keyID: keyID) }

  /// An `at+jwt` with exactly `iss`, `aud`, `sub`, `client_id`, `jti`, `iat`, `exp`, `tenant_id`, `scope`, `cnf.jkt`.
  ///
  /// - Parameters:
  ///   - subject: 1–255 bytes of printable ASCII, as `clientID`.
  ///   - thumbprint: the client key's, 43 characters (``ProofSigner/thumbprint``); there are no unbound tokens.
  ///   - lifetime: seconds from `now` to `exp`, at least 1 and at most a day.
  ///   - now: Unix seconds, for `iat`.
  ///
  /// Throws `argumentNotAllowed` for anything that ``AccessTokenVerifier`` would refuse, and `signingFailed`.
  public func accessToken(
    subject: String, clientID: String, tenant: UUID, scopes: Set<Scope>, boundTo thumbprint: String,
    lifetime: Int64, now: Int64
  ) throws(TokenError) -> String {
    guard subject.isPrintableASCII(1...255), clientID.isPrintableASCII(1...255), (1...128).contains(keyID.utf8.count),
      Thumbprint.isWellFormed(thumbprint), (1...86_400).contains(lifetime)
    else { throw TokenError(.argumentNotAllowed) }
    let header = JSONValue.object([
      JSONMember("typ", .string("at+jwt")),
      JSONMember("alg", .string(key.publicKey.algorithm.rawValue)),
      JSONMember("kid", .string(keyID)),
    ])
    let claims = JSONValue.object([
      JSONMember("iss", .string(issuer)),
      JSONMember("aud", .string(audience)),
      JSONMember("sub", .string(subject)),
      JSONMember("client_id", .string(clientID)),
      JSONMember("jti", .string(RandomName.make())),
      JSONMember("iat", .integer(now)),
      JSONMember("exp", .integer(now + lifetime)),
      JSONMember("tenant_id", .string(tenant.uuidString.lowercased())),
      JSONMember("scope", .string(Scope.claim(scopes))),
      JSONMember("cnf", .object([JSONMember("jkt", .string(thumbprint))])),
    ])
    return try CompactJWS.sign(header: header, claims: claims, with: key)
  }
}
