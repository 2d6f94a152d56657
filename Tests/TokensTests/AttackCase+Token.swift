import Signing

@testable import Tokens

extension AttackCase {
  /// Steps 4–8: the token.
  static let tokens: [AttackCase] = headers + signatures + claims + bindings + revocations

  private static let headers: [AttackCase] = [
    .token("an empty header", step: 4) { $0.tokenHeaderBytes = [] },
    .token("a header that is a list", step: 4) { $0.tokenHeaderBytes = Array("[]".utf8) },
    .token("a header with a name twice", step: 4) { $0.tokenHeader.add("alg", "\"Ed25519\"") },
    .token("a header with a name twice, once escaped", step: 4) {
      $0.tokenHeader.add("\\u0061lg", "\"none\"")
    },
    .token("a header after a byte-order mark", step: 4) {
      $0.tokenHeaderBytes = [0xEF, 0xBB, 0xBF] + Array($0.tokenHeader.text.utf8)
    },
    .token("a header in UTF-16", step: 4) {
      $0.tokenHeaderBytes = Array($0.tokenHeader.text.utf16).flatMap { [UInt8($0 & 0xFF), UInt8($0 >> 8)] }
    },
    .token("a header with invalid UTF-8", step: 4) {
      $0.tokenHeaderBytes =
        Array($0.tokenHeader.text.utf8).dropLast() + Array(",\"x\":\"".utf8) + [0xC0, 0x80, 0x22, 0x7D]
    },
    .token("a header with a trailing comma", step: 4) {
      $0.tokenHeaderBytes = Array($0.tokenHeader.text.utf8).dropLast() + Array(",}".utf8)
    },
    .token("a header with something after it", step: 4) {
      $0.tokenHeaderBytes = Array(($0.tokenHeader.text + "{}").utf8)
    },
    .token("a header nested nine deep", step: 4) {
      $0.tokenHeader["x"] = String(repeating: "[", count: 8) + String(repeating: "]", count: 8)
    },
    .token("typ missing", step: 4) { $0.tokenHeader["typ"] = nil },
    .token("typ JWT", step: 4) { $0.tokenHeader["typ"] = "\"JWT\"" },
    .token("typ of a proof", step: 4) { $0.tokenHeader["typ"] = "\"dpop+jwt\"" },
    .token("alg missing", step: 4) { $0.tokenHeader["alg"] = nil },
    .token("alg none", step: 4) { $0.tokenHeader["alg"] = "\"none\"" },
    .token("alg HS256", step: 4) { $0.tokenHeader["alg"] = "\"HS256\"" },
    .token("alg in another case", step: 4) { $0.tokenHeader["alg"] = "\"ED25519\"" },
    .token("alg a number", step: 4) { $0.tokenHeader["alg"] = "1" },
    .token("kid missing", step: 4) { $0.tokenHeader["kid"] = nil },
    .token("kid empty", step: 4) { $0.tokenHeader["kid"] = "\"\"" },
    .token("kid of 129 bytes", step: 4) { $0.tokenHeader["kid"] = "\"\(String(repeating: "k", count: 129))\"" },
    .token("kid a number", step: 4) { $0.tokenHeader["kid"] = "1" },
    .token("crit", step: 4) { $0.tokenHeader["crit"] = "[\"exp\"]" },
    .token("b64", step: 4) { $0.tokenHeader["b64"] = "true" },
    .token("a key of the attacker's in the header", step: 4) {
      $0.tokenHeader["jwk"] = Attempt.jwk($0.fixture.attackerKey)
      $0.tokenKey = $0.fixture.attackerKey
    },
    .token("jku", step: 4) { $0.tokenHeader["jku"] = "\"https://attacker.example/jwks.json\"" },
    .token("x5u", step: 4) { $0.tokenHeader["x5u"] = "\"https://attacker.example/chain.pem\"" },
    .token("x5c", step: 4) { $0.tokenHeader["x5c"] = "[]" },
  ]

  private static let signatures: [AttackCase] = [
    .token("an unknown kid", step: 5) { $0.tokenHeader["kid"] = "\"K2\"" },
    .token("a kid that is only equal after normalisation", step: 5) { $0.tokenHeader["kid"] = "\"\u{212A}1\"" },
    .token("an alg of another key", step: 5) { $0.tokenHeader["alg"] = "\"ES256\"" },
    .token("a signature by somebody else", step: 6) { $0.tokenKey = $0.fixture.attackerKey },
    .token("a signature of 63 bytes", step: 6) { $0.editToken = { $0.resigned { $0.dropLast() } } },
    .token("a signature of 65 bytes", step: 6) { $0.editToken = { $0.resigned { $0 + [0] } } },
    .token("no signature", step: 6) { $0.editToken = { $0.replacingPart(2) { _ in "" } } },
    .token("a P-256 signature of zeros", step: 6) {
      $0.tokenHeader["alg"] = "\"ES256\""
      $0.tokenHeader["kid"] = "\"E1\""
      $0.editToken = { $0.resigned { _ in [UInt8](repeating: 0, count: 64) } }
    },
    .token("claims changed after signing", step: 6) {
      let raised = $0.tokenClaims.text.replacing("profiles:read", with: "audit:read")
      $0.editToken = { $0.replacingPart(1) { _ in StrictBase64.encode(Array(raised.utf8), .url) } }
    },
  ]

