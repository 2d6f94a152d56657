import Foundation
import Signing
import Testing

@testable import Tokens

@Suite("What a request must pass")
struct AuthenticatorTests {
  @Test("an attack is refused with its status, its code and at its step", arguments: AttackCase.all)
  func refuses(_ attack: AttackCase) async throws {
    let store = RememberedProofs()
    var attempt = try Fixture().attempt()
    attempt.replay = store
    try attack.spoil(&attempt)
    let failure = try await #require(throws: AuthenticationFailure.self) { try await attempt.authenticate() }
    #expect(failure.status == attack.status)
    #expect(failure.error == attack.error)
    #expect(failure.step == attack.step)
    let algorithms = "algs=\"ES256 Ed25519 EdDSA\""
    let challenge = attack.error.map { "DPoP error=\"\($0)\", \(algorithms)" } ?? "DPoP \(algorithms)"
    #expect(failure.wwwAuthenticate == (attack.status == 503 ? nil : challenge))
    #expect((failure.retryAfter != nil) == (attack.status == 503))
    let used = await store.records.count
    #expect(used == 0, "a refused request has used up its proof")
  }

  @Test("the table has at least one attack for each step up to the replay store")
  func tableCoversEveryStep() {
    #expect(Set(AttackCase.all.map(\.step)) == Set(1...19))
    #expect(Set(AttackCase.all.map { "\($0.step) \($0.testDescription)" }).count == AttackCase.all.count)
  }

  @Test("a request in order names its caller")
  func accepts() async throws {
    let fixture = try Fixture()
    let principal = try await fixture.attempt().authenticate()
    let expected = Principal(
      subject: "officer-7", clientID: "dsar", tenant: try #require(UUID(uuidString: Fixture.tenant)),
      scopes: [.profilesRead, .requestsManage], thumbprint: Thumbprint.of(fixture.clientKey.publicKey),
      tokenID: "token-1", expires: Fixture.now + 300)
    #expect(principal == expected)
  }

  @Test("a request in another allowed form passes as well", arguments: Variation.all)
  func acceptsVariations(_ variation: Variation) async throws {
    var attempt = try Fixture().attempt()
    try variation.change(&attempt)
    #expect(try await attempt.authenticate().subject == "officer-7")
  }

