import Foundation
import Signing
import StrictJSON
import Testing

@testable import Tokens

@Suite("Access tokens")
struct AccessTokenTests {
  private let tenant = UUID()
  private let thumbprint = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"

  private func issuer(_ key: SigningKey) -> TokenIssuer {
    TokenIssuer(issuer: Fixture.issuer, audience: Fixture.audience, keyID: "dev", key: key)
  }

  @Test("a token as issued is accepted with what went into it", arguments: SignatureAlgorithm.allCases)
  func roundTrip(_ algorithm: SignatureAlgorithm) throws {
    let key = try SigningKey.generate(algorithm)
    let text = try issuer(key).accessToken(
      subject: "dpo", clientID: "dsar", tenant: tenant, scopes: [.auditRead, .requestsApprove], boundTo: thumbprint,
      lifetime: 300, now: 1_000)
    let verifier = AccessTokenVerifier(issuer: Fixture.issuer, audience: Fixture.audience)
    let set = try JWKSet([issuer(key).jwk])
    let token = try verifier.verify(token: Array(text.utf8), now: 1_299) { set.key($0) }
    #expect(token.subject == "dpo")
    #expect(token.clientID == "dsar")
    #expect(token.tenant == tenant)
    #expect(token.scopes == [.auditRead, .requestsApprove])
    #expect(token.thumbprint == thumbprint)
    #expect(token.issued == 1_000)
    #expect(token.expires == 1_300)
    #expect("\(token)" == "AccessToken")
    #expect(throws: TokenError(.expired, step: 7)) {
      try verifier.verify(token: Array(text.utf8), now: 1_300) { set.key($0) }
    }
    #expect(throws: TokenError(.unknownKey, step: 5)) {
      try verifier.verify(token: Array(text.utf8), now: 1_000) { _ in nil }
    }
  }

  @Test("a token holds exactly the documented claims")
  func exactClaims() throws {
    let text = try issuer(.generate(.ed25519)).accessToken(
      subject: "dpo", clientID: "dsar", tenant: tenant, scopes: [.profilesWrite, .profilesRead], boundTo: thumbprint,
      lifetime: 300, now: 1_000)
    let part = text.split(separator: ".")[1]
    let claims = try JSONValue(parsing: #require(StrictBase64.decode(part, .url)))
    guard case .object(let members) = claims else {
      Issue.record("claims are no object")
      return
    }
    #expect(
      members.map(\.name).sorted()
        == ["aud", "client_id", "cnf", "exp", "iat", "iss", "jti", "scope", "sub", "tenant_id"])
    #expect(claims.member("scope")?.text == "profiles:read profiles:write")
    #expect(claims.member("cnf") == .object([JSONMember("jkt", .string(thumbprint))]))
    #expect(claims.member("tenant_id")?.text == tenant.uuidString.lowercased())
  }

  @Test("an issuer or audience left empty matches nothing, not even an empty claim")
  func refusesEmptyPolicy() throws {
    let key = try SigningKey.generate(.ed25519)
    for (name, audience, code) in [("", "a", TokenError.Code.wrongIssuer), ("i", "", .wrongAudience)] {
      let text = try TokenIssuer(issuer: name, audience: audience, keyID: "dev", key: key).accessToken(
        subject: "dpo", clientID: "dsar", tenant: tenant, scopes: [], boundTo: thumbprint, lifetime: 300, now: 1_000)
      #expect(throws: TokenError(code, step: 7)) {
        try AccessTokenVerifier(issuer: name, audience: audience)
          .verify(token: Array(text.utf8), now: 1_000) { _ in key.publicKey }
      }
    }
  }

  @Test(
    "an issuer refuses what could never be accepted",
    arguments: [
      ("", "dsar", 300), ("dpo", "", 300), ("dp\u{F6}", "dsar", 300), ("dpo", "dsar", 0), ("dpo", "dsar", 86_401),
    ] as [(String, String, Int64)])
  func refusesArguments(_ subject: String, _ clientID: String, _ lifetime: Int64) throws {
    let issuer = issuer(try .generate(.ed25519))
    #expect(throws: TokenError(.argumentNotAllowed)) {
      try issuer.accessToken(
        subject: subject, clientID: clientID, tenant: tenant, scopes: [], boundTo: thumbprint, lifetime: lifetime,
        now: 1_000)
    }
    #expect(throws: TokenError(.argumentNotAllowed)) {
      try issuer.accessToken(
        subject: "dpo", clientID: "dsar", tenant: tenant, scopes: [], boundTo: "short", lifetime: 300, now: 1_000)
    }
  }

  @Test("any flipped bit of a token is refused")
  func refusesFlippedBits() throws {
    let key = try SigningKey.generate(.ed25519)
    let text = try issuer(key).accessToken(
      subject: "dpo", clientID: "dsar", tenant: tenant, scopes: [], boundTo: thumbprint, lifetime: 300, now: 1_000)
    let verifier = AccessTokenVerifier(issuer: Fixture.issuer, audience: Fixture.audience)
    let good = Array(text.utf8)
    for index in good.indices {
      var bad = good
      bad[index] ^= 1 << (index % 8)
      #expect(throws: TokenError.self) { try verifier.verify(token: bad, now: 1_000) { _ in key.publicKey } }
    }
  }

  @Test("scopes have the syntax of RFC 6749")
  func scopes() {
    #expect(Scope(rawValue: "profiles:read") == .profilesRead)
    #expect(Scope(rawValue: "") == nil)
    #expect(Scope(rawValue: "a b") == nil)
    #expect(Scope(rawValue: "a\"b") == nil)
    #expect(Scope(rawValue: "\u{212A}") == nil)
    #expect(Scope(rawValue: String(repeating: "s", count: 65)) == nil)
    #expect(Scope.parse("") == [])
    #expect(Scope.parse(" profiles:read") == nil)
    #expect(
      Scope.all.map(\.description).joined(separator: " ")
        == "profiles:read profiles:write requests:read requests:manage requests:approve audit:read")
  }

  @Test("every refusal has a sentence of its own")
  func explains() {
    let sentences = TokenError.Code.allCases.map { "\(TokenError($0))" }
    #expect(Set(sentences).count == TokenError.Code.allCases.count)
    #expect(sentences.allSatisfy { $0.hasSuffix(".") })
  }
}
