import Signing
import StrictJSON
import Testing

@testable import Tokens

@Suite("Proofs")
struct ProofTests {
  /// RFC 9449 §7.1: the proof for a protected resource, and the token it goes with.
  private static let published =
    "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscE"
    + "JoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19"
    + ".eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0"
    + "ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9"
    + ".2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA"
  private static let publishedToken = Array("Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU".utf8)

  @Test("the resource proof of RFC 9449 §7.1 verifies")
  func publishedProof() throws {
    let verifier = ProofVerifier(origin: try ExternalOrigin("https://resource.example.org"))
    let thumbprint = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
    let proof = try verifier.verify(
      Array(Self.published.utf8), method: "GET", rawTarget: "/protectedresource", accessToken: Self.publishedToken,
      boundTo: thumbprint, now: 1_562_262_618)
    #expect(proof.thumbprint == thumbprint)
    #expect(proof.identifier == SHA256Digest.hash(Array("e1j3V_bKic8-LAEB".utf8)))
    #expect(proof.issued == 1_562_262_618)
    #expect(proof.forgettable == 1_562_262_618 + 71)
    #expect(ProofVerifier.hash(Self.publishedToken) == "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo")
  }

  @Test("a signer's proof passes, once for each call", arguments: SignatureAlgorithm.allCases)
  func signs(_ algorithm: SignatureAlgorithm) throws {
    let signer = ProofSigner(key: try .generate(algorithm))
    let verifier = ProofVerifier(origin: try ExternalOrigin("http://localhost:8080"))
    var identifiers: Set<SHA256Digest> = []
    for _ in 0..<4 {
      let text = try signer.proof(
        method: "POST", url: "http://localhost:8080/v1/requests?a=b#c", accessToken: "a.b.c", now: 1_000)
      let proof = try verifier.verify(
        Array(text.utf8), method: "POST", rawTarget: "/v1/requests?z=1", accessToken: Array("a.b.c".utf8),
        boundTo: signer.thumbprint, now: 1_000)
      identifiers.insert(proof.identifier)
    }
    #expect(identifiers.count == 4)
  }

  @Test("a signer's proof says what RFC 9449 asks, and no more")
  func signsExactClaims() throws {
    let signer = ProofSigner(key: try .generate(.ed25519))
    let text = try signer.proof(
      method: "GET", url: "https://api.example/a?b", accessToken: "t", nonce: "n-1", now: 7)
    let parts = text.split(separator: ".")
    let header = try JSONValue(parsing: #require(StrictBase64.decode(parts[0], .url)))
    let claims = try JSONValue(parsing: #require(StrictBase64.decode(parts[1], .url)))
    #expect(names(header) == ["alg", "jwk", "typ"])
    #expect(names(header.member("jwk")) == ["crv", "kty", "x"])
    #expect(names(claims) == ["ath", "htm", "htu", "iat", "jti", "nonce"])
    #expect(claims.member("htu")?.text == "https://api.example/a")
    #expect(claims.member("nonce")?.text == "n-1")
    #expect(claims.member("jti")?.text?.utf8.count == 22)
  }

  @Test("a signer refuses what could never be accepted")
  func refusesArguments() throws {
    let signer = ProofSigner(key: try .generate(.ed25519))
    for (method, url) in [("GET", "/relative"), ("GET", "ftp://a/b"), ("", "https://a/b")] {
      #expect(throws: TokenError(.argumentNotAllowed)) {
        try signer.proof(method: method, url: url, accessToken: "t", now: 7)
      }
    }
  }

  private func names(_ value: JSONValue?) -> [String] {
    guard case .object(let members)? = value else { return [] }
    return members.map(\.name).sorted()
  }
}

@Suite("Origins and URLs")
struct OriginTests {
  @Test(
    "an origin is written in its normal form",
    arguments: [
      ("https://api.example", "https://api.example"), ("HTTPS://API.Example:443", "https://api.example"),
      ("https://api.example:8443", "https://api.example:8443"), ("http://localhost:8080", "http://localhost:8080"),
      ("http://127.0.0.1:80", "http://127.0.0.1"), ("http://[::1]:8080", "http://[::1]:8080"),
      ("https://[2001:DB8::1]", "https://[2001:db8::1]"),
    ])
  func normalises(_ text: String, _ normal: String) throws {
    let origin = try ExternalOrigin(text)
    #expect(origin.text == normal)
    #expect("\(origin)" == normal)
  }

  @Test(
    "what is no origin is refused",
    arguments: [
      "", "api.example", "http://api.example", "ftp://api.example", "https://", "https://:443", "https://api.example/",
      "https://api.example/v1", "https://api.example?a", "https://api.example#a", "https://user@api.example",
      "https://api.example:0", "https://api.example:65536", "https://api.example:4 4", "https://api example",
      "https://[::1", "https://[]", "https://[::g]", "https://[::1]x", "https:/api.example", "https:///path",
      "https://\u{E4}pi.example", "https://a%2fb.example", "http://localhost.attacker.example",
    ])
  func refuses(_ text: String) {
    #expect(throws: TokenError(.malformedOrigin)) { try ExternalOrigin(text) }
  }

  @Test(
    "URLs with one normal form are the same",
    arguments: [
      ("https://a", "https://a/", true), ("https://a/b/", "https://a/b", false),
      ("https://a/%7eb", "https://a/~b", true), ("https://a/%2f", "https://a/%2F", true),
      ("https://a/%2F", "https://a//", false), ("https://a/a%2Fb", "https://a/a/b", false),
      ("https://a/%252F", "https://a/%2F", false), ("https://a/b/../c", "https://a/c", true),
      ("https://a/b/%2E%2e/c", "https://a/c", true), ("https://a/../..", "https://a/", true),
      ("https://a/b/..", "https://a/", true), ("https://a/b/.", "https://a/b/", true),
      ("https://a/b//../c", "https://a/b/c", true), ("https://a/...", "https://a/", false),
      ("https://a/b;c", "https://a/b%3Bc", false), ("http://a:80/", "http://a/", true),
      ("http://a:443/", "https://a/", false), ("https://a/?x=/../y", "https://a/", true),
    ])
  func compares(_ one: String, _ other: String, _ same: Bool) throws {
    let first = try #require(NormalisedURL(one))
    let second = try #require(NormalisedURL(other))
    #expect((first == second) == same)
  }
}
