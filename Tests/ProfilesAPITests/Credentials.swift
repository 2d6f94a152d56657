import Foundation
import ServiceTesting
import Signing
import StrictJSON
import Tokens

extension TestPerson {
  /// The two fields that authenticate one request, with a fresh proof.
  ///
  /// - Parameters:
  ///   - method: what the proof is made for, as `path`; its query is left out.
  ///   - origin: the origin in the proof.
  ///   - now: the proof's `iat`, Unix seconds.
  func credentials(
    _ method: String, _ path: String, origin: String = Installation.origin, now: Int64 = UnixClock.now()
  ) throws -> [(String, String)] {
    let proof = try signer.proof(method: method, url: origin + path, accessToken: token, now: now)
    return [("Authorization", "DPoP \(token)"), ("DPoP", proof)]
  }
}

/// An issuer that signs whatever it is told to, with a key that the server believes.
struct ForgingIssuer: KeySource {
  let key: SigningKey
  let honest: TokenIssuer

  init() throws {
    key = try SigningKey.generate(.es256)
    honest = TokenIssuer(issuer: "https://issuer.example.test", audience: "lethe-test", keyID: "test", key: key)
  }

  func jwks() async throws -> [UInt8] { try JWKSet([honest.jwk]).document() }

  /// The header of a token that is in order.
  static let header: [String: JSONValue] = [
    "typ": .string("at+jwt"), "alg": .string("ES256"), "kid": .string("test"),
  ]

  /// The claims of a token that is in order.
  static func claims(of subject: String, tenant: UUID, boundTo thumbprint: String) -> [String: JSONValue] {
    let now = UnixClock.now()
    return [
      "iss": .string("https://issuer.example.test"), "aud": .string("lethe-test"), "sub": .string(subject),
      "client_id": .string("client"), "jti": .string(UUID().uuidString), "iat": .integer(now),
      "exp": .integer(now + 600), "tenant_id": .string(tenant.uuidString.lowercased()),
      "scope": .string("profiles:read"), "cnf": .object([JSONMember("jkt", .string(thumbprint))]),
    ]
  }

  /// A signed token of exactly those parts.
  func token(header: [String: JSONValue] = Self.header, claims: [String: JSONValue], by other: SigningKey? = nil)
    throws -> String
  {
    let signed = try [header, claims].map { part in
      let members = part.sorted { $0.key < $1.key }.map { JSONMember($0.key, $0.value) }
      return StrictBase64.encode(try JSONValue.object(members).canonicalBytes(), .url)
    }.joined(separator: ".")
    let signature = try (other ?? key).signature(over: Array(signed.utf8))
    return "\(signed).\(StrictBase64.encode(signature, .url))"
  }
}
