public import Signing
import StrictJSON

/// The client's side of DPoP (RFC 9449 §4.2): a fresh proof for each request.
public struct ProofSigner: Sendable {
  /// RFC 7638 thumbprint of the key, to be named as `cnf.jkt` by whoever issues the token.
  public let thumbprint: String
  private let key: SigningKey

  /// Signs with this key, which never leaves the process.
  public init(key: SigningKey) {
    self.key = key
    thumbprint = Thumbprint.of(key.publicKey)
  }

  /// A `dpop+jwt` for exactly one request; a retry needs another one.
  ///
  /// - Parameters:
  ///   - method: the method as it will stand on the request line.
  ///   - url: the absolute URL; its query and fragment are left out of `htu`.
  ///   - accessToken: the token that the request will carry, for `ath`.
  ///   - nonce: what the server asked for in `DPoP-Nonce`, if it did.
  ///   - now: Unix seconds, for `iat`.
  ///
  /// Throws `argumentNotAllowed` for a URL that is not `http` or `https`, and `signingFailed`.
  public func proof(
    method: String, url: String, accessToken: String, nonce: String? = nil, now: Int64
  ) throws(TokenError) -> String {
    guard NormalisedURL(url) != nil, !method.utf8.isEmpty else { throw TokenError(.argumentNotAllowed) }
    let target = String(decoding: url.utf8.prefix { $0 != 0x3F && $0 != 0x23 }, as: UTF8.self)
    let header = JSONValue.object([
      JSONMember("typ", .string("dpop+jwt")),
      JSONMember("alg", .string(key.publicKey.algorithm.rawValue)),
      JSONMember("jwk", .object(JWK(key.publicKey).requiredMembers)),
    ])
    var claims = [
      JSONMember("jti", .string(RandomName.make())),
      JSONMember("htm", .string(method)),
      JSONMember("htu", .string(target)),
      JSONMember("iat", .integer(now)),
      JSONMember("ath", .string(ProofVerifier.hash(Array(accessToken.utf8)))),
    ]
    if let nonce { claims.append(JSONMember("nonce", .string(nonce))) }
    return try CompactJWS.sign(header: header, claims: .object(claims), with: key)
  }
}
