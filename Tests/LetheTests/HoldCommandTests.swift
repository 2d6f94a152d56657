import Foundation
import PostgresTesting
import Schema
import Signing
import StrictJSON
import Testing
import Tokens

@Suite("lethe hold")
struct HoldCommandTests {
  /// What one command printed; it must end with that status.
  @discardableResult
  private func lethe(
    _ arguments: [String], home: String, environment: [String: String] = [:], status expected: Int32 = 0
  ) async throws -> String {
    let process = try ServiceProcess(arguments, home: home, port: 1, environment: environment)
    let status = try await process.end().status
    #expect(status == expected, "\(arguments): \(process.printed)")
    return process.printed
  }

  @Test(
    "a command line that makes no hold is refused before anything is opened",
    arguments: [
      (["--field", "full_name", "--basis", "tax_law"], "--subject and --profile"),
      (["--subject", "not-an-id", "--field", "full_name", "--basis", "tax_law"], "--subject is a UUID"),
      (["--subject", UUID().uuidString, "--basis", "tax_law"], "--field"),
      (["--subject", UUID().uuidString, "--field", "full_name", "zip", "--basis", "tax_law"], "--field zip"),
      (["--subject", UUID().uuidString, "--field", "access_package", "--basis", "x"], "--field access_package"),
      (
        ["--subject", UUID().uuidString, "--field", "full_name", "--basis", "x", "--until", "2031-02-29"],
        "--until is a day"
      ),
      (
        ["--subject", UUID().uuidString, "--field", "full_name", "--basis", "x", "--until", "31/12/2031"],
        "--until is a day"
      ),
    ])
  func usage(arguments: [String], complaint: String) async throws {
    try await withHome { home in
      let printed = try await lethe(
        ["hold", "place", "--tenant", UUID().uuidString] + arguments, home: home, status: 64)
      #expect(printed.contains(complaint))
    }
  }

  @Test("help names the fields and has examples")
  func help() async throws {
    try await withHome { home in
      let place = try await lethe(["hold", "place", "--help"], home: home)
      #expect(place.contains("full_name, email, phone, identity") && place.contains("EXAMPLES"))
      #expect(!place.contains("access_package"))
      for command in ["list", "open", "release"] {
        let printed = try await lethe(["hold", command, "--help"], home: home)
        #expect(printed.contains("EXAMPLE"))
      }
    }
  }

