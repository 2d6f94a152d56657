import Custody
import Foundation
import ServiceTesting
import Signing
import StrictJSON
import Testing
import Tokens

/// A server whose issuer signs anything.
private struct ForgedScene: Sendable {
  let running: RunningServer
  let installation: Installation
  let tenant: TenantID
  let forge: ForgingIssuer
  let signer: ProofSigner

  /// Calls `GET /profiles` with that token and a proof that is in order.
  func list(_ token: String, _ path: String = "/profiles") async throws -> RunningServer.Answer {
    try await running.send(
      "GET", path, headers: try TestPerson(token: token, signer: signer).credentials("GET", "/profiles"))
  }

  func claims(_ changes: [String: JSONValue?] = [:]) -> [String: JSONValue] {
    var claims = ForgingIssuer.claims(of: "kanari", tenant: tenant.uuid, boundTo: signer.thumbprint)
    for (name, value) in changes { claims[name] = value }
    return claims
  }
}

private func withForgedScene(_ body: (ForgedScene) async throws -> Void) async throws {
  try await withInstallation { installation in
    let forge = try ForgingIssuer()
    var forged = installation
    forged.settings.keySource = forge
    let tenant = TenantID(UUID())
    let running = try await RunningServer.start(try await forged.server(tenant: tenant))
    do {
      try await body(
        ForgedScene(
          running: running, installation: forged, tenant: tenant, forge: forge,
          signer: ProofSigner(key: try SigningKey.generate(.es256))))
    } catch {
      await running.stop()
      throw error
    }
    await running.stop()
  }
}

@Suite("Tokens and proofs at the edge")
struct TokenEdgeTests {
  private func expectRefused(
    _ answer: RunningServer.Answer, _ status: Int, _ kind: String, challenge: String?, _ comment: Comment,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    answer.expectProblem(status, kind, [], comment, sourceLocation: sourceLocation)
    let field = answer.headers["www-authenticate"] ?? ""
    #expect(field.hasPrefix("DPoP "), comment, sourceLocation: sourceLocation)
    #expect(field.contains("algs=\"ES256"), comment, sourceLocation: sourceLocation)
    if let challenge {
      #expect(field.contains("error=\"\(challenge)\""), comment, sourceLocation: sourceLocation)
    } else {
      #expect(!field.contains("error="), comment, sourceLocation: sourceLocation)
    }
  }

  @Test("a request without credentials that can be judged is told what is asked for")
  func credentials() async throws {
    try await withScene { scene in
      let token = scene.admin.token
      let proof = try scene.admin.credentials("GET", "/profiles")[1]
      let none = try await scene.running.send("GET", "/profiles", headers: [])
      expectRefused(none, 401, "unauthenticated", challenge: nil, "none")
      let proofOnly = try await scene.running.send("GET", "/profiles", headers: [proof])
      expectRefused(proofOnly, 401, "unauthenticated", challenge: nil, "a proof only")
      let basic = try await scene.running.send(
        "GET", "/profiles", headers: [("Authorization", "Basic a2FuYXJpOmthbmFyaQ=="), proof])
      expectRefused(basic, 401, "unauthenticated", challenge: nil, "Basic")
      let bearer = try await scene.running.send(
        "GET", "/profiles", headers: [("Authorization", "Bearer \(token)"), proof])
      expectRefused(bearer, 401, "invalid-token", challenge: "invalid_token", "Bearer")
      for (name, value) in [
        ("no token", "DPoP"), ("two tokens", "DPoP \(token) \(token)"), ("a list", "DPoP \(token), DPoP \(token)"),
      ] {
        let answer = try await scene.running.send("GET", "/profiles", headers: [("Authorization", value), proof])
        expectRefused(answer, 400, "invalid-request", challenge: "invalid_request", "\(name)")
      }
      let twice = try await scene.running.send(
        "GET", "/profiles", headers: [("Authorization", "DPoP \(token)"), ("Authorization", "DPoP \(token)"), proof])
      expectRefused(twice, 400, "invalid-request", challenge: "invalid_request", "two fields")
      let query = try await scene.running.send(
        "GET", "/profiles?access_token=\(token)", headers: [("Authorization", "DPoP \(token)"), proof])
      expectRefused(query, 400, "invalid-request", challenge: "invalid_request", "in the query as well")
      let queryOnly = try await scene.running.send("GET", "/profiles?access_token=\(token)", headers: [proof])
      expectRefused(queryOnly, 401, "unauthenticated", challenge: nil, "in the query")
      // None of these used the proof up.
      let right = try await scene.running.send(
        "GET", "/profiles", headers: [("Authorization", "DPoP \(token)"), proof])
      #expect(right.status == 200)
    }
  }

