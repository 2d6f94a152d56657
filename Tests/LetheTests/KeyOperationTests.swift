import Custody
import Foundation
import Profiles
import ProfilesAPI
import Schema
import ServiceTesting
import StrictJSON
import Testing

@Suite("Key operations by commands")
struct KeyOperationTests {
  /// An installation with one tenant and some people, and the commands over it.
  private struct Stage {
    let installation: Installation
    let home: String
    let environment: [String: String]

    @discardableResult
    func lethe(_ arguments: [String], adding more: [String: String] = [:], status expected: Int32 = 0) async throws
      -> String
    {
      let process = try ServiceProcess(
        arguments, home: home, port: 1, environment: environment.merging(more) { _, new in new })
      let status = try await process.end().status
      #expect(status == expected, "\(arguments): \(process.printed)")
      return process.printed
    }

    /// The JSON document among lines for people: from a line that opens it to the last that closes it.
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
      let server = try await installation.server(tenant: TenantID(UUID()))
      let tenants = try await server.custody.tenants()
      let tenant = try #require(tenants.first).id
      for number in 0..<4 {
        let draft = try ProfileDraft(
          fullName: "Person \(number)", email: "p\(number)@example.com", phone: nil, identity: nil, country: "PE",
          language: "es")
        _ = try await server.profiles.create(
          draft,
          AccessContext(
            tenant: tenant, actor: ActorID(UUID()), purpose: .profileAdministration, requestID: UUID()))
      }
      _ = try await server.checkpointer.publish(tenant)
      await server.close()
      try await body(
        Stage(
          installation: installation, home: home,
          environment: [
            "DATABASE_URL": settings.databaseURL, "WORKER_DATABASE_URL": settings.workerDatabaseURL,
            "VAULT_DATABASE_URL": settings.vaultDatabaseURL, "LETHE_KEYRING": settings.keyringPath,
            "LETHE_SIGNING_KEY": settings.signingKeyPath, "LETHE_ARCHIVE": settings.archivePath,
            "BACKUP_VAULT_DATABASE_URL": installation.vault.url(user: DatabaseRoles.vaultBackup),
            "PUBLIC_ORIGIN": Installation.origin, "TOKEN_ISSUER": "https://id.example.test",
            "TOKEN_AUDIENCE": "lethe", "TOKEN_JWKS": home + "/set.json",
          ]))
    }
  }

  @Test("a rotation waits with status 3 for what is missing, says so, and ends with status 0 when it is there")
  func rotate() async throws {
    try await withStage { stage in
      let before = try stage.json(try await stage.lethe(["keys", "status", "--json"]))
      #expect(before["epochs"]?.array?.count == 1)
      #expect(before["active_dead_by"]?.string?.count == 10)
      #expect(before["rotation"] == .null)

      let missing = try await stage.lethe(
        ["keys", "rotate", "--wait", "0"], adding: ["VAULT_STANDBYS": "vault-2, vault-3"], status: 3)
      #expect(missing.contains("vault-2, vault-3"))
      let code = try stage.json(
        try await stage.lethe(
          ["keys", "rotate", "--wait", "0", "--json"], adding: ["VAULT_STANDBYS": "vault-2"], status: 3))
      #expect(code["waiting_for"]?.string == "standbys")
      let half = try await stage.lethe(["keys", "status"])
      #expect(half.contains("switch") && half.contains("waits for: standbys") && half.contains("retiring"))
      let noBackup = try await stage.lethe(
        ["keys", "rotate"], adding: ["BACKUP_VAULT_DATABASE_URL": ""], status: 3)
      #expect(noBackup.contains("BACKUP_VAULT_DATABASE_URL is not set"))

      let done = try await stage.lethe(["keys", "rotate"])
      #expect(done.contains("epoch 1 is retired"))
      let after = try stage.json(try await stage.lethe(["keys", "status", "--json"]))
      #expect(after["epochs"]?.array?.compactMap { $0["epoch"]?.integer } == [2])
      #expect(after["retired"]?.array?.first?["from"]?.integer == 1)
      #expect(after["epochs"]?.array?.first?["live_keys"]?.integer ?? 0 >= 5)
      let again = try stage.json(try await stage.lethe(["keys", "rotate", "--json", "--rate", "1000"]))
      #expect(again["outcome"]?.string == "retired")
      let backups = try FileManager.default.contentsOfDirectory(atPath: stage.home + "/backups")
      #expect(backups.count == 2)
      _ = try await stage.lethe(["keys", "rotate", "--batch", "0"], status: 64)
    }
  }

  @Test("copies of the keyring are registered, listed and attested, each once")
  func copies() async throws {
    try await withStage { stage in
      let none = try await stage.lethe(["keys", "status"])
      #expect(none.contains("none registered"))
      let id = try await stage.lethe(["keys", "copies", "register", "safe, envelope 12"])
        .trimmingCharacters(in: .whitespacesAndNewlines)
      #expect(UUID(uuidString: id) != nil)
      let listed = try await stage.lethe(["keys", "copies", "list"])
      #expect(listed.contains(id) && listed.contains("safe, envelope 12"))
      #expect(try await stage.lethe(["keys", "status"]).contains("outstanding"))
      let attested = try await stage.lethe(["keys", "copies", "attest", id, "--by", "security officer"])
      #expect(attested.contains("attested"))
      let document = try stage.json(try await stage.lethe(["keys", "copies", "list", "--json"]))
      #expect(document.array?.first?["attested_by"]?.string == "security officer")
      let twice = try await stage.lethe(["keys", "copies", "attest", id, "--by", "somebody"], status: 1)
      #expect(twice.contains("no outstanding copy"))
      _ = try await stage.lethe(["keys", "copies", "attest", "nonsense", "--by", "somebody"], status: 64)
      _ = try await stage.lethe(["keys", "copies", "register", ""], status: 64)
    }
  }

  @Test("keys check finds nothing where nothing is wrong, and names the subject whose key is gone")
  func check() async throws {
    try await withStage { stage in
      _ = try await stage.lethe(["keys", "check"])
      let subject = try await stage.installation.data.sql(
        "SELECT subject_id FROM user_profiles.profiles ORDER BY subject_id LIMIT 1"
      ).trimmingCharacters(in: .whitespacesAndNewlines)
      try await stage.installation.vault.sql(
        "SET session_replication_role = replica; DELETE FROM vault.keys WHERE key_id = '\(subject)'")
      let found = try await stage.lethe(["keys", "check"], status: 1)
      #expect(found.contains(subject))
      let document = try await stage.lethe(["keys", "check", "--json"], status: 1)
      #expect(document.contains(subject))
    }
  }

  @Test("recover says that there is nothing to do, and repairs an emptied ledger's and a restored database's findings")
  func recover() async throws {
    try await withStage { stage in
      let clean = try await stage.lethe(["recover", "--dry-run"])
      #expect(clean.contains("nothing to recover"))
      // As after a restore: the newest entries are gone, the archive has them.
      try await stage.installation.data.sql(
        """
        SET session_replication_role = replica;
        DELETE FROM audit.entries WHERE seq >= 3;
        UPDATE audit.heads h SET size = 3, last_time = 1,
          leaf_hash = (SELECT e.leaf_hash FROM audit.entries e WHERE e.tenant_id = h.tenant_id AND e.seq = 2);
        """)
      let refused = try await stage.lethe(["keys", "rotate"], status: 1)
      #expect(refused.contains("lethe recover"))
      let plan = try await stage.lethe(["recover", "--dry-run"], status: 1)
      #expect(plan.contains("found:"))
      let done = try stage.json(try await stage.lethe(["recover", "--json"]))
      #expect(done != .null)
      let again = try await stage.lethe(["recover"])
      #expect(again.contains("TENANT"))
      #expect(try await stage.lethe(["recover", "--dry-run"]).contains("nothing to recover"))
      #expect(try await stage.lethe(["keys", "rotate"]).contains("retired"))
    }
  }
}