  @Test("a hold is placed, listed, kept over an erasure, opened and released by commands beside a running service")
  func story() async throws {
    try await withHome { home in
      let cluster = try await TestCluster.running()
      let suffix = UUID().uuidString.prefix(8).lowercased()
      let (data, vault) = ("hold_data_\(suffix)", "hold_vault_\(suffix)")
      try await cluster.sql(DatabaseRoles.createRoles)
      try await cluster.sql(DatabaseRoles.createDataDatabase(named: data))
      try await cluster.sql(DatabaseRoles.createVaultDatabase(named: vault))
      let port = try ServiceProcess.freePort()
      let tenant = UUID().uuidString.lowercased()
      try issuer(home: home, tenant: tenant)
      let environment = [
        "DATABASE_URL": cluster.url(database: data, user: DatabaseRoles.application),
        "WORKER_DATABASE_URL": cluster.url(database: data, user: DatabaseRoles.worker),
        "VAULT_DATABASE_URL": cluster.url(database: vault, user: DatabaseRoles.vault),
        "OWNER_DATABASE_URL": cluster.url(database: data, user: DatabaseRoles.owner),
        "OWNER_VAULT_DATABASE_URL": cluster.url(database: vault, user: DatabaseRoles.vaultOwner),
        "PUBLIC_ORIGIN": "http://localhost:\(port)", "TOKEN_ISSUER": "https://id.example.test",
        "TOKEN_AUDIENCE": "lethe", "TOKEN_JWKS": home + "/set.json",
      ]
      try await lethe(["keys", "init"], home: home, environment: environment)
      try await lethe(["migrate"], home: home, environment: environment)
      try await lethe(
        ["tenant", "create", "--kind", "merchant", "--name", "Example Ltd", "--id", tenant], home: home,
        environment: environment)
      let service = try ServiceProcess(["serve"], home: home, port: port, environment: environment)
      try await service.ready()
      let (admin, officer, second) = try (
        Caller("admin", home: home), Caller("officer", home: home), Caller("officer2", home: home)
      )
      let created = try await service.call(
        "POST", "/profiles", as: admin, body: #"{"full_name":"Zoë Ñandú","email":"zoe@example.org"}"#)
      let profile = try #require(created.json["id"]?.string)

      func hold(_ arguments: [String], status: Int32 = 0) async throws -> String {
        try await lethe(
          ["hold", arguments[0], "--tenant", tenant] + arguments.dropFirst(), home: home, environment: environment,
          status: status)
      }
      let placed = try await hold([
        "place", "--profile", profile, "--field", "full_name", "email", "--basis", "tax_law", "--until", "2099-12-31",
        "--json",
      ])
      let json = try document(placed)
      let id = try #require(json["hold"]?.string)
      #expect(json["state"]?.string == "placed")
      #expect(json["until"]?.string == "2099-12-31")
      let early = try await hold(["open", id], status: 1)
      #expect(early.contains("nothing is sealed yet"))
      let past = try await hold(
        ["place", "--profile", profile, "--field", "email", "--basis", "x", "--until", "2001-01-01"], status: 1)
      #expect(past.contains("--until has passed"))

      let request = try await service.call(
        "POST", "/privacy/data", as: officer, body: #"{"type":"erasure","profile_id":"\#(profile)"}"#)
      let erasure = try #require(request.json["id"]?.string)
      _ = try await service.call("POST", "/privacy/data/\(erasure):verify", as: officer, body: #"{"method":"login"}"#)
      _ = try await service.call("POST", "/privacy/data/\(erasure):approve", as: second)
      _ = try await service.call("POST", "/privacy/data/\(erasure):execute", as: officer)
      let certificate = try await eventually("the certificate") {
        let answer = try await service.call("GET", "/privacy/data/\(erasure)/certificate", as: officer)
        return answer.status == 200 ? answer : nil
      }
      let exempted = certificate.json["certificate"]?["exempted"]?.array?.map { $0["field"]?.string }
      #expect(exempted == ["full_name", "email"])

      let listed = try await hold(["list"])
      #expect(listed.contains(id) && listed.contains("sealed") && listed.contains("2099-12-31"))
      #expect(!listed.contains("zoe@example.org") && !listed.contains("Zoë"))
      let opened = try document(try await hold(["open", id, "--json"]))
      #expect(opened.array?.map { $0["value"]?.string } == ["Zoë Ñandú", "zoe@example.org"])
      #expect(try await hold(["open", id]).contains("zoe@example.org"))

      #expect(try await hold(["release", id]).contains("released"))
      #expect(try await hold(["open", id], status: 1).contains("released"))
      #expect(try await !hold(["list"]).contains(id))
      #expect(try await hold(["list", "--all"]).contains("released"))
      let again = try await hold(["place", "--profile", profile, "--field", "email", "--basis", "x"], status: 1)
      #expect(again.contains("erased"))
      let unknown = try await hold(["release", UUID().uuidString], status: 1)
      #expect(unknown.contains("no such"))
      service.interrupt()
      #expect(try await service.end().status == 0)
      try await cluster.sql("DROP DATABASE \"\(data)\" WITH (FORCE)")
      try await cluster.sql("DROP DATABASE \"\(vault)\" WITH (FORCE)")
    }
  }

  /// The document in what was printed: lines of the service's own log may come before it.
  private func document(_ printed: String) throws -> JSONValue {
    let lines = printed.split(separator: "\n", omittingEmptySubsequences: false)
    let start = try #require(lines.firstIndex { $0 == "{" || $0 == "[" })
    return try JSONValue(parsing: Array(lines[start...].joined(separator: "\n").utf8))
  }

  /// An issuer with three people, as files where `Caller` looks for them.
  private func issuer(home: String, tenant: String) throws {
    try FileManager.default.createDirectory(
      atPath: home + "/dev", withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    let key = try SigningKey.generate(.es256)
    try Data(try key.privatePEM()).write(to: URL(fileURLWithPath: home + "/dev/issuer.pem"))
    try Data(try JWKSet([JWK(key.publicKey, keyID: "dev")]).document()).write(
      to: URL(fileURLWithPath: home + "/set.json"))
    let scopes = Scope.all.map(\.rawValue).joined(separator: " ")
    let people = ["admin", "officer", "officer2"].map { name in
      JSONMember(
        name,
        .object([
          JSONMember("sub", .string(name)), JSONMember("client_id", .string("dsar")),
          JSONMember("scope", .string(scopes)),
        ]))
    }
    let known = JSONValue.object([
      JSONMember("issuer", .string("https://id.example.test")), JSONMember("audience", .string("lethe")),
      JSONMember("tenant_id", .string(tenant)), JSONMember("identities", .object(people)),
    ])
    try Data(try known.canonicalBytes()).write(to: URL(fileURLWithPath: home + "/dev/identities.json"))
  }
}
