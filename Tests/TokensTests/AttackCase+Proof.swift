import Signing

@testable import Tokens

extension AttackCase {
  /// Steps 9–19: the proof.
  static let proofs: [AttackCase] = forms + keys + contents + targets + bindingsToToken

  private static let forms: [AttackCase] = [
    .proof("no proof", step: 9) { $0.proofs = { _ in [] } },
    .proof("an empty proof", step: 9) { $0.proofs = { _ in [""] } },
    .proof("two proofs", step: 9) { $0.proofs = { [$0, $0] } },
    .proof("a proof of 4097 bytes", step: 9) {
      $0.editProof = { $0 + String(repeating: "A", count: 4097 - $0.utf8.count) }
    },
    .proof("two proofs in one field", step: 10) { $0.proofs = { ["\($0),\($0)"] } },
    .proof("a proof with one dot", step: 10) {
      $0.editProof = { $0.split(separator: ".").prefix(2).joined(separator: ".") }
    },
    .proof("the access token as proof", step: 10) { attempt in
      let token = try attempt.token()
      attempt.proofs = { _ in [token] }
    },
    .proof("a proof header with a name twice", step: 10) { $0.proofHeader.add("typ", "\"dpop+jwt\"") },
    .proof("typ missing", step: 10) { $0.proofHeader["typ"] = nil },
    .proof("typ JWT", step: 10) { $0.proofHeader["typ"] = "\"JWT\"" },
    .proof("typ in another case", step: 10) { $0.proofHeader["typ"] = "\"DPoP+JWT\"" },
    .proof("typ with a prefix", step: 10) { $0.proofHeader["typ"] = "\"application/dpop+jwt\"" },
    .proof("alg none", step: 10) { $0.proofHeader["alg"] = "\"none\"" },
    .proof("alg HS256", step: 10) { $0.proofHeader["alg"] = "\"HS256\"" },
    .proof("alg RS256", step: 10) { $0.proofHeader["alg"] = "\"RS256\"" },
    .proof("alg missing", step: 10) { $0.proofHeader["alg"] = nil },
    .proof("crit", step: 10) { $0.proofHeader["crit"] = "[\"b64\"]" },
    .proof("jwk missing", step: 10) { $0.proofHeader["jwk"] = nil },
    .proof("jwk a string", step: 10) { $0.proofHeader["jwk"] = "\"key\"" },
  ]

  /// Replaces one member of the proof's key.
  private static func key(
    _ name: String, _ member: String, _ value: String?
  ) -> AttackCase {
    .proof(name, step: 11) {
      var jwk = RawObject(JWK($0.proofKey.publicKey))
      jwk[member] = value
      $0.proofHeader["jwk"] = jwk.text
    }
  }

  private static let keys: [AttackCase] = [
    key("a private key in the proof", "d", "\"\(String(repeating: "A", count: 43))\""),
    key("a private member that is null", "d", "null"),
    key("kty missing", "kty", nil),
    key("kty of another family", "kty", "\"OKP\""),
    key("kty RSA", "kty", "\"RSA\""),
    key("crv missing", "crv", nil),
    key("crv P-384", "crv", "\"P-384\""),
    key("crv of another family", "crv", "\"Ed25519\""),
    key("x missing", "x", nil),
    key("x of 31 bytes", "x", "\"\(StrictBase64.encode([UInt8](repeating: 1, count: 31), .url))\""),
    key("x of 33 bytes", "x", "\"\(StrictBase64.encode([UInt8](repeating: 1, count: 33), .url))\""),
    key("x off the curve", "x", "\"\(StrictBase64.encode([UInt8](repeating: 1, count: 32), .url))\""),
    key("x that is not canonical", "x", "\"\(String(repeating: "B", count: 43))\""),
    key("y missing", "y", nil),
    key("use for encryption", "use", "\"enc\""),
    key("key_ops without verify", "key_ops", "[\"sign\"]"),
    key("alg of the key of another family", "alg", "\"Ed25519\""),
    .proof("a symmetric key", step: 11) { $0.proofHeader["jwk"] = "{\"kty\":\"oct\",\"k\":\"AAAA\"}" },
    .proof("alg of the header of another family", step: 11) { $0.proofHeader["alg"] = "\"Ed25519\"" },
    .proof("the point at infinity", step: 11) {
      let zero = StrictBase64.encode([UInt8](repeating: 0, count: 32), .url)
      $0.proofHeader["jwk"] = "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"\(zero)\",\"y\":\"\(zero)\"}"
    },
    .proof("an Ed25519 key of small order", step: 11) {
      $0.proofHeader["alg"] = "\"Ed25519\""
      let identity = StrictBase64.encode([1] + [UInt8](repeating: 0, count: 31), .url)
      $0.proofHeader["jwk"] = "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"\(identity)\"}"
    },
  ]