  @Test("a proof used twice is refused, and its record outlives its window")
  func refusesReplay() async throws {
    let fixture = try Fixture()
    let store = RememberedProofs()
    let authenticator = try fixture.authenticator(replay: store)
    let credentials = try fixture.attempt().credentials()
    _ = try await authenticator.authenticate(credentials)
    let failure = try await #require(throws: AuthenticationFailure.self) {
      try await authenticator.authenticate(credentials)
    }
    #expect(failure.status == 401)
    #expect(failure.error == "invalid_dpop_proof")
    #expect(failure.step == 19)
    let record = RememberedProofs.Record(
      thumbprint: Thumbprint.of(fixture.clientKey.publicKey), proof: SHA256Digest.hash(Array("proof-1".utf8)))
    #expect(await store.records == [record: Fixture.now + 71])
  }

  @Test("of many requests with one proof at the same time, one passes")
  func acceptsOneOfMany() async throws {
    let fixture = try Fixture()
    let authenticator = try fixture.authenticator()
    let credentials = try fixture.attempt().credentials()
    let passed = await withTaskGroup(of: Bool.self) { group in
      for _ in 0..<16 {
        group.addTask { (try? await authenticator.authenticate(credentials)) != nil }
      }
      return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
    }
    #expect(passed == 1)
  }

  @Test("a proof that failed an earlier step can still be used")
  func keepsFailedProof() async throws {
    let fixture = try Fixture()
    let store = RememberedProofs()
    let authenticator = try fixture.authenticator(replay: store)
    let good = try fixture.attempt().credentials()
    let bad = RequestCredentials(
      authorization: good.authorization, proofs: good.proofs, method: "DELETE", rawTarget: good.rawTarget)
    let failure = try await #require(throws: AuthenticationFailure.self) { try await authenticator.authenticate(bad) }
    #expect(failure.step == 14)
    #expect(try await authenticator.authenticate(good).tokenID == "token-1")
  }

  @Test("the same jti under another key is another proof")
  func separatesKeys() async throws {
    let store = RememberedProofs()
    for _ in 0..<2 {
      var attempt = try Fixture().attempt()
      attempt.replay = store
      #expect(try await attempt.authenticate().subject == "officer-7")
    }
    #expect(await store.records.count == 2)
  }

  @Test("without any key set the answer is 503 with the seconds to wait")
  func answersUnavailable() async throws {
    let fixture = try Fixture()
    let authenticator = try fixture.authenticator(source: ChangingKeySource(nil))
    let credentials = try fixture.attempt().credentials()
    let failure = try await #require(throws: AuthenticationFailure.self) {
      try await authenticator.authenticate(credentials)
    }
    #expect(failure.status == 503)
    #expect(failure.step == 5)
    #expect(failure.retryAfter == 30)
    #expect(failure.wwwAuthenticate == nil)
  }

  @Test("a token that expires while the stores are asked is refused")
  func checksExpiryAgain() async throws {
    let fixture = try Fixture()
    let clock = SettableClock(Fixture.now)
    let authenticator = try fixture.authenticator(
      replay: SlowProofs(clock: clock, seconds: 300), now: { clock.now })
    let credentials = try fixture.attempt().credentials()
    let failure = try await #require(throws: AuthenticationFailure.self) {
      try await authenticator.authenticate(credentials)
    }
    #expect(failure.status == 401)
    #expect(failure.error == "invalid_token")
  }

  @Test("a scope the token lacks is 403, and the challenge names what the route needs")
  func requiresScopes() async throws {
    let principal = try await Fixture().attempt().authenticate()
    try Authenticator.require([.profilesRead], of: principal)
    try Authenticator.require([], of: principal)
    let failure = try #require(throws: AuthenticationFailure.self) {
      try Authenticator.require([.profilesRead, .auditRead], of: principal)
    }
    #expect(failure.status == 403)
    #expect(failure.error == "insufficient_scope")
    #expect(failure.step == 20)
    #expect(
      failure.wwwAuthenticate
        == "DPoP error=\"insufficient_scope\", scope=\"audit:read profiles:read\", algs=\"ES256 Ed25519 EdDSA\"")
  }

  @Test("nothing about a caller or a token can be printed by accident")
  func printsNothing() async throws {
    let attempt = try Fixture().attempt()
    let credentials = try attempt.credentials()
    var text = "\(credentials)"
    dump(credentials, to: &text)
    let principal = try await attempt.authenticate()
    text += "\(principal)"
    dump(principal, to: &text)
    #expect(text.contains("RequestCredentials(authorization: 1, proofs: 1)"))
    for secret in ["eyJ", "officer-7", "dsar", "token-1", "profiles/42"] {
      #expect(!text.contains(secret))
    }
  }

  @Test("a refusal repeats nothing of what was refused")
  func answersWithoutValues() async throws {
    var attempt = try Fixture().attempt()
    attempt.tokenClaims["iss"] = "\"https://canary.example\""
    let failure = try await #require(throws: AuthenticationFailure.self) { try await attempt.authenticate() }
    #expect(failure.detail == "Access token: Its issuer is not the one trusted here.")
    #expect("\(failure)" == "401 invalid_token at step 7: \(failure.detail)")
  }
}

extension AttackCase {
  static let all = fields + tokens + proofs
}

/// One more way to be right.
struct Variation: Sendable, CustomTestStringConvertible {
  let testDescription: String
  let change: @Sendable (inout Attempt) throws -> Void

  init(_ name: String, _ change: @escaping @Sendable (inout Attempt) throws -> Void) {
    testDescription = name
    self.change = change
  }