  @Test("a token that is not in order is 401 invalid-token, writes nothing and is not repeated")
  func tokens() async throws {
    try await withForgedScene { scene in
      let now = UnixClock.now()
      #expect(try await scene.list(try scene.forge.token(claims: scene.claims())).status == 200)
      let stranger = try SigningKey.generate(.es256)
      let right = try scene.forge.token(claims: scene.claims())
      let parts = right.split(separator: ".").map(String.init)
      let none = StrictBase64.encode(Array(#"{"alg":"none","kid":"test","typ":"at+jwt"}"#.utf8), .url)
      var header = ForgingIssuer.header
      header["typ"] = .string("JWT")
      let wrongType = try scene.forge.token(header: header, claims: scene.claims())
      header = ForgingIssuer.header
      header["kid"] = .string("kanari")
      let unknownKey = try scene.forge.token(header: header, claims: scene.claims())
      header = ForgingIssuer.header
      header["alg"] = .string("HS256")
      let symmetric = try scene.forge.token(header: header, claims: scene.claims())
      header = ForgingIssuer.header
      header["jwk"] = .object([JSONMember("kty", .string("EC"))])
      let ownKey = try scene.forge.token(header: header, claims: scene.claims())
      func changed(_ changes: [String: JSONValue?]) throws -> String {
        try scene.forge.token(claims: scene.claims(changes))
      }
      let cases: [(String, String)] = [
        ("expired", try changed(["iat": .integer(now - 601), "exp": .integer(now - 1)])),
        ("expires now", try changed(["exp": .integer(now)])),
        ("without expiry", try changed(["exp": .some(nil)])),
        ("expiry as text", try changed(["exp": .string("kanari")])),
        ("issued in the future", try changed(["iat": .integer(now + 60)])),
        ("not yet valid", try changed(["nbf": .integer(now + 60)])),
        ("of another issuer", try changed(["iss": .string("https://kanari.example.test")])),
        ("of an issuer with a slash more", try changed(["iss": .string("https://issuer.example.test/")])),
        ("for another audience", try changed(["aud": .string("kanari")])),
        ("for an audience in a list of others", try changed(["aud": .array([.string("kanari")])])),
        ("not bound", try changed(["cnf": .some(nil)])),
        ("bound to nothing", try changed(["cnf": .object([])])),
        ("bound to a certificate", try changed(["cnf": .object([JSONMember("x5t#S256", .string("kanari"))])])),
        ("without tenant", try changed(["tenant_id": .some(nil)])),
        ("with a tenant that is no id", try changed(["tenant_id": .string("kanari")])),
        ("without subject", try changed(["sub": .some(nil)])),
        ("with an empty subject", try changed(["sub": .string("")])),
        ("without client", try changed(["client_id": .some(nil)])),
        ("with a list of scopes", try changed(["scope": .array([.string("profiles:read")])])),
        ("signed by somebody else", try scene.forge.token(claims: scene.claims(), by: stranger)),
        ("with changed claims", "\(parts[0]).\(parts[1].dropLast(4))AAAA.\(parts[2])"),
        ("without signature", "\(parts[0]).\(parts[1])."),
        ("with the algorithm none", "\(none).\(parts[1])."),
        ("of two parts", "\(parts[0]).\(parts[1])"),
        ("not a token", "kanari"),
        ("of another type", wrongType),
        ("of an unknown key", unknownKey),
        ("with a symmetric algorithm", symmetric),
        ("that brings its key", ownKey),
        ("longer than 8 KiB", right + String(repeating: "A", count: 8_192)),
      ]
      let before = try await scene.installation.data.sql("SELECT count(*) FROM custody.actors")
      for (name, token) in cases {
        let answer = try await scene.list(token)
        expectRefused(answer, 401, "invalid-token", challenge: "invalid_token", "\(name)")
        #expect(!answer.text.contains("kanari"), "\(name)")
      }
      #expect(try await scene.installation.data.sql("SELECT count(*) FROM custody.actors") == before)
      for line in scene.installation.log.lines {
        #expect(!line.contains("kanari"))
        #expect(!line.contains(parts[1]) && !line.contains(parts[2]))
      }
    }
  }

  @Test("a token bound to another key is refused, however good the proof of the caller's own key is")
  func stolenToken() async throws {
    try await withScene { scene in
      let thief = TestPerson(token: scene.admin.token, signer: ProofSigner(key: try SigningKey.generate(.es256)))
      let answer = try await scene.running.call("GET", "/profiles", as: thief)
      answer.expectProblem(401, "invalid-token")
      #expect(answer.headers["www-authenticate"]?.contains("error=\"invalid_token\"") == true)
    }
  }

  @Test("a proof is for one request: path, method, origin, token, and this minute")
  func proofs() async throws {
    try await withScene { scene in
      let now = UnixClock.now()
      let other = try scene.person("admin")
      let wrong: [(String, (String, String))] = [
        ("path", try scene.admin.credentials("GET", "/me")[1]),
        ("path in another case", try scene.admin.credentials("GET", "/Profiles")[1]),
        ("path with a slash more", try scene.admin.credentials("GET", "/profiles/")[1]),
        ("method", try scene.admin.credentials("POST", "/profiles")[1]),
        ("method in another case", try scene.admin.credentials("get", "/profiles")[1]),
        ("host", try scene.admin.credentials("GET", "/profiles", origin: "https://kanari.example.test")[1]),
        ("scheme", try scene.admin.credentials("GET", "/profiles", origin: "http://privacy.example.test")[1]),
        (
          "address behind the proxy",
          try scene.admin.credentials("GET", "/profiles", origin: "http://127.0.0.1:\(scene.running.port)")[1]
        ),
        ("minute, past", try scene.admin.credentials("GET", "/profiles", now: now - 65)[1]),
        ("minute, ahead", try scene.admin.credentials("GET", "/profiles", now: now + 60)[1]),
        (
          "token",
          (
            "DPoP",
            try scene.admin.signer.proof(
              method: "GET", url: Installation.origin + "/profiles", accessToken: other.token, now: now)
          )
        ),
        ("form", ("DPoP", "kanari")), ("form, empty", ("DPoP", "")), ("form, a token", ("DPoP", scene.admin.token)),
      ]
      let token = ("Authorization", "DPoP \(scene.admin.token)")
      for (name, proof) in wrong {
        let answer = try await scene.running.send("GET", "/profiles", headers: [token, proof])
        expectRefused(answer, 401, "invalid-dpop-proof", challenge: "invalid_dpop_proof", "\(name)")
        #expect(!answer.text.contains("kanari"))
      }
      let missing = try await scene.running.send("GET", "/profiles", headers: [token])
      expectRefused(missing, 401, "invalid-dpop-proof", challenge: "invalid_dpop_proof", "missing")
      let two = try await scene.running.send(
        "GET", "/profiles",
        headers: [token] + [
          try scene.admin.credentials("GET", "/profiles")[1], try scene.admin.credentials("GET", "/profiles")[1],
        ])
      expectRefused(two, 401, "invalid-dpop-proof", challenge: "invalid_dpop_proof", "two")
      // The query belongs to the request, not to the proof.
      let query = try await scene.running.send(
        "GET", "/profiles?limit=1", headers: try scene.admin.credentials("GET", "/profiles"))
      #expect(query.status == 200)
    }
  }

  @Test("a proof sent twice is refused the second time, also for an operation that the first refusal left undone")
  func replay() async throws {
    try await withScene { scene in
      let fields = try scene.admin.credentials("GET", "/profiles")
      let first = try await scene.running.send("GET", "/profiles", headers: fields)
      #expect(first.status == 200)
      let second = try await scene.running.send("GET", "/profiles", headers: fields)
      expectRefused(second, 401, "invalid-dpop-proof", challenge: "invalid_dpop_proof", "the second time")
      let posted = try scene.admin.credentials("POST", "/profiles")
      let withoutKey = try await scene.running.send(
        "POST", "/profiles", headers: posted + [("Content-Type", "application/json")], body: Array("{}".utf8))
      withoutKey.expectProblem(400, "idempotency-key-required")
      let again = try await scene.running.send(
        "POST", "/profiles",
        headers: posted + [("Content-Type", "application/json"), ("Idempotency-Key", UUID().uuidString)],
        body: Array(#"{"full_name":"Zoë"}"#.utf8))
      expectRefused(again, 401, "invalid-dpop-proof", challenge: "invalid_dpop_proof", "for another body")
    }
  }

  @Test("of one proof sent many times at once exactly one passes")
  func concurrentReplay() async throws {
    try await withScene { scene in
      _ = try await scene.running.call("GET", "/profiles", as: scene.admin)
      let fields = try scene.admin.credentials("GET", "/profiles")
      let statuses = try await withThrowingTaskGroup(of: Int.self) { group in
        for _ in 0..<20 {
          group.addTask { try await scene.running.send("GET", "/profiles", headers: fields).status }
        }
        return try await group.reduce(into: []) { $0.append($1) }
      }
      #expect(statuses.count(of: 200) == 1)
      #expect(statuses.count(of: 401) == 19)
    }
  }

  @Test("a token of a tenant that is not here is 403 on every route, and leaves nothing behind")
  func unknownTenant() async throws {
    try await withScene { scene in
      let before = try await scene.contents()
      let stranger = try scene.installation.issuer.person("admin", in: TenantID(UUID()))
      for route in ListedRoute.all {
        let answer = try await route.call(scene.running, UUID().uuidString, as: stranger)
        answer.expectProblem(403, "unknown-tenant", [], "\(route.testDescription)")
      }
      #expect(try await scene.contents() == before)
    }
  }
}

@Suite("Every route asks for its scope")
struct ScopeTests {
  @Test("the list of routes below is what the server routes, to the last one")
  func allRoutesAreListed() async throws {
    try await withScene { scene in
      let listed = Set(ListedRoute.all.map(\.testDescription) + ListedRoute.open)
      let known = try ListedRoute.known(to: scene.running.server)
      #expect(known == listed)
      #expect(known.count == ListedRoute.all.count + ListedRoute.open.count)
    }
  }

  @Test("a token with every scope but the route's own is 403 everywhere, and with that one alone nowhere")
  func scopes() async throws {
    try await withScene { scene in
      _ = try await scene.running.call("GET", "/profiles", as: scene.admin)
      let id = try await scene.createdID()
      let before = try await scene.contents()
      for route in ListedRoute.all {
        let others = Scope.all.filter { $0 != route.scope }
        let refused = try await route.call(scene.running, id, as: try scene.person("admin", scopes: others))
        refused.expectProblem(403, "insufficient-scope", [], "\(route.testDescription)")
        let challenge = refused.headers["www-authenticate"] ?? ""
        #expect(challenge.contains("error=\"insufficient_scope\""), "\(route.testDescription)")
        #expect(challenge.contains("scope=\"\(route.scope)\""), "\(route.testDescription)")
        let bare = try await route.call(scene.running, id, as: try scene.person("admin", scopes: []))
        bare.expectProblem(403, "insufficient-scope", [], "\(route.testDescription)")
      }
      #expect(try await scene.contents() == before)
      for route in ListedRoute.all {
        let only = try await route.call(scene.running, id, as: try scene.person("admin", scopes: [route.scope]))
        #expect(only.status != 401 && only.status != 403, "\(route.testDescription): \(only.status)")
      }
    }
  }

  @Test("no route but the health of the service answers without a token")
  func openRoutes() async throws {
    try await withScene { scene in
      for route in ListedRoute.all {
        let answer = try await scene.running.send(
          route.method, route.path(UUID().uuidString), headers: [("Content-Type", "application/json")],
          body: route.body.map { Array($0.utf8) })
        answer.expectProblem(401, "unauthenticated", [], "\(route.testDescription)")
      }
      for open in ListedRoute.open {
        let answer = try await scene.running.send("GET", String(open.split(separator: " ")[1]), headers: [])
        #expect(answer.status == 200)
      }
    }
  }
}
