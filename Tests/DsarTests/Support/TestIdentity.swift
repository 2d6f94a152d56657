import Foundation
import Signing
import Tokens

@testable import dsar

/// An issuer, a key and a token that is bound to it.
struct TestIdentity: Sendable {
  static let tenant = UUID(uuid: (0x11, 0, 0, 0, 0, 0, 0x40, 0, 0x80, 0, 0, 0, 0, 0, 0, 1))
  static let server = "http://localhost:3002"

  let issuer: TokenIssuer
  let key: SigningKey

  init() throws {
    issuer = TokenIssuer(issuer: "https://issuer.example", audience: "lethe", keyID: "K", key: try .generate(.es256))
    key = try .generate(.es256)
  }

  func token(tenant: UUID = Self.tenant, lifetime: Int64 = 600, now: Int64 = UnixClock.now()) throws -> String {
    try issuer.accessToken(
      subject: "officer-7", clientID: "dsar", tenant: tenant, scopes: [.requestsRead, .auditRead],
      boundTo: ProofSigner(key: key).thumbprint, lifetime: lifetime, now: now)
  }

  func session(named name: String = "officer", tenant: UUID = Self.tenant) throws -> Session {
    try Session(name: name, identity: name, server: Self.server, token: try token(tenant: tenant), key: key)
  }

  /// What the service has in front of its routes.
  func authenticator(origin: String = Self.server) throws -> Authenticator {
    Authenticator(
      policy: AuthenticationPolicy(
        issuer: "https://issuer.example", audience: "lethe", origin: try ExternalOrigin(origin)),
      keys: IssuerKeys(source: FixedKeys(document: try JWKSet([issuer.jwk]).document())), replay: UsedProofs(),
      revocation: nil)
  }
}

private struct FixedKeys: KeySource {
  let document: [UInt8]
  func jwks() async throws -> [UInt8] { document }
}

private actor UsedProofs: ReplayStore {
  private var seen: Set<String> = []

  func consume(thumbprint: String, proof: SHA256Digest, until expiry: Int64) async throws -> Bool {
    seen.insert(thumbprint + proof.hex).inserted
  }
}
