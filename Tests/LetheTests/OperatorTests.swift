import Foundation
import LocalCluster
import PostgresTesting
import Schema
import StrictJSON
import Testing
import Tokens

@Suite("An operator's own set-up, without lethe dev")
struct OperatorTests {
  /// What one command printed; it must end with that status.
  @discardableResult
  private func lethe(
    _ arguments: [String], home: String, environment: [String: String], status expected: Int32 = 0
  ) async throws -> String {
    let process = try ServiceProcess(arguments, home: home, port: 1, environment: environment)
    let status = try await process.end().status
    #expect(status == expected, "\(arguments): \(process.printed)")
    return process.printed
  }

  @Test("migrate, keys init, tenant create, serve and archive publish work one after the other on named databases")
  func fromNamedDatabases() async throws {
    try await withHome { home in
      let cluster = try await TestCluster.running()
      let suffix = UUID().uuidString.prefix(8).lowercased()
      let (data, vault) = ("ops_data_\(suffix)", "ops_vault_\(suffix)")
      try await cluster.sql(DatabaseRoles.createRoles)
      try await cluster.sql(DatabaseRoles.createDataDatabase(named: data))
      try await cluster.sql(DatabaseRoles.createVaultDatabase(named: vault))
      let port = try ServiceProcess.freePort()
      try FileManager.default.createDirectory(atPath: home, withIntermediateDirectories: true)
      try Data(#"{"keys":[]}"#.utf8).write(to: URL(fileURLWithPath: home + "/set.json"))
      let environment = [
        "DATABASE_URL": cluster.url(database: data, user: DatabaseRoles.application),
        "WORKER_DATABASE_URL": cluster.url(database: data, user: DatabaseRoles.worker),
        "VAULT_DATABASE_URL": cluster.url(database: vault, user: DatabaseRoles.vault),
        "OWNER_DATABASE_URL": cluster.url(database: data, user: DatabaseRoles.owner),
        "OWNER_VAULT_DATABASE_URL": cluster.url(database: vault, user: DatabaseRoles.vaultOwner),
        "PUBLIC_ORIGIN": "https://privacy.example.test", "TOKEN_ISSUER": "https://id.example.test",
        "TOKEN_AUDIENCE": "lethe", "TOKEN_JWKS": home + "/set.json", "HTTP_PORT": "\(port)",
      ]

      let noKeyring = try await lethe(["serve"], home: home, environment: environment, status: 1)
      #expect(noKeyring.contains("LETHE_KEYRING"))
      try await lethe(["keys", "init"], home: home, environment: environment)
      let unmigrated = try await lethe(["serve"], home: home, environment: environment, status: 1)
      #expect(unmigrated.contains("lethe migrate"))
      let migrated = try await lethe(["migrate"], home: home, environment: environment)
      #expect(migrated.contains("data: applied custody, audit, profiles, subject_rights"))
      #expect(migrated.contains("vault: applied keys"))
      let again = try JSONValue(
        parsing: Array(try await lethe(["migrate", "--json"], home: home, environment: environment).utf8))
      #expect(again == ["data": [], "vault": []])

      // The owner's role is refused where the application's is meant.
      var owned = environment
      owned["DATABASE_URL"] = environment["OWNER_DATABASE_URL"]
      #expect(try await lethe(["serve"], home: home, environment: owned, status: 1).contains("DATABASE_URL"))

      let tenant = UUID().uuidString.lowercased()
      let create = ["tenant", "create", "--kind", "merchant", "--name", "Example Ltd", "--id", tenant]
      #expect(try await lethe(create, home: home, environment: environment).contains(tenant))
      #expect(try await lethe(create, home: home, environment: environment, status: 1).contains("exists already"))
      let listed = try await lethe(["tenant", "list", "--json"], home: home, environment: environment)
      #expect(try JSONValue(parsing: Array(listed.utf8)).array?.first?["tenant_id"]?.string == tenant)
      #expect(try await lethe(["tenant", "list"], home: home, environment: environment).contains("Example Ltd"))

      let service = try ServiceProcess(["serve"], home: home, port: port, environment: environment)
      try await service.ready()
      #expect(try await service.send("GET", "/health/live").status == 200)
      #expect(try await service.send("GET", "/health/startup").status == 200)
      #expect(try await service.send("GET", "/profiles").status == 401)
      service.interrupt()
      #expect(try await service.end().status == 0)

      let published = try await lethe(["archive", "publish", "--json"], home: home, environment: environment)
      let line = try #require(published.range(of: "["))
      let report = try JSONValue(parsing: Array(published[line.lowerBound...].utf8))
      #expect(report.array?.first?["size"]?.integer == 1)
      #expect(
        try await lethe(["archive", "publish"], home: home, environment: environment).contains(tenant))
      #expect(FileManager.default.fileExists(atPath: "\(home)/archive/\(tenant)/checkpoint"))
      #expect(try await lethe(["keys", "status"], home: home, environment: environment).contains("active"))

      // Another keyring is another installation: nothing is opened with it, and nothing new is mixed in.
      var other = environment
      other["LETHE_KEYRING"] = home + "/other-keyring"
      try await lethe(["keys", "init"], home: home, environment: other)
      #expect(
        try await lethe(["tenant", "list"], home: home, environment: other, status: 1).contains("another keyring"))
      // A log that was published and can't be found is not published anew.
      var lost = environment
      lost["LETHE_ARCHIVE"] = home + "/nothing-here"
      #expect(
        try await lethe(["archive", "publish"], home: home, environment: lost, status: 1).contains("LETHE_ARCHIVE"))
      try await cluster.sql("DROP DATABASE \"\(data)\" WITH (FORCE)")
      try await cluster.sql("DROP DATABASE \"\(vault)\" WITH (FORCE)")
    }
  }
}