  private static func url(_ name: String, _ url: String) -> Variation {
    Variation(name) { $0.proofClaims["htu"] = "\"\(url)\"" }
  }

  static let all: [Variation] = [
    Variation("the scheme in another case") { $0.authorization = { ["dPOP \($0)"] } },
    Variation("spaces after the scheme") { $0.authorization = { ["DPoP   \($0)"] } },
    Variation("typ in full") { $0.tokenHeader["typ"] = "\"application/at+jwt\"" },
    Variation("alg EdDSA") { $0.tokenHeader["alg"] = "\"EdDSA\"" },
    Variation("a token signed with P-256") {
      $0.tokenHeader["alg"] = "\"ES256\""
      $0.tokenHeader["kid"] = "\"E1\""
      $0.tokenKey = $0.fixture.secondIssuerKey
    },
    Variation("a proof signed with Ed25519") {
      $0.proofKey = $0.fixture.attackerKey
      $0.proofHeader["alg"] = "\"EdDSA\""
      $0.proofHeader["jwk"] = Attempt.jwk($0.fixture.attackerKey)
      $0.tokenClaims["cnf"] = "{\"jkt\":\"\(Thumbprint.of($0.fixture.attackerKey.publicKey))\"}"
    },
    Variation("several audiences") { $0.tokenClaims["aud"] = "[\"https://other.example\",\"\(Fixture.audience)\"]" },
    Variation("no scope") { $0.tokenClaims["scope"] = nil },
    Variation("a tenant in capitals") { $0.tokenClaims["tenant_id"] = "\"\(Fixture.tenant.uppercased())\"" },
    Variation("exp in a second") { $0.tokenClaims["exp"] = "\(Fixture.now + 1)" },
    Variation("iat and nbf ten seconds ahead") {
      $0.tokenClaims["iat"] = "\(Fixture.now + 10)"
      $0.tokenClaims["nbf"] = "\(Fixture.now + 10)"
    },
    Variation("claims and headers nobody knows") {
      $0.tokenHeader["x-new"] = "{}"
      $0.tokenClaims["acr"] = "\"2\""
      $0.proofClaims["nonce"] = "\"n\""
    },
    Variation("a token that is not the revoked one") { $0.revocation = RevokedTokens(tokenIDs: ["token-2"]) },
    Variation("a read while the revocation list is away") { $0.revocation = LostRevocations() },
    Variation("a proof 60 seconds old") { $0.proofClaims["iat"] = "\(Fixture.now - 60)" },
    Variation("a proof from 10 seconds ahead") { $0.proofClaims["iat"] = "\(Fixture.now + 10)" },
    Variation("a proof with times of its own") {
      $0.proofClaims["exp"] = "\(Fixture.now + 1)"
      $0.proofClaims["nbf"] = "\(Fixture.now)"
    },
    Variation("a query without a token") { $0.target = "/v1/profiles/42?q=access_token&access_tokens=1" },
    Variation("a dotted request target") { $0.target = "/v1/./x/../profiles/%34%32" },
    url("htu in capitals", "HTTPS://API.Example/v1/profiles/42"),
    url("htu with the default port", "https://api.example:443/v1/profiles/42"),
    url("htu with an empty port", "https://api.example:/v1/profiles/42"),
    url("htu with a query and a fragment", "https://api.example/v1/profiles/42?fields=name#top"),
    url("htu with needless escapes", "https://%61pi.example/v1/%70rofiles/4%32"),
    url("htu with dot segments", "https://api.example/../v1/x/.././profiles/42"),
  ]
}

/// A replay store during whose answer time passes.
struct SlowProofs: ReplayStore {
  let clock: SettableClock
  let seconds: Int64
  func consume(thumbprint: String, proof: SHA256Digest, until expiry: Int64) async throws -> Bool {
    clock.advance(seconds)
    return true
  }
}
