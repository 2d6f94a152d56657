/// Why a token, a proof, a key or a setting was refused.
///
/// Neither ``code`` nor ``description`` repeats any part of what was refused, so both may be logged and answered.
public struct TokenError: Error, Sendable, Hashable, CustomStringConvertible {
  /// The kind of refusal, stable enough to count in metrics.
  public enum Code: String, Sendable, Hashable, CaseIterable {
    /// A configured origin is not `https://host[:port]` (or `http` on a loopback name).
    case malformedOrigin
    /// More bytes than the limit for this kind of input.
    case tooLong
    /// Not three dot-separated parts of canonical base64url.
    case malformed
    /// The header is not one strict JSON object.
    case headerNotStrict
    /// `typ` is missing or names something else.
    case wrongType
    /// `alg` is not one of `ES256`, `Ed25519`, `EdDSA`.
    case algorithmNotAllowed
    /// `kid` is missing, empty, longer than 128 bytes, or not a string.
    case keyIDNotUsable
    /// The header carries a member that is never honoured, such as `crit` or `jku`.
    case headerNotAllowed
    /// No key of the issuer has this `kid`.
    case unknownKey
    /// `alg` names another algorithm than the key's.
    case algorithmMismatch
    /// The signature is not 64 bytes, or does not verify.
    case badSignature
    /// The claims are not one strict JSON object.
    case claimsNotStrict
    /// A claim that must be there is missing, of another type, or out of bounds.
    case claimNotUsable
    /// `iss` is not the configured issuer.
    case wrongIssuer
    /// `aud` does not contain the configured audience.
    case wrongAudience
    /// `exp` is now or earlier.
    case expired
    /// `nbf` is still ahead.
    case notYetValid
    /// `iat` lies further ahead than the clock tolerance.
    case issuedInFuture
    /// `cnf.jkt` is missing or not a SHA-256 thumbprint.
    case notBound
    /// The token is on the revocation list.
    case revoked
    /// No proof came with the token.
    case proofMissing
    /// More than one proof came with the token.
    case proofRepeated
    /// The proof's header has no `jwk` object.
    case keyMissing
    /// A key was given together with its private part.
    case privateKeyDisclosed
    /// A key type, curve or use that is not supported here.
    case keyTypeNotSupported
    /// A key whose members are malformed, off the curve, or of small order.
    case keyNotUsable
    /// `htm` is not the request's method.
    case wrongMethod
    /// `htu` is not the request's URL at the configured origin.
    case wrongURL
    /// `ath` is not the digest of the token that came along.
    case wrongToken
    /// The proof was signed by another key than the one the token is bound to.
    case wrongKey
    /// `iat` of the proof is outside the accepted window.
    case outsideWindow
    /// The proof was used before.
    case replayed
    /// A key set that is not a strict JSON object with an array `keys` of objects.
    case keySetMalformed
    /// A key set in which two keys share a `kid`.
    case duplicateKeyID
    /// A key set with more than 64 keys.
    case tooManyKeys
    /// A key set without a single usable key.
    case noUsableKey
    /// A key set file that cannot be opened or read.
    case fileNotReadable
    /// A key set file that is not a regular file, or that anyone may write to.
    case fileNotAllowed
    /// A key source that failed for a reason of its own.
    case sourceFailed
    /// An argument of a token or proof to be signed that could never be accepted.
    case argumentNotAllowed
    /// The signature could not be made.
    case signingFailed
  }

  /// What was wrong.
  public let code: Code
  /// The step (3–19, see `docs/tokens.md`) at which a request fails for it; 0 where no request is involved.
  public let step: Int

  /// Names a refusal, and the step of `docs/tokens.md` it belongs to.
  public init(_ code: Code, step: Int = 0) {
    self.code = code
    self.step = step
  }

  /// One sentence without any value of the input.
  public var description: String { code.explanation }

  /// The same refusal seen from another step.
  func at(step: Int) -> TokenError { TokenError(code, step: step) }
}

extension TokenError.Code {
  /// The sentence that people read; it never holds a value.
  var explanation: String {
    switch self {
    case .malformedOrigin: "The origin must be https://host[:port], or http on a loopback name, and nothing more."
    case .tooLong: "It is longer than the limit."
    case .malformed: "It must be three parts of canonical base64url, separated by dots."
    case .headerNotStrict: "Its header is not a strict JSON object."
    case .wrongType: "Its typ is not the expected one."
    case .algorithmNotAllowed: "Its alg is not allowed."
    case .keyIDNotUsable: "Its kid is missing or malformed."
    case .headerNotAllowed: "Its header has a member that is not allowed."
    case .unknownKey: "It is signed by a key that the issuer does not publish."
    case .algorithmMismatch: "Its alg does not agree with the key."
    case .badSignature: "Its signature does not verify."
    case .claimsNotStrict: "Its claims are not a strict JSON object."
    case .claimNotUsable: "A required claim is missing or malformed."
    case .wrongIssuer: "Its issuer is not the one trusted here."
    case .wrongAudience: "It is meant for another audience."
    case .expired: "It has expired."
    case .notYetValid: "It is not valid yet."
    case .issuedInFuture: "It was issued in the future."
    case .notBound: "It is not bound to a key."
    case .revoked: "It has been revoked."
    case .proofMissing: "It is missing."
    case .proofRepeated: "There is more than one."
    case .keyMissing: "Its header has no public key."
    case .privateKeyDisclosed: "A private key was disclosed."
    case .keyTypeNotSupported: "The key's type is not supported."
    case .keyNotUsable: "The key is malformed or unsafe."
    case .wrongMethod: "Its htm is not the method of this request."
    case .wrongURL: "Its htu is not the URL of this request."
    case .wrongToken: "Its ath is not the digest of this access token."
    case .wrongKey: "It is bound to another key than the proof's."
    case .outsideWindow: "It was made too long ago, or in the future."
    case .replayed: "It was used before."
    case .keySetMalformed: "The key set is not a strict JSON object with an array of keys."
    case .duplicateKeyID: "Two keys of the key set share a kid."
    case .tooManyKeys: "The key set has too many keys."
    case .noUsableKey: "The key set has no usable key."
    case .fileNotReadable: "The key set file cannot be read."
    case .fileNotAllowed: "The key set file is not a regular file, or anyone may write to it."
    case .sourceFailed: "The key source did not answer."
    case .argumentNotAllowed: "An argument could never be accepted."
    case .signingFailed: "The signature could not be made."
    }
  }
}