  private static let claims: [AttackCase] = [
    .token("claims that are a list", step: 7) { $0.tokenClaimsBytes = Array("[]".utf8) },
    .token("claims with a name twice", step: 7) { $0.tokenClaims.add("exp", "\(Fixture.now + 9000)") },
    .token("iss missing", step: 7) { $0.tokenClaims["iss"] = nil },
    .token("another iss", step: 7) { $0.tokenClaims["iss"] = "\"\(Fixture.issuer)/\"" },
    .token("an iss that is only equal after normalisation", step: 7) {
      $0.tokenClaims["iss"] = "\"https://issuer.example/\u{212A}\""
    },
    .token("a list of iss", step: 7) { $0.tokenClaims["iss"] = "[\"\(Fixture.issuer)\"]" },
    .token("aud missing", step: 7) { $0.tokenClaims["aud"] = nil },
    .token("another aud", step: 7) { $0.tokenClaims["aud"] = "\"https://other.example\"" },
    .token("an empty list of aud", step: 7) { $0.tokenClaims["aud"] = "[]" },
    .token("a list of aud with a number", step: 7) { $0.tokenClaims["aud"] = "[\"\(Fixture.audience)\",1]" },
    .token("exp now", step: 7) { $0.tokenClaims["exp"] = "\(Fixture.now)" },
    .token("exp passed", step: 7) { $0.tokenClaims["exp"] = "\(Fixture.now - 1)" },
    .token("exp missing", step: 7) { $0.tokenClaims["exp"] = nil },
    .token("exp a string", step: 7) { $0.tokenClaims["exp"] = "\"\(Fixture.now + 300)\"" },
    .token("exp with a fraction", step: 7) { $0.tokenClaims["exp"] = "\(Fixture.now + 300).0" },
    .token("exp past 64 bits", step: 7) { $0.tokenClaims["exp"] = "9223372036854775808" },
    .token("iat missing", step: 7) { $0.tokenClaims["iat"] = nil },
    .token("iat eleven seconds ahead", step: 7) { $0.tokenClaims["iat"] = "\(Fixture.now + 11)" },
    .token("nbf eleven seconds ahead", step: 7) { $0.tokenClaims["nbf"] = "\(Fixture.now + 11)" },
    .token("nbf a string", step: 7) { $0.tokenClaims["nbf"] = "\"0\"" },
    .token("sub missing", step: 7) { $0.tokenClaims["sub"] = nil },
    .token("sub a number", step: 7) { $0.tokenClaims["sub"] = "7" },
    .token("sub outside ASCII", step: 7) { $0.tokenClaims["sub"] = "\"offic\u{E9}r\"" },
    .token("sub with a line break", step: 7) { $0.tokenClaims["sub"] = "\"a\\nb\"" },
    .token("client_id missing", step: 7) { $0.tokenClaims["client_id"] = nil },
    .token("jti missing", step: 7) { $0.tokenClaims["jti"] = nil },
    .token("tenant_id missing", step: 7) { $0.tokenClaims["tenant_id"] = nil },
    .token("tenant_id without dashes", step: 7) {
      $0.tokenClaims["tenant_id"] = "\"\(Fixture.tenant.replacing("-", with: ""))\""
    },
    .token("tenant_id in braces", step: 7) { $0.tokenClaims["tenant_id"] = "\"{\(Fixture.tenant.dropLast(2))}\"" },
    .token("scope a list", step: 7) { $0.tokenClaims["scope"] = "[\"profiles:read\"]" },
    .token("scope with two spaces", step: 7) { $0.tokenClaims["scope"] = "\"profiles:read  audit:read\"" },
  ]

  private static let bindings: [AttackCase] = [
    .token("an unbound token", step: 7) { $0.tokenClaims["cnf"] = nil },
    .token("a token bound to a certificate only", step: 7) {
      $0.tokenClaims["cnf"] = "{\"x5t#S256\":\"\(String(repeating: "A", count: 43))\"}"
    },
    .token("cnf a string", step: 7) { $0.tokenClaims["cnf"] = "\"\(String(repeating: "A", count: 43))\"" },
    .token("a thumbprint of 42 characters", step: 7) {
      $0.tokenClaims["cnf"] = "{\"jkt\":\"\(String(repeating: "A", count: 42))\"}"
    },
    .token("a thumbprint that is not canonical", step: 7) {
      $0.tokenClaims["cnf"] = "{\"jkt\":\"\(String(repeating: "B", count: 43))\"}"
    },
  ]

  private static let revocations: [AttackCase] = [
    .token("a revoked token", step: 8) { $0.revocation = RevokedTokens(tokenIDs: ["token-1"]) },
    AttackCase("a write while the revocation list is away", 503, "temporarily_unavailable", step: 8) {
      $0.revocation = LostRevocations()
      $0.method = "POST"
      $0.proofClaims["htm"] = "\"POST\""
    },
  ]
}
