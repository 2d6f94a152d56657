import Foundation
import Signing
import StrictJSON
import Testing

@testable import Tokens

@Suite("Keys and thumbprints")
struct KeyTests {
  private static let rfc9449Key =
    """
    {"kty":"EC","crv":"P-256","x":"l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs",\
    "y":"9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA"}
    """
  private static let rfc8037Key =
    "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}"

  @Test(
    "the thumbprints of RFC 8037 A.3 and RFC 9449 §6.1",
    arguments: [
      (rfc8037Key, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"),
      (rfc9449Key, "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"),
    ])
  func knownThumbprints(_ json: String, _ thumbprint: String) throws {
    let jwk = try JWK(parsing: JSONValue(parsing: Array(json.utf8)))
    #expect(Thumbprint.of(jwk.key) == thumbprint)
    #expect(Thumbprint.isWellFormed(thumbprint))
  }

  @Test("the thumbprint of the RSA key in RFC 7638 §3.1")
  func rsaThumbprint() {
    let modulus =
      "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3"
      + "oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdA"
      + "ZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-"
      + "kEgU8awapJzKnqDKgw"
    let members = [
      JSONMember("e", .string("AQAB")), JSONMember("kty", .string("RSA")), JSONMember("n", .string(modulus)),
    ]
    #expect(Thumbprint.of(members: members) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs")
  }

  @Test("a published set reads back as the same keys", arguments: SignatureAlgorithm.allCases)
  func roundTrip(_ algorithm: SignatureAlgorithm) throws {
    let jwk = JWK(try SigningKey.generate(algorithm).publicKey, keyID: "signer/1")
    let set = try JWKSet([jwk])
    let read = try JWKSet(parsing: set.document())
    #expect(read.keys == [jwk])
    #expect(read.key("signer/1") == jwk.key)
    #expect(read.key("signer/2") == nil)
    #expect(jwk.json.member("alg")?.text == algorithm.rawValue)
    #expect(jwk.json.member("d") == nil)
  }

  @Test("keys for other purposes are passed over")
  func passesOver() throws {
    let key = try SigningKey.generate(.ed25519)
    let others = [
      "{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\",\"kid\":\"rsa\"}",
      "{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"AA\",\"kid\":\"x\"}",
      RawObject(JWK(key.publicKey)).adding("use", "\"enc\""), RawObject(JWK(key.publicKey)).text,
    ]
    let own = RawObject(JWK(key.publicKey)).adding("kid", "\"own\"")
    let set = try JWKSet(parsing: Array("{\"keys\":[\((others + [own]).joined(separator: ","))]}".utf8))
    #expect(set.keys == [JWK(key.publicKey, keyID: "own")])
  }

  private static let manyKeys = "{\"keys\":[\([String](repeating: "{}", count: 65).joined(separator: ","))]}"
  private static let longSet = "{\"keys\":[\(String(repeating: " ", count: 65_536))]}"
  private static let badSets: [(String, TokenError.Code)] = [
    ("", TokenError.Code.keySetMalformed), ("[]", .keySetMalformed), ("{\"keys\":{}}", .keySetMalformed),
    ("{\"keys\":[1]}", .keySetMalformed), ("{\"keys\":[],\"keys\":[]}", .keySetMalformed),
    ("{\"keys\":[]}", .noUsableKey), ("{\"keys\":[{}]}", .keyNotUsable),
    ("{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\",\"kid\":\"a\"}]}", .privateKeyDisclosed),
    ("{\"keys\":[{\"kty\":\"RSA\",\"d\":null,\"kid\":\"a\"}]}", .privateKeyDisclosed),
    ("{\"keys\":[{\"kty\":\"RSA\",\"kid\":\"a\"},{\"kty\":\"RSA\",\"kid\":\"a\"}]}", .duplicateKeyID),
    ("{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"alg\":\"ES256\",\"kid\":\"a\"}]}", .algorithmMismatch),
    ("{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AA\",\"kid\":\"a\"}]}", .keyNotUsable),
    ("{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"\"}]}", .keyIDNotUsable),
    (manyKeys, .tooManyKeys),
    (longSet, .tooLong),
  ]

  @Test("a key set that cannot be trusted as a whole is refused as a whole", arguments: badSets)
  func refusesSets(_ document: String, _ code: TokenError.Code) {
    #expect(throws: TokenError(code)) { try JWKSet(parsing: Array(document.utf8)) }
  }

  @Test("a set to publish needs a name for each key, each once")
  func refusesUnnamed() throws {
    let key = try SigningKey.generate(.ed25519).publicKey
    #expect(throws: TokenError(.keyIDNotUsable)) { try JWKSet([JWK(key)]) }
    #expect(throws: TokenError(.duplicateKeyID)) { try JWKSet([JWK(key, keyID: "a"), JWK(key, keyID: "a")]) }
    #expect(throws: TokenError(.noUsableKey)) { try JWKSet([]) }
    #expect(throws: TokenError(.tooManyKeys)) { try JWKSet((0...64).map { JWK(key, keyID: "\($0)") }) }
  }
}

extension RawObject {
  func adding(_ name: String, _ value: String) -> String {
    var copy = self
    copy.add(name, value)
    return copy.text
  }
}
