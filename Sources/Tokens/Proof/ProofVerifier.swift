import Signing
import StrictJSON

/// Checks one proof against one request and one token: steps 9 (length) to 18 of `docs/tokens.md`, without memory.
///
/// Whether the proof was used before is not decided here; see ``ReplayStore``.
public struct ProofVerifier: Sendable {
  /// The longest proof taken, in bytes.
  public static let maxBytes = 4 * 1024

  private let origin: ExternalOrigin

  /// Sets the origin that every `htu` must name; what the request says about its host has no part in it.
  public init(origin: ExternalOrigin) {
    self.origin = origin
  }

  /// Checks a proof.
  ///
  /// - Parameters:
  ///   - proof: the bytes of the `DPoP` field as received, at most 4 KiB.
  ///   - method: the request's method, compared byte for byte.
  ///   - rawTarget: the undecoded request target in origin form; its query is not covered by a proof.
  ///   - accessToken: the token's bytes as received.
  ///   - thumbprint: the token's `cnf.jkt`.
  ///   - now: Unix seconds.
  public func verify(
    _ proof: [UInt8], method: String, rawTarget: String, accessToken: [UInt8], boundTo thumbprint: String,
    now: Int64
  ) throws(TokenError) -> DPoPProof {
    let jws = try parse(proof)
    let key = try self.key(of: jws)
    guard jws.isSigned(by: key) else { throw TokenError(.badSignature, step: 12) }
    let claims = try Claims(jws, now: now)
    guard claims.method.hasSameBytes(as: method) else { throw TokenError(.wrongMethod, step: 14) }
    guard let expected = origin.normalised(rawTarget: rawTarget), let stated = NormalisedURL(claims.url),
      expected == stated
    else { throw TokenError(.wrongURL, step: 15) }
    guard claims.tokenHash.hasSameBytes(as: Self.hash(accessToken)) else { throw TokenError(.wrongToken, step: 16) }
    let own = Thumbprint.of(key)
    guard own.hasSameBytes(as: thumbprint) else { throw TokenError(.wrongKey, step: 17) }
    let window = (now - AuthenticationPolicy.proofLifetime)...(now + AuthenticationPolicy.clockTolerance)
    guard window.contains(claims.issued) else { throw TokenError(.outsideWindow, step: 18) }
    return DPoPProof(
      thumbprint: own, identifier: SHA256Digest.hash(Array(claims.identifier.utf8)), issued: claims.issued)
  }

  /// `ath`: base64url of SHA-256 over the token's bytes (RFC 9449 §4.2).
  static func hash(_ accessToken: [UInt8]) -> String {
    StrictBase64.encode(SHA256Digest.hash(accessToken).bytes, .url)
  }

  private func parse(_ proof: [UInt8]) throws(TokenError) -> CompactJWS {
    guard proof.count <= Self.maxBytes else { throw TokenError(.tooLong, step: 9) }
    let jws = try CompactJWS(proof, maxBytes: Self.maxBytes, formStep: 10, headerStep: 10)
    guard let type = jws.header.member("typ")?.text, type.hasSameBytes(as: "dpop+jwt") else {
      throw TokenError(.wrongType, step: 10)
    }
    guard !jws.header.hasMember(among: ["crit", "b64"]) else { throw TokenError(.headerNotAllowed, step: 10) }
    return jws
  }

  private func key(of jws: CompactJWS) throws(TokenError) -> VerifyingKey {
    guard let name = jws.header.member("alg")?.text, let algorithm = JOSEAlgorithm.named(name) else {
      throw TokenError(.algorithmNotAllowed, step: 10)
    }
    guard let jwk = jws.header.member("jwk"), jwk.isObject else { throw TokenError(.keyMissing, step: 10) }
    let key: VerifyingKey
    do {
      key = try JWK(parsing: jwk).key
    } catch {
      throw error.at(step: 11)
    }
    guard key.algorithm == algorithm else { throw TokenError(.algorithmMismatch, step: 11) }
    return key
  }
}

extension ProofVerifier {
  /// Step 13: what must be there, and the optional times.
  private struct Claims {
    let identifier: String
    let method: String
    let url: String
    let issued: Int64
    let tokenHash: String

    init(_ jws: CompactJWS, now: Int64) throws(TokenError) {
      guard let claims = jws.claims() else { throw TokenError(.claimsNotStrict, step: 13) }
      guard let identifier = claims.member("jti")?.text, (1...128).contains(identifier.utf8.count),
        let method = claims.member("htm")?.text, let url = claims.member("htu")?.text,
        let issued = claims.member("iat")?.wholeNumber, let tokenHash = claims.member("ath")?.text
      else { throw TokenError(.claimNotUsable, step: 13) }
      if let notBefore = claims.member("nbf") {
        guard let instant = notBefore.wholeNumber else { throw TokenError(.claimNotUsable, step: 13) }
        guard instant <= now + AuthenticationPolicy.clockTolerance else {
          throw TokenError(.notYetValid, step: 13)
        }
      }
      if let expires = claims.member("exp") {
        guard let instant = expires.wholeNumber else { throw TokenError(.claimNotUsable, step: 13) }
        guard now < instant else { throw TokenError(.expired, step: 13) }
      }
      self.identifier = identifier
      self.method = method
      self.url = url
      self.issued = issued
      self.tokenHash = tokenHash
    }
  }
}
