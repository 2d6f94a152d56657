import Foundation
import Signing
import Testing

@testable import Tokens

@Suite("Agreement with the openssl command")
struct OpenSSLAgreementTests {
  @Test("a token signed by openssl with Ed25519 is accepted, and its key is the one in our key set")
  func acceptsTheirs() async throws {
    let folder = try TemporaryFolder()
    let privatePath = "\(folder.path)/key.pem"
    try await folder.openssl("genpkey", "-algorithm", "ed25519", "-out", privatePath)
    try await folder.openssl("pkey", "-in", privatePath, "-pubout", "-out", "\(folder.path)/public.pem")
    try await folder.openssl(
      "pkey", "-in", privatePath, "-pubout", "-outform", "DER", "-out", "\(folder.path)/public.der")
    let raw = Array(try folder.read("public.der").suffix(32))
    let document = """
      {"keys":[{"kty":"OKP","crv":"Ed25519","kid":"openssl","alg":"EdDSA","x":"\(StrictBase64.encode(raw, .url))"}]}
      """
    let set = try JWKSet(parsing: Array(document.utf8))
    let pem = String(decoding: try folder.read("public.pem"), as: UTF8.self)
    #expect(set.key("openssl") == (try VerifyingKey(subjectPublicKeyInfoPEM: pem)))

    var attempt = try Fixture().attempt()
    attempt.tokenHeader["alg"] = "\"EdDSA\""
    attempt.tokenHeader["kid"] = "\"openssl\""
    let header = StrictBase64.encode(Array(attempt.tokenHeader.text.utf8), .url)
    let claims = StrictBase64.encode(Array(attempt.tokenClaims.text.utf8), .url)
    let message = try folder.write("message", Array("\(header).\(claims)".utf8))
    try await folder.openssl(
      "pkeyutl", "-sign", "-rawin", "-inkey", privatePath, "-in", message, "-out", "\(folder.path)/signature")
    let signature = StrictBase64.encode(try folder.read("signature"), .url)
    let token = try AccessTokenVerifier(issuer: Fixture.issuer, audience: Fixture.audience)
      .verify(token: Array("\(header).\(claims).\(signature)".utf8), now: Fixture.now) { set.key($0) }
    #expect(token.subject == "officer-7")
  }

  @Test("openssl accepts a token that we signed with Ed25519, and not another one")
  func theyAcceptOurs() async throws {
    let folder = try TemporaryFolder()
    let key = try SigningKey.generate(.ed25519)
    let text = try TokenIssuer(issuer: "i", audience: "a", keyID: "k", key: key).accessToken(
      subject: "s", clientID: "c", tenant: UUID(), scopes: [], boundTo: Thumbprint.of(key.publicKey), lifetime: 60,
      now: 1_000)
    let parts = text.split(separator: ".")
    let signature = try folder.write("signature", try #require(StrictBase64.decode(parts[2], .url)))
    let message = try folder.write("message", Array("\(parts[0]).\(parts[1])".utf8))
    let other = try folder.write("other", Array("\(parts[1]).\(parts[0])".utf8))
    let pem = try folder.write("public.pem", Array(key.publicKey.pem().utf8))
    let verify = ["pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", pem, "-sigfile", signature, "-in"]
    #expect(try await folder.run(verify + [message]) == 0)
    #expect(try await folder.run(verify + [other]) == 1)
  }
}
