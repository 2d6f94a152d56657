import Custody
import Foundation
import ProfilesAPI
import Schema
import ServiceTesting
import StrictJSON
import Testing

@Suite("Commands over the log")
struct LogCommandTests {
  private struct Stage {
    let installation: Installation
    let tenant: TenantID
    let home: String
    let environment: [String: String]

    @discardableResult
    func lethe(_ arguments: [String], status expected: Int32 = 0) async throws -> String {
      let process = try ServiceProcess(arguments, home: home, port: 1, environment: environment)
      let status = try await process.end().status
      #expect(status == expected, "\(arguments): \(process.printed)")
      return process.printed
    }

    /// The JSON document among lines for people.
    func json(_ printed: String) throws -> JSONValue {
      let lines = printed.split(separator: "\n", omittingEmptySubsequences: false)
      let first = try #require(lines.firstIndex { ["{", "["].contains($0) })
      let last = try #require(lines.lastIndex { ["}", "]"].contains($0) })
      return try JSONValue(parsing: Array(lines[first...last].joined(separator: "\n").utf8))
    }
  }

  private func withStage(_ body: (Stage) async throws -> Void) async throws {
    try await withInstallation { installation in
      let home = installation.folder + "/home"
      try FileManager.default.createDirectory(atPath: home, withIntermediateDirectories: true)
      try Data(#"{"keys":[]}"#.utf8).write(to: URL(fileURLWithPath: home + "/set.json"))
      let settings = installation.settings
      let tenant = TenantID(UUID())
      let server = try await installation.server(tenant: tenant)
      let context = AccessContext(tenant: tenant, actor: ActorID(UUID()), purpose: .operation, requestID: UUID())
      for _ in 0..<5 {
        try await server.custody.note(context, .securityRefused, outcome: .denied, codes: ["reason": "scope"])
      }
      _ = try await server.checkpointer.publish(tenant)
      await server.close()
      try await body(
        Stage(
          installation: installation, tenant: tenant, home: home,
          environment: [
            "DATABASE_URL": settings.databaseURL, "WORKER_DATABASE_URL": settings.workerDatabaseURL,
            "VAULT_DATABASE_URL": settings.vaultDatabaseURL, "LETHE_KEYRING": settings.keyringPath,
            "LETHE_SIGNING_KEY": settings.signingKeyPath, "LETHE_ARCHIVE": settings.archivePath,
            "PUBLIC_ORIGIN": Installation.origin, "TOKEN_ISSUER": "https://id.example.test",
            "TOKEN_AUDIENCE": "lethe", "TOKEN_JWKS": home + "/set.json",
          ]))
    }
  }

  @Test("archive compare ends with 0 when every row is as it was, and with 2 and the entry when one was edited")
  func compare() async throws {
    try await withStage { stage in
      let clean = try stage.json(try await stage.lethe(["archive", "compare", "--json"]))
      let first = try #require(clean["tenants"]?.array?.first)
      #expect(first["tenant_id"]?.string == stage.tenant.description)
      #expect(first["rows"]?.integer == 6)
      #expect(first["findings"] == [])
      try await stage.installation.data.sql(
        """
        SET session_replication_role = replica;
        UPDATE audit.entries SET entry = convert_to(replace(convert_from(entry, 'UTF8'), 'denied', 'failed'), 'UTF8')
        WHERE seq = 3
        """)
      let printed = try await stage.lethe(["archive", "compare"], status: 2)
      #expect(printed.contains("tenant \(stage.tenant): entry 3: edited"))
      let found = try stage.json(
        try await stage.lethe(["archive", "compare", "--tenant", "\(stage.tenant)", "--json"], status: 2))
      let finding = try #require(found["tenants"]?.array?.first?["findings"]?.array?.first)
      #expect(finding["kind"]?.string == "edited")
      #expect(finding["first"]?.integer == 3)
      #expect(finding["last"]?.integer == 3)
      let unknown = try await stage.lethe(["archive", "compare", "--tenant", UUID().uuidString], status: 1)
      #expect(unknown.contains("no such tenant"))
    }
  }

  @Test("keys signing rotate gives every log a new key, and the service starts with it")
  func rotate() async throws {
    try await withStage { stage in
      let path = stage.installation.settings.signingKeyPath
      let before = try Data(contentsOf: URL(fileURLWithPath: path))
      let printed = try stage.json(try await stage.lethe(["keys", "signing", "rotate", "--json"]))
      let rotated = try #require(printed["rotated"]?.array?.first)
      #expect(rotated["tenant_id"]?.string == stage.tenant.description)
      let folder = stage.installation.settings.archivePath + "/\(stage.tenant)"
      let keys = try String(contentsOfFile: folder + "/vkey", encoding: .utf8).split(separator: "\n")
      #expect(keys.count == 2)
      #expect(rotated["key"]?.string == keys.last.map(String.init))
      let retired = try #require(printed["retired"]?.string)
      #expect(try Data(contentsOf: URL(fileURLWithPath: retired)) == before)
      #expect(try Data(contentsOf: URL(fileURLWithPath: path)) != before)
      try await stage.lethe(["archive", "publish"])
      try await stage.lethe(["archive", "compare"])
    }
  }

  @Test("tenant exit asks for --yes, closes the log, and says so when it is run again")
  func exit() async throws {
    try await withStage { stage in
      try await stage.lethe(["tenant", "exit", "\(stage.tenant)"], status: 64)
      let printed = try await stage.lethe(["tenant", "exit", "\(stage.tenant)", "--yes"])
      #expect(printed.contains("the log ends at 7 entries"))
      let again = try stage.json(try await stage.lethe(["tenant", "exit", "\(stage.tenant)", "--yes", "--json"]))
      #expect(again["size"]?.integer == 7)
      try await stage.lethe(["archive", "compare"])
      try await stage.lethe(["archive", "publish"])
    }
  }

  @Test("settings of the log that are wrong are named", arguments: ["AUDIT_HEARTBEAT_SECONDS", "AUDIT_IMMUTABLE"])
  func settings(_ name: String) async throws {
    try await withStage { stage in
      var environment = stage.environment
      environment[name] = "often"
      let process = try ServiceProcess(["tenant", "list"], home: stage.home, port: 1, environment: environment)
      let status = try await process.end().status
      #expect(status == 1)
      #expect(process.printed.contains(name))
      #expect(!process.printed.contains("often"))
    }
  }
}
