import Foundation
import Signing
import StrictJSON

@testable import Tokens

/// An issuer with two keys, a client with one, and an attacker with another, all at one fixed second.
struct Fixture: Sendable {
  static let now: Int64 = 1_750_000_000
  static let issuer = "https://issuer.example/K"
  static let audience = "https://api.example"
  static let tenant = "3f2c1d5e-8a4b-4c6d-9e0f-112233445566"

  let issuerKey: SigningKey
  let secondIssuerKey: SigningKey
  let clientKey: SigningKey
  let attackerKey: SigningKey

  init() throws {
    issuerKey = try .generate(.ed25519)
    secondIssuerKey = try .generate(.es256)
    clientKey = try .generate(.es256)
    attackerKey = try .generate(.ed25519)
  }

  var policy: AuthenticationPolicy {
    get throws {
      AuthenticationPolicy(
        issuer: Self.issuer, audience: Self.audience, origin: try ExternalOrigin("https://api.example"))
    }
  }

  /// The issuer's document: Ed25519 as `K1`, P-256 as `E1`.
  func keySet() throws -> [UInt8] {
    let first = JWK(issuerKey.publicKey, keyID: "K1")
    return try JWKSet([first, JWK(secondIssuerKey.publicKey, keyID: "E1")]).document()
  }

  func authenticator(
    replay: any ReplayStore = RememberedProofs(), revocation: (any RevocationList)? = nil,
    source: (any KeySource)? = nil, now: @escaping @Sendable () -> Int64 = { Fixture.now }
  ) throws -> Authenticator {
    let keys = IssuerKeys(source: try source ?? FixedKeySource(keySet()), clock: now)
    return Authenticator(policy: try policy, keys: keys, replay: replay, revocation: revocation, now: now)
  }

  /// A request that passes every step, ready to be spoiled.
  func attempt() -> Attempt { Attempt(self) }
}

/// JSON text built by hand, so that it can be wrong in ways no encoder allows.
struct RawObject: Sendable {
  var members: [(name: String, value: String)]

  /// Reads or replaces a member's raw JSON text; `nil` removes it.
  subscript(_ name: String) -> String? {
    get { members.first { $0.name == name }?.value }
    set {
      let index = members.firstIndex { $0.name == name }
      switch (index, newValue) {
      case (let index?, let value?): members[index].value = value
      case (let index?, nil): members.remove(at: index)
      case (nil, let value?): members.append((name, value))
      case (nil, nil): break
      }
    }
  }

  /// Adds a member without looking whether its name is there already.
  mutating func add(_ name: String, _ value: String) { members.append((name, value)) }

  var text: String {
    "{" + members.map { "\"\($0.name)\":\($0.value)" }.joined(separator: ",") + "}"
  }
}

/// One request in the making.
struct Attempt {
  let fixture: Fixture
  var tokenHeader: RawObject
  var tokenClaims: RawObject
  var proofHeader: RawObject
  var proofClaims: RawObject
  var tokenKey: SigningKey
  var proofKey: SigningKey
  /// Stands in for the whole header or claims when set.
  var tokenHeaderBytes: [UInt8]?
  var tokenClaimsBytes: [UInt8]?
  var proofHeaderBytes: [UInt8]?
  var proofClaimsBytes: [UInt8]?
  var editToken: (String) -> String = { $0 }
  var editProof: (String) -> String = { $0 }
  var authorization: (String) -> [String] = { ["DPoP \($0)"] }
  var proofs: (String) -> [String] = { [$0] }
  var method = "GET"
  var target = "/v1/profiles/42?fields=name"
  var replay: any ReplayStore = RememberedProofs()
  var revocation: (any RevocationList)?

  init(_ fixture: Fixture) {
    self.fixture = fixture
    tokenKey = fixture.issuerKey
    proofKey = fixture.clientKey
    tokenHeader = ["typ": "\"at+jwt\"", "alg": "\"Ed25519\"", "kid": "\"K1\""]
    let thumbprint = Thumbprint.of(fixture.clientKey.publicKey)
    tokenClaims = [
      "iss": "\"\(Fixture.issuer)\"", "aud": "\"\(Fixture.audience)\"", "sub": "\"officer-7\"",
      "client_id": "\"dsar\"", "jti": "\"token-1\"", "iat": "\(Fixture.now - 30)", "exp": "\(Fixture.now + 300)",
      "tenant_id": "\"\(Fixture.tenant)\"", "scope": "\"profiles:read requests:manage\"",
      "cnf": "{\"jkt\":\"\(thumbprint)\"}",
    ]
    proofHeader = ["typ": "\"dpop+jwt\"", "alg": "\"ES256\"", "jwk": Self.jwk(fixture.clientKey)]
    proofClaims = [
      "jti": "\"proof-1\"", "htm": "\"GET\"", "htu": "\"https://api.example/v1/profiles/42\"",
      "iat": "\(Fixture.now)",
    ]
  }

  static func jwk(_ key: SigningKey) -> String {
    RawObject(JWK(key.publicKey)).text
  }

  func token() throws -> String {
    editToken(
      try Self.sign(
        tokenHeaderBytes ?? Array(tokenHeader.text.utf8), tokenClaimsBytes ?? Array(tokenClaims.text.utf8), tokenKey))
  }

  func credentials() throws -> RequestCredentials {
    let token = try token()
    var claims = proofClaims
    switch claims["ath"] {
    case nil: claims["ath"] = "\"\(ProofVerifier.hash(Array(token.utf8)))\""
    case "absent"?: claims["ath"] = nil
    default: break
    }
    let proof = editProof(
      try Self.sign(
        proofHeaderBytes ?? Array(proofHeader.text.utf8), proofClaimsBytes ?? Array(claims.text.utf8), proofKey)
    )
    return RequestCredentials(
      authorization: authorization(token), proofs: proofs(proof), method: method, rawTarget: target)
  }

  func authenticate() async throws -> Principal {
    let authenticator = try fixture.authenticator(replay: replay, revocation: revocation)
    return try await authenticator.authenticate(credentials())
  }

  private static func sign(_ header: [UInt8], _ claims: [UInt8], _ key: SigningKey) throws -> String {
    let signed = "\(StrictBase64.encode(header, .url)).\(StrictBase64.encode(claims, .url))"
    return "\(signed).\(StrictBase64.encode(try key.signature(over: Array(signed.utf8)), .url))"
  }
}

extension RawObject: ExpressibleByDictionaryLiteral {
  init(dictionaryLiteral elements: (String, String)...) {
    members = elements.map { (name: $0.0, value: $0.1) }
  }

  init(_ jwk: JWK) {
    members = jwk.requiredMembers.map { (name: $0.name, value: "\"\($0.value.text ?? "")\"") }
  }
}

extension String {
  /// Replaces one of the three parts of a compact JWS.
  func replacingPart(_ index: Int, _ edit: (String) -> String) -> String {
    var parts = split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    parts[index] = edit(parts[index])
    return parts.joined(separator: ".")
  }

  /// The same signature, shorter or longer, or another one of the same length.
  func resigned(_ edit: ([UInt8]) -> [UInt8]) -> String {
    replacingPart(2) { StrictBase64.encode(edit(StrictBase64.decode($0, .url) ?? []), .url) }
  }
}