  private static let contents: [AttackCase] = [
    .proof("a proof signed by somebody else", step: 12) { $0.proofKey = try .generate(.es256) },
    .proof("a proof with a signature of 63 bytes", step: 12) { $0.editProof = { $0.resigned { $0.dropLast() } } },
    .proof("a proof with a signature of zeros", step: 12) {
      $0.editProof = { $0.resigned { _ in [UInt8](repeating: 0, count: 64) } }
    },
    .proof("proof claims that are a list", step: 13) { $0.proofClaimsBytes = Array("[]".utf8) },
    .proof("proof claims with a name twice", step: 13) { $0.proofClaims.add("jti", "\"proof-2\"") },
    .proof("jti missing", step: 13) { $0.proofClaims["jti"] = nil },
    .proof("jti empty", step: 13) { $0.proofClaims["jti"] = "\"\"" },
    .proof("jti of 129 bytes", step: 13) { $0.proofClaims["jti"] = "\"\(String(repeating: "j", count: 129))\"" },
    .proof("jti a number", step: 13) { $0.proofClaims["jti"] = "1" },
    .proof("htm missing", step: 13) { $0.proofClaims["htm"] = nil },
    .proof("htu missing", step: 13) { $0.proofClaims["htu"] = nil },
    .proof("iat missing", step: 13) { $0.proofClaims["iat"] = nil },
    .proof("iat with a fraction", step: 13) { $0.proofClaims["iat"] = "\(Fixture.now).0" },
    .proof("ath missing", step: 13) { $0.proofClaims["ath"] = "absent" },
    .proof("a proof past its exp", step: 13) { $0.proofClaims["exp"] = "\(Fixture.now)" },
    .proof("exp a string", step: 13) { $0.proofClaims["exp"] = "\"soon\"" },
    .proof("a proof before its nbf", step: 13) { $0.proofClaims["nbf"] = "\(Fixture.now + 11)" },
    .proof("nbf null", step: 13) { $0.proofClaims["nbf"] = "null" },
    .proof("a proof for another method", step: 14) { $0.proofClaims["htm"] = "\"POST\"" },
    .proof("htm in another case", step: 14) { $0.proofClaims["htm"] = "\"get\"" },
  ]

  private static func target(_ name: String, _ url: String) -> AttackCase {
    .proof(name, step: 15) { $0.proofClaims["htu"] = "\"\(url)\"" }
  }

  private static let targets: [AttackCase] = [
    target("htu at another host", "https://attacker.example/v1/profiles/42"),
    target("htu at a longer host", "https://api.example.attacker.example/v1/profiles/42"),
    target("htu at the host with a dot", "https://api.example./v1/profiles/42"),
    target("htu over http", "http://api.example/v1/profiles/42"),
    target("htu at another port", "https://api.example:8443/v1/profiles/42"),
    target("htu at port 80", "https://api.example:80/v1/profiles/42"),
    target("htu with a port of leading zeros", "https://api.example:0443/v1/profiles/42"),
    target("htu with user information", "https://api.example@attacker.example/v1/profiles/42"),
    target("htu with our host as user", "https://user@api.example/v1/profiles/42"),
    target("htu of another path", "https://api.example/v1/profiles/43"),
    target("htu with a slash more", "https://api.example/v1/profiles/42/"),
    target("htu with a doubled slash", "https://api.example/v1//profiles/42"),
    target("htu with an encoded slash", "https://api.example/v1/profiles%2F42"),
    target("htu in another case", "https://api.example/V1/profiles/42"),
    target("htu with a broken escape", "https://api.example/v1/profiles/42%2"),
    target("htu with a space", "https://api.example/v1/profiles/42 "),
    target("htu without an origin", "/v1/profiles/42"),
    target("htu without a path", "https://api.example"),
    target("htu with a backslash", "https:\\\\\\\\api.example/v1/profiles/42"),
    .proof("an encoded slash in the request only", step: 15) { $0.target = "/v1/profiles%2F42" },
    .proof("a request target in absolute form", step: 15) { $0.target = "https://api.example/v1/profiles/42" },
  ]

  private static let bindingsToToken: [AttackCase] = [
    .proof("ath of another token", step: 16) { $0.proofClaims["ath"] = "\"\(ProofVerifier.hash([1, 2, 3]))\"" },
    .proof("ath with padding", step: 16) { attempt in
      let hash = ProofVerifier.hash(Array(try attempt.token().utf8))
      attempt.proofClaims["ath"] = "\"\(hash)=\""
    },
    .token("a stolen token with the thief's own proof", step: 17) {
      $0.proofKey = $0.fixture.attackerKey
      $0.proofHeader["alg"] = "\"Ed25519\""
      $0.proofHeader["jwk"] = Attempt.jwk($0.fixture.attackerKey)
    },
    .proof("a proof 61 seconds old", step: 18) { $0.proofClaims["iat"] = "\(Fixture.now - 61)" },
    .proof("a proof from 11 seconds ahead", step: 18) { $0.proofClaims["iat"] = "\(Fixture.now + 11)" },
    .proof("a proof from the end of time", step: 18) { $0.proofClaims["iat"] = "9223372036854775807" },
    AttackCase("a replay store that is away", 503, "temporarily_unavailable", step: 19) { $0.replay = LostProofs() },
  ]
}
