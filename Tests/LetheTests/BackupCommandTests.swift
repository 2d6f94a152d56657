import Foundation
import LocalCluster
import PostgresTesting
import Schema
import StrictJSON
import Testing

@Suite("lethe backup and lethe restore")
struct BackupCommandTests {
  private struct Stage {
    let home: String
    let cluster: LocalCluster
    var environment: [String: String]

    func lethe(_ arguments: [String], status expected: Int32 = 0) async throws -> String {
      let process = try ServiceProcess(arguments, home: home, port: 1, environment: environment)
      let status = try await process.end().status
      #expect(status == expected, "\(arguments): \(process.printed)")
      return process.printed
    }

    /// Makes two new databases, and names them in the environment.
    mutating func makeDatabases() async throws -> [String] {
      let suffix = UUID().uuidString.prefix(8).lowercased()
      let (data, vault) = ("cmd_data_\(suffix)", "cmd_vault_\(suffix)")
      try await cluster.sql(DatabaseRoles.createDataDatabase(named: data))
      try await cluster.sql(DatabaseRoles.createVaultDatabase(named: vault))
      let urls = [
        ("DATABASE_URL", data, DatabaseRoles.application), ("WORKER_DATABASE_URL", data, DatabaseRoles.worker),
        ("OWNER_DATABASE_URL", data, DatabaseRoles.owner), ("BACKUP_DATABASE_URL", data, DatabaseRoles.backup),
        ("VAULT_DATABASE_URL", vault, DatabaseRoles.vault),
        ("OWNER_VAULT_DATABASE_URL", vault, DatabaseRoles.vaultOwner),
        ("BACKUP_VAULT_DATABASE_URL", vault, DatabaseRoles.vaultBackup),
      ]
      for (name, database, role) in urls { environment[name] = cluster.url(database: database, user: role) }
      return [data, vault]
    }
  }

  /// The JSON that follows the lines of progress.
  private func json(_ printed: String) throws -> JSONValue {
    let start = try #require(printed.range(of: "{\n"))
    return try JSONValue(parsing: Array(printed[start.lowerBound...].utf8))
  }

  @Test("what was backed up is served from new databases")
  func commands() async throws {
    try await withHome { home in
      let cluster = try await TestCluster.running()
      try await cluster.sql(DatabaseRoles.createRoles)
      try FileManager.default.createDirectory(atPath: home, withIntermediateDirectories: true)
      try Data(#"{"keys":[]}"#.utf8).write(to: URL(fileURLWithPath: home + "/set.json"))
      var stage = Stage(
        home: home, cluster: cluster,
        environment: [
          "PUBLIC_ORIGIN": "https://privacy.example.test", "TOKEN_ISSUER": "https://id.example.test",
          "TOKEN_AUDIENCE": "lethe", "TOKEN_JWKS": home + "/set.json",
        ])
      let unset = try await stage.lethe(["backup"], status: 1)
      #expect(unset.contains("BACKUP_DATABASE_URL is not set"))
      var databases = try await stage.makeDatabases()
      _ = try await stage.lethe(["keys", "init"])
      let unmigrated = try await stage.lethe(["backup"], status: 1)
      #expect(unmigrated.contains("no migrations"))
      _ = try await stage.lethe(["migrate"])
      let tenant = UUID().uuidString.lowercased()
      _ = try await stage.lethe(["tenant", "create", "--kind", "merchant", "--name", "Example Ltd", "--id", tenant])

      let made = try json(try await stage.lethe(["backup", "--json"]))
      let folder = try #require(made["folder"]?.string)
      #expect(folder.hasPrefix(home + "/backups/backup-"))
      #expect(made["manifest"]?["schema"]?.string == "backup/v1")
      #expect(made["manifest"]?["keys"]?["epochs"] == [1])
      let elsewhere = try await stage.lethe(["backup", "--out", home + "/elsewhere"])
      #expect(elsewhere.contains("folder        \(home)/elsewhere/backup-"))
      #expect(elsewhere.contains("data.dump") && elsewhere.contains("SHA-256"))

      // Not into what is there.
      let full = try await stage.lethe(["restore", "--from", folder], status: 1)
      #expect(full.contains("is not empty"))
      databases += try await stage.makeDatabases()
      let restored = try await stage.lethe(["restore", "--from", folder, "--only", "vault"])
      #expect(restored.contains("restored      the vault database") && restored.contains("next          lethe recover"))
      let rest = try json(try await stage.lethe(["restore", "--from", folder, "--only", "data", "--json"]))
      #expect(rest["restored"] == ["data"])
      let listed = try await stage.lethe(["tenant", "list"])
      #expect(listed.contains(tenant))

      let absent = try await stage.lethe(["restore", "--from", home + "/absent"], status: 1)
      #expect(absent.contains("can't read the folder"))
      let wrong = try await stage.lethe(["restore", "--from", folder, "--only", "keys"], status: 64)
      #expect(wrong.contains("--only"))
      for database in databases { try await cluster.sql("DROP DATABASE \"\(database)\" WITH (FORCE)") }
    }
  }

  @Test("Ctrl-C ends a backup, which leaves nothing behind")
  func interrupted() async throws {
    try await withHome { home in
      let cluster = try await TestCluster.running()
      try await cluster.sql(DatabaseRoles.createRoles)
      var stage = Stage(home: home, cluster: cluster, environment: [:])
      let databases = try await stage.makeDatabases()
      _ = try await stage.lethe(["migrate"])
      // Holds pg_dump up: it wants to lock every table.
      let blocker = Task {
        try await cluster.sql(
          "BEGIN; LOCK TABLE custody.tenants IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(60)", database: databases[0])
      }
      func count(_ condition: String) async throws -> String {
        try await cluster.sql(
          "SELECT count(*) FROM pg_stat_activity WHERE datname = '\(databases[0])' AND \(condition)")
      }
      _ = try await eventually("the lock") { try await count("query ~ 'pg_sleep'") == "1\n" ? true : nil }
      let process = try ServiceProcess(["backup"], home: home, port: 1, environment: stage.environment)
      _ = try await eventually("pg_dump") {
        try await count("usename = 'lethe_backup' AND wait_event_type = 'Lock'") == "1\n" ? true : nil
      }
      process.interrupt()
      let end = try await process.end()
      #expect(end.status == 1 && !end.bySignal)
      #expect(process.printed.contains("lethe: pg_dump was stopped"))
      #expect(try FileManager.default.contentsOfDirectory(atPath: home + "/backups") == [])
      try await cluster.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '\(databases[0])' AND query ~ 'pg_sleep'"
      )
      _ = await blocker.result
      for database in databases { try await cluster.sql("DROP DATABASE \"\(database)\" WITH (FORCE)") }
    }
  }
}
