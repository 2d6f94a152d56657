import FoundationEssentials
public import Signing
import StrictJSON

/// Checks one access token (RFC 9068 profile): steps 3–7 of `docs/tokens.md`, without network, clock or memory.
public struct AccessTokenVerifier: Sendable {
  /// A token taken apart, its header checked and its signature not: only good for looking up the key.
  public struct Unverified: Sendable {
    /// The issuer's name for the signing key, 1–128 bytes.
    public let keyID: String
    /// What the header says the signature is.
    public let algorithm: SignatureAlgorithm
    let jws: CompactJWS
  }

  /// The longest token taken, in bytes.
  public static let maxBytes = 8 * 1024

  private let issuer: String
  private let audience: String

  /// Sets what `iss` must equal and `aud` must contain, byte for byte; an empty text matches nothing.
  public init(issuer: String, audience: String) {
    self.issuer = issuer
    self.audience = audience
  }

  /// Steps 3–7 in one call.
  ///
  /// - Parameters:
  ///   - token: the bytes as received, at most 8 KiB.
  ///   - now: Unix seconds.
  ///   - key: finds the issuer's key by `kid`; `nil` refuses the token with `unknownKey`.
  public func verify(
    token: [UInt8], now: Int64, key: (_ keyID: String) throws(TokenError) -> VerifyingKey?
  ) throws(TokenError) -> AccessToken {
    let unverified = try parse(token)
    guard let found = try key(unverified.keyID) else { throw TokenError(.unknownKey, step: 5) }
    return try verify(unverified, with: found, now: now)
  }

  /// Steps 3 and 4: form and header.
  public func parse(_ token: [UInt8]) throws(TokenError) -> Unverified {
    let jws = try CompactJWS(token, maxBytes: Self.maxBytes, formStep: 3, headerStep: 4)
    let header = jws.header
    guard let type = header.member("typ")?.text,
      type.hasSameBytes(as: "at+jwt") || type.hasSameBytes(as: "application/at+jwt")
    else { throw TokenError(.wrongType, step: 4) }
    guard let name = header.member("alg")?.text, let algorithm = JOSEAlgorithm.named(name) else {
      throw TokenError(.algorithmNotAllowed, step: 4)
    }
    guard let keyID = header.member("kid")?.text, (1...128).contains(keyID.utf8.count) else {
      throw TokenError(.keyIDNotUsable, step: 4)
    }
    guard !header.hasMember(among: Self.refusedHeaders) else { throw TokenError(.headerNotAllowed, step: 4) }
    return Unverified(keyID: keyID, algorithm: algorithm, jws: jws)
  }

  /// Steps 5 (the key has the header's algorithm), 6 and 7: signature, then claims.
  public func verify(
    _ token: Unverified, with key: VerifyingKey, now: Int64
  ) throws(TokenError) -> AccessToken {
    guard key.algorithm == token.algorithm else { throw TokenError(.algorithmMismatch, step: 5) }
    guard token.jws.isSigned(by: key) else { throw TokenError(.badSignature, step: 6) }
    guard let claims = token.jws.claims() else { throw TokenError(.claimsNotStrict, step: 7) }
    try checkParties(claims)
    let times = try checkTimes(claims, now: now)
    return try read(claims, issued: times.issued, expires: times.expires)
  }

  /// A header that carries or points at a key, or that changes what is signed, is not one of our issuer's.
  private static let refusedHeaders = ["crit", "b64", "jwk", "jku", "x5u", "x5c"]

  private func checkParties(_ claims: JSONValue) throws(TokenError) {
    guard let stated = claims.member("iss")?.text, !issuer.utf8.isEmpty, stated.hasSameBytes(as: issuer) else {
      throw TokenError(.wrongIssuer, step: 7)
    }
    let audiences: [JSONValue]
    switch claims.member("aud") {
    case .array(let several)?: audiences = several
    case .string(let one)?: audiences = [.string(one)]
    default: throw TokenError(.wrongAudience, step: 7)
    }
    guard !audience.utf8.isEmpty, audiences.allSatisfy({ $0.text != nil }),
      audiences.contains(where: { $0.text?.hasSameBytes(as: audience) == true })
    else { throw TokenError(.wrongAudience, step: 7) }
  }

  private func checkTimes(
    _ claims: JSONValue, now: Int64
  ) throws(TokenError) -> (issued: Int64, expires: Int64) {
    guard let expires = claims.member("exp")?.wholeNumber, let issued = claims.member("iat")?.wholeNumber else {
      throw TokenError(.claimNotUsable, step: 7)
    }
    guard now < expires else { throw TokenError(.expired, step: 7) }
    let latest = now + AuthenticationPolicy.clockTolerance
    guard issued <= latest else { throw TokenError(.issuedInFuture, step: 7) }
    if let notBefore = claims.member("nbf") {
      guard let instant = notBefore.wholeNumber else { throw TokenError(.claimNotUsable, step: 7) }
      guard instant <= latest else { throw TokenError(.notYetValid, step: 7) }
    }
    return (issued, expires)
  }

  private func read(_ claims: JSONValue, issued: Int64, expires: Int64) throws(TokenError) -> AccessToken {
    guard let subject = name("sub", in: claims), let clientID = name("client_id", in: claims),
      let tokenID = name("jti", in: claims), let tenant = Self.tenant(claims.member("tenant_id"))
    else { throw TokenError(.claimNotUsable, step: 7) }
    var scopes: Set<Scope> = []
    if let claim = claims.member("scope") {
      guard let parsed = claim.text.flatMap(Scope.parse) else { throw TokenError(.claimNotUsable, step: 7) }
      scopes = parsed
    }
    guard let thumbprint = claims.member("cnf")?.member("jkt")?.text, Thumbprint.isWellFormed(thumbprint) else {
      throw TokenError(.notBound, step: 7)
    }
    return AccessToken(
      subject: subject, clientID: clientID, tenant: tenant, scopes: scopes, thumbprint: thumbprint,
      tokenID: tokenID, issued: issued, expires: expires)
  }

  /// Names are compared by others with `==`; printable ASCII is where that means the same bytes.
  private func name(_ claim: String, in claims: JSONValue) -> String? {
    claims.member(claim)?.text.flatMap { $0.isPrintableASCII(1...255) ? $0 : nil }
  }

  private static func tenant(_ claim: JSONValue?) -> UUID? {
    guard let text = claim?.text, text.utf8.count == 36 else { return nil }
    for (index, byte) in text.utf8.enumerated() {
      let isDash = byte == 0x2D
      let isHex = (0x30...0x39).contains(byte) || (0x41...0x46).contains(byte) || (0x61...0x66).contains(byte)
      guard [8, 13, 18, 23].contains(index) ? isDash : isHex else { return nil }
    }
    return UUID(uuidString: text)
  }
}
