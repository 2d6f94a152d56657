import Foundation
import Signing
import Tokens

/// Access tokens and proofs, beside OpenSSL's verification of the same signatures over the same bytes.
struct TokenMeasurements {
  let harness: Harness

  private static let issuer = "https://issuer.example"
  private static let audience = "lethe"
  private static let origin = "https://privacy.example.com"
  private static let target = "/profiles/6f1a3c52-8f0e-4c7b-9c3e-0d2b7a1e5f44"

  func run() async throws -> Findings {
    var findings = Findings()
    for algorithm in SignatureAlgorithm.allCases {
      let comparisons = [
        try await accessToken(algorithm), try await warmProof(algorithm), try await coldProof(algorithm),
      ]
      findings.comparisons += comparisons.compactMap(\.self)
    }
    return findings
  }

  /// 64 tokens of one issuer, whose key is in the key set.
  private func accessToken(_ algorithm: SignatureAlgorithm) async throws -> Comparison? {
    let name = "tokens/access/\(algorithm.rawValue)"
    guard harness.wants(name) else { return nil }
    let now = UnixClock.now()
    let key = try SigningKey.generate(algorithm)
    let issuer = TokenIssuer(issuer: Self.issuer, audience: Self.audience, keyID: "bench", key: key)
    let client = ProofSigner(key: try SigningKey.generate(.es256))
    let tokens = try (0..<64).map { number in try token(issuer, number, client, now) }
    let keys = try JWKSet([issuer.jwk])
    let verifier = AccessTokenVerifier(issuer: Self.issuer, audience: Self.audience)
    let bytes = tokens.map { Array($0.utf8) }
    let raw = try tokens.map { try SignedMessage($0, signedBy: key.publicKey) }
    return try await harness.compareCPU(
      name, against: "EVP_DigestVerify, ready key", goal: 1.08,
      ours: { count in
        for index in 0..<count {
          _ = try verifier.verify(token: bytes[index % bytes.count], now: now) { keyID in keys.key(keyID) }
        }
      },
      baseline: { count in
        for index in 0..<count { try raw[index % raw.count].verify() }
      })
  }

  /// 64 proofs of one client: its key has been seen before.
  private func warmProof(_ algorithm: SignatureAlgorithm) async throws -> Comparison? {
    let name = "tokens/proof-warm/\(algorithm.rawValue)"
    guard harness.wants(name) else { return nil }
    let now = UnixClock.now()
    let key = try SigningKey.generate(algorithm)
    let client = ProofSigner(key: key)
    let issuer = TokenIssuer(
      issuer: Self.issuer, audience: Self.audience, keyID: "bench", key: try SigningKey.generate(.es256))
    let token = try token(issuer, 0, client, now)
    let proofs = try (0..<64).map { _ in try proof(client, token, now) }
    let bytes = proofs.map { Array($0.utf8) }
    let raw = try proofs.map { try SignedMessage($0, signedBy: key.publicKey) }
    let tokenBytes = Array(token.utf8)
    let verifier = ProofVerifier(origin: try ExternalOrigin(Self.origin))
    return try await harness.compareCPU(
      name, against: "EVP_DigestVerify, ready key", goal: 1.12,
      ours: { count in
        for index in 0..<count {
          _ = try verifier.verify(
            bytes[index % bytes.count], method: "GET", rawTarget: Self.target, accessToken: tokenBytes,
            boundTo: client.thumbprint, now: now)
        }
      },
      baseline: { count in
        for index in 0..<count { try raw[index % raw.count].verify() }
      })
  }

  /// Each proof by a client that was never seen; each is verified once.
  private func coldProof(_ algorithm: SignatureAlgorithm) async throws -> Comparison? {
    let now = UnixClock.now()
    let issuer = TokenIssuer(
      issuer: Self.issuer, audience: Self.audience, keyID: "bench", key: try SigningKey.generate(.es256))
    let token = try token(issuer, 0, ProofSigner(key: try SigningKey.generate(.es256)), now)
    let tokenBytes = Array(token.utf8)
    let verifier = ProofVerifier(origin: try ExternalOrigin(Self.origin))
    return try await harness.compare(
      "tokens/proof-cold/\(algorithm.rawValue)", against: "EVP_DigestVerify, ready key", goal: 1.40, clock: .cpu,
      rounds: harness.quick ? 7 : 41, count: harness.quick ? 64 : 200,
      ours: { count in
        let fresh = try (0..<count).map { _ in
          let client = ProofSigner(key: try SigningKey.generate(algorithm))
          return (proof: Array(try proof(client, token, now).utf8), thumbprint: client.thumbprint)
        }
        return try cpuNanoseconds {
          for one in fresh {
            _ = try verifier.verify(
              one.proof, method: "GET", rawTarget: Self.target, accessToken: tokenBytes, boundTo: one.thumbprint,
              now: now)
          }
        }
      },
      baseline: { count in
        let fresh = try (0..<count).map { _ in
          let key = try SigningKey.generate(algorithm)
          return try SignedMessage(try proof(ProofSigner(key: key), token, now), signedBy: key.publicKey)
        }
        return try cpuNanoseconds { for one in fresh { try one.verify() } }
      })
  }

  private func token(_ issuer: TokenIssuer, _ number: Int, _ client: ProofSigner, _ now: Int64) throws -> String {
    try issuer.accessToken(
      subject: "officer-\(number)", clientID: "dsar", tenant: UUID(),
      scopes: [.profilesRead, .requestsRead, .requestsManage], boundTo: client.thumbprint, lifetime: 3_600, now: now)
  }

  private func proof(_ client: ProofSigner, _ token: String, _ now: Int64) throws -> String {
    try client.proof(method: "GET", url: Self.origin + Self.target, accessToken: token, now: now)
  }
}
