public import Custody
import Foundation
import Signing
public import Tokens

/// An issuer with one ES256 key; its own source of keys.
public struct TestIssuer: KeySource {
  /// The `iss` of its tokens.
  public let name = "https://issuer.example.test"
  /// The `aud` of its tokens.
  public let audience = "lethe-test"
  /// Makes tokens.
  public let tokens: TokenIssuer

  /// An issuer with a new key.
  public init() throws {
    tokens = TokenIssuer(issuer: name, audience: audience, keyID: "test", key: try SigningKey.generate(.es256))
  }

  /// Its key set.
  public func jwks() async throws -> [UInt8] { try JWKSet([tokens.jwk]).document() }

  /// Somebody with a proof key and a token that is bound to it.
  public func person(
    _ subject: String, in tenant: TenantID, scopes: [Scope] = Scope.all, lifetime: Int64 = 3_600,
    now: Int64 = UnixClock.now()
  ) throws -> TestPerson {
    let signer = ProofSigner(key: try SigningKey.generate(.es256))
    let token = try tokens.accessToken(
      subject: subject, clientID: "client-" + subject, tenant: tenant.uuid, scopes: Set(scopes),
      boundTo: signer.thumbprint, lifetime: lifetime, now: now)
    return TestPerson(token: token, signer: signer)
  }
}

/// Somebody who calls.
public struct TestPerson: Sendable {
  /// The access token.
  public let token: String
  /// Makes proofs with the key that the token is bound to.
  public let signer: ProofSigner

  /// Somebody with that token and key.
  public init(token: String, signer: ProofSigner) {
    self.token = token
    self.signer = signer
  }
}
