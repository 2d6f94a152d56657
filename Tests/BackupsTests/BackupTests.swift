import Custody
import Foundation
import Postgres
import PostgresPrograms
import PostgresTesting
import ProfilesAPI
import Schema
import ServiceTesting
import StrictJSON
import Synchronization
import Testing

@testable import Backups

@Suite("A backup of both databases")
struct BackupTests {
  @Test("it is put back into new databases row for row and right for right, and the service reads people from them")
  func roundTrip() async throws {
    try await withInstallation { installation in
      let tenant = TenantID(UUID())
      let admin = try installation.issuer.person("admin", in: tenant)
      let running = try await RunningServer.start(try await installation.server(tenant: tenant))
      var people: [String: String] = [:]
      for name in ["Zoë Ñandú", "Ana Quispe", "Luis Pérez"] {
        let created = try await running.call("POST", "/profiles", as: admin, body: #"{"full_name":"\#(name)"}"#)
        people[try #require(created.json["id"]?.string)] = name
      }
      await running.stop()

      let scene = BackupScene(
        data: installation.data, vault: installation.vault, folder: installation.folder + "/backups")
      let backup = try await scene.backup()
      let opened = try await Backup.open(backup.folder)
      #expect(opened.manifest == backup.manifest)

      try await withEmptyDatabases { data, vault in
        try await scene.restore(opened, data: data, vault: vault)
        let was = (try await installation.data.contents(), try await installation.vault.contents())
        let now = (try await data.contents(), try await vault.contents())
        #expect(now.0 == was.0)
        #expect(now.1 == was.1)
        #expect(now.0.contains("user_profiles.profiles|3|"))
        let rights = (try await installation.data.rights(), try await installation.vault.rights())
        let restored = (try await data.rights(), try await vault.rights())
        #expect(restored.0.symmetricDifference(rights.0) == [])
        #expect(restored.1.symmetricDifference(rights.1) == [])
        // The control: grants, owners and forced row-level security are part of what was compared.
        #expect(restored.0.contains { $0.hasPrefix("custody|subjects|r|lethe_owner|t|t|lethe_app=") })
        #expect(restored.1.contains { $0.hasPrefix("vault|keys|r|lethe_vault_owner|t|t|lethe_vault=") })

        var settings = installation.settings
        settings.databaseURL = data.url(user: DatabaseRoles.application)
        settings.workerDatabaseURL = data.url(user: DatabaseRoles.worker)
        settings.vaultDatabaseURL = vault.url(user: DatabaseRoles.vault)
        let second = try await RunningServer.start(
          try await Server.prepare(settings, logger: installation.log.logger))
        for (id, name) in people {
          let read = try await second.call("GET", "/profiles/\(id)", as: admin)
          #expect(read.json["full_name"]?.string == name)
        }
        // Nothing more to migrate, and new people can be written.
        let created = try await second.call("POST", "/profiles", as: admin, body: #"{"full_name":"Eva"}"#)
        #expect(created.status == 201)
        await second.stop()
        let migrator = Migrator(
          url: data.url(user: DatabaseRoles.owner), migrations: DataMigrations.all, lock: DataMigrations.lock,
          logger: installation.log.logger)
        #expect(try await migrator.run() == [])
      }
    }
  }

  @Test("it holds neither the keyring nor the signing key, in its files or in what the dumps expand to")
  func noKeys() async throws {
    try await withInstallation { installation in
      let tenant = TenantID(UUID())
      await (try await installation.server(tenant: tenant)).close()
      let scene = BackupScene(
        data: installation.data, vault: installation.vault, folder: installation.folder + "/backups")
      let backup = try await scene.backup()
      var text = Data()
      let programs = try InstalledPrograms.find(.client)
      for name in ["data.dump", "vault.dump"] {
        let whole = try Data(contentsOf: URL(fileURLWithPath: "\(backup.folder)/\(name)"))
        text += whole
        text += Data(
          try ChildProcess.run([programs.path("pg_restore"), "--file=-", "\(backup.folder)/\(name)"], input: "").utf8)
      }
      text += try Data(contentsOf: URL(fileURLWithPath: "\(backup.folder)/manifest.json"))

      // The control: what is in the databases is found by the same search.
      #expect(text.range(of: Data(tenant.description.utf8)) != nil)
      let keyring = try Data(contentsOf: URL(fileURLWithPath: installation.settings.keyringPath))
      try #require(keyring.count == 120)
      // docs/keyring.md: the one epoch begins at 40, its key 16 bytes further.
      let key = keyring[56..<88]
      #expect(text.range(of: key) == nil)
      #expect(text.range(of: Data(key.map { String(format: "%02x", $0) }.joined().utf8)) == nil)
      #expect(text.range(of: Data(key.base64EncodedString().utf8)) == nil)
      let pem = try String(contentsOfFile: installation.settings.signingKeyPath, encoding: .utf8)
      let secret = try #require(pem.split(separator: "\n").dropFirst().first)
      #expect(text.range(of: Data(secret.utf8)) == nil)
    }
  }

  @Test("the manifest says what is in it, and everything is its owner's only")
  func manifest() async throws {
    try await withBackupScene { scene in
      try await scene.fillVault()
      let backup = try await scene.backup()
      #expect(backup.name.wholeMatch(of: /backup-\d{8}T\d{6}Z-[0-9a-f]{8}/) != nil)
      #expect(try scene.kept() == [backup.name])
      let manifest = try Backups.BackupManifest(
        parsing: Array(try Data(contentsOf: URL(fileURLWithPath: backup.folder + "/manifest.json"))))
      #expect(manifest == backup.manifest)
      #expect(abs(manifest.takenAt.timeIntervalSinceNow) < 60)
      #expect(manifest.installation?.uuidString == "0A0B0C0D-0E0F-4A0B-8C0D-0E0F0A0B0C0D")
      #expect(manifest.keys.live == 858)
      #expect(manifest.keys.destroyed == 142)
      #expect(manifest.keys.epochs == [3, 4])
      #expect(manifest.dumps.map(\.database) == [.data, .vault])
      let data = try #require(manifest.dump(of: .data))
      #expect(data.migrations == DataMigrations.all.map(\.number))
      #expect(manifest.dump(of: .vault)?.migrations == VaultMigrations.all.map(\.number))
      #expect(data.roles == ["lethe_app", "lethe_backup", "lethe_worker"])
      #expect(data.serverMajor >= 15)
      #expect(data.serverVersion.hasPrefix("\(data.serverMajor)"))

      #expect(try Self.mode(scene.folder) == 0o700)
      #expect(try Self.mode(backup.folder) == 0o700)
      let names = try FileManager.default.contentsOfDirectory(atPath: backup.folder).sorted()
      #expect(names == ["data.dump", "manifest.json", "vault.dump"])
      for name in names { #expect(try Self.mode(backup.folder + "/" + name) == 0o600) }
    }
  }

  @Test("a backup of the vault alone has no data, and its keys can be read")
  func vaultOnly() async throws {
    try await withBackupScene { scene in
      try await scene.fillVault()
      let seen = Mutex(0)
      let backup = try await BackupWriter(into: scene.folder, logger: scene.log.logger)
        .writeVault(url: scene.vault.url(user: DatabaseRoles.vaultBackup)) { _ in seen.withLock { $0 += 1 } }
      #expect(seen.withLock { $0 } == 1_000)
      #expect(backup.name.hasPrefix("vault-backup-"))
      let opened = try await Backup.open(backup.folder)
      #expect(opened.manifest.dumps.map(\.database) == [.vault])
      #expect(try await opened.vaultDump.readKeys { _ in } == 1_000)
      try await withEmptyDatabases { data, vault in
        let refused = try await refusalOf { try await scene.restore(opened, data: data, vault: vault) }
        #expect(refused.code == .notABackup)
        #expect(try await vault.objects() == "0\n")
        try await scene.restore(opened, vault: vault)
        let contents = (try await scene.vault.contents(), try await vault.contents())
        #expect(contents.1 == contents.0)
      }
    }
  }

  @Test(
    "a role that may write, or that row-level security holds, is refused before anything is dumped",
    arguments: [
      ("lethe_app", "which may write"), ("lethe_worker", "which may write"), ("lethe_owner", "which may write"),
      ("postgres", "which may write"), ("backup_reader", "row-level security holds"),
    ])
  func wrongRole(role: String, reason: String) async throws {
    try await withBackupScene { scene in
      if role == "backup_reader" {
        try await scene.data.role(role)
        try await scene.data.sql("GRANT CONNECT ON DATABASE \"\(scene.data.name)\" TO backup_reader")
      }
      let refused = try await scene.refusal(dataRole: role)
      #expect(refused.code == .role)
      #expect(refused.description.contains("logs in as \(role)"))
      #expect(refused.description.contains(reason))
      #expect(try scene.kept() == [])
    }
  }

  @Test("a table that the backup's role may not read is named, and so is a database without migrations")
  func incomplete() async throws {
    try await withBackupScene { scene in
      try await scene.data.sql("REVOKE SELECT ON custody.subjects FROM lethe_backup")
      let unreadable = try await scene.refusal()
      #expect(unreadable.code == .role)
      #expect(unreadable.description.contains("(custody.subjects)"))
      try await scene.data.sql("GRANT SELECT ON custody.subjects TO lethe_backup")
      try await withEmptyDatabases { _, empty in
        let other = BackupScene(data: scene.data, vault: empty, folder: scene.folder)
        let refused = try await other.refusal()
        #expect(refused.code == .migrations)
        #expect(refused.description.hasPrefix("the vault database has no migrations"))
      }
      // The vault's backup role has no business in the data database.
      let stranger = try await scene.refusal(dataRole: DatabaseRoles.vaultBackup)
      #expect(stranger.code == .connection)
      #expect(try scene.kept() == [])
    }
  }

  @Test("a backup that is stopped leaves nothing behind")
  func cancelled() async throws {
    try await withBackupScene { scene in
      let name = scene.data.name
      // Holds pg_dump up: it wants to lock every table.
      let blocker = Task {
        try await scene.data.sql("BEGIN; LOCK TABLE custody.tenants IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(60)")
      }
      try await Self.eventually {
        try await scene.data.sql(
          "SELECT count(*) FROM pg_locks WHERE relation = 'custody.tenants'::regclass AND mode = 'AccessExclusiveLock'")
          == "1\n"
      }
      let backup = Task { try await scene.backup() }
      try await Self.eventually {
        try await scene.vault.sql(
          """
          SELECT count(*) FROM pg_stat_activity
          WHERE datname = '\(name)' AND usename = 'lethe_backup' AND wait_event_type = 'Lock'
          """) == "1\n"
      }
      #expect(try scene.kept().count == 1)
      #expect(try scene.kept().first?.hasPrefix(".backup-") == true)
      backup.cancel()
      let refused = try await refusalOf { try await backup.value }
      #expect(refused.code == .cancelled)
      #expect(try scene.kept() == [])
      try await scene.vault.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '\(name)' AND query ~ 'pg_sleep'")
      _ = await blocker.result
    }
  }

  @Test("what a killed backup left is removed by the next, unless somebody still works on it")
  func leftovers() async throws {
    try await withBackupScene { scene in
      let files = FileManager.default
      let old = scene.folder + "/.backup-20200101T000000Z-00000000.partial"
      let busy = scene.folder + "/.backup-20200101T000000Z-11111111.partial"
      let new = scene.folder + "/.vault-backup-20200101T000000Z-22222222.partial"
      let foreign = scene.folder + "/.something.partial"
      for path in [old, busy, new, foreign] {
        try files.createDirectory(atPath: path, withIntermediateDirectories: true)
        try Data("part of a dump".utf8).write(to: URL(fileURLWithPath: path + "/vault.dump"))
      }
      for path in [old, busy, foreign] {
        try files.setAttributes([.modificationDate: Date(timeIntervalSinceNow: -3_600)], ofItemAtPath: path)
      }
      let lock = open(busy, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
      defer { close(lock) }
      try #require(flock(lock, LOCK_EX | LOCK_NB) == 0)
      let backup = try await scene.backup()
      let kept = [busy, new, foreign].map { URL(fileURLWithPath: $0).lastPathComponent }
      #expect(try scene.kept() == (kept + [backup.name]).sorted())
    }
  }

  @Test("a password stands in the child's environment, never on its command line or in an error")
  func password() async throws {
    let url = "postgresql://me:s3%20cr'et@db.example.test:6432/people?sslmode=verify-full&application_name=a%5Cb"
    let programs = try InstalledPrograms.find(.client)
    let program = try DumpProgram(programs, "pg_dump", ["--format=custom"], url: url)
    #expect(program.environment["PGPASSWORD"] == "s3 cr'et")
    let line = program.arguments.joined(separator: " ")
    #expect(!line.contains("s3"))
    #expect(line.contains("user='me'") && line.contains("host='db.example.test'") && line.contains("port='6432'"))
    #expect(line.contains("sslmode='verify-full'") && line.contains(#"application_name='a\\b'"#))
    let parameters = try ConnectionParameters(url)
    #expect(!"\(parameters)".contains("s3"))
    let keywords = try ConnectionParameters(#"host=/tmp dbname='it\'s' password=hidden"#)
    #expect(keywords.password == "hidden")
    #expect(!keywords.keywords.contains("hidden") && keywords.keywords.contains(#"dbname='it\'s'"#))

    for wrong in ["postgresql://me:s3cret@[broken/people", "password=s3cret sslpassword=s3cret"] {
      let refused = try await refusalOf { try DumpProgram(programs, "pg_dump", [], url: wrong) }
      #expect(refused.code == .connection)
      #expect(!refused.description.contains("s3cret"))
    }
  }

  @Test("a server that isn't there is one line, without the URL's password")
  func unreachable() async throws {
    let folder = NSTemporaryDirectory() + "lethe-backups-" + UUID().uuidString.prefix(8)
    let refused = try await refusalOf {
      try await BackupWriter(into: folder, logger: CapturedLog().logger).write(
        dataURL: "postgresql://me:s3cret@127.0.0.1:1/people", vaultURL: "postgresql://me:s3cret@127.0.0.1:1/keys")
    }
    #expect(refused.code == .connection)
    #expect(refused.description.hasPrefix("the data database can't be read"))
    #expect(!refused.description.contains("s3cret"))
    #expect(!FileManager.default.fileExists(atPath: folder))
  }

  @Test("of a program's complaint the first error is kept, and no value that it quotes")
  func complaint() {
    let text = """
      pg_restore: warning: something
      pg_restore: error: COPY failed for table "profiles": ERROR:  invalid input syntax for type uuid: "zoe@example.org"
      CONTEXT:  COPY profiles, line 1, column id: "zoe@example.org"
      """
    #expect(
      Complaint.first(in: text)
        == #"pg_restore: error: COPY failed for table "profiles": ERROR:  invalid input syntax for type uuid"#)
    #expect(Complaint.first(in: "role \"x\" is not there\n") == "role \"x\" is not there")
    #expect(Complaint.first(in: "") == nil)
    #expect(Complaint.first(in: "error: " + String(repeating: "x", count: 500))?.count == 300)
  }

  private static func mode(_ path: String) throws -> Int? {
    try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
  }

  private static func eventually(_ isSo: () async throws -> Bool) async throws {
    for _ in 0..<300 {
      if try await isSo() { return }
      try await Task.sleep(for: .milliseconds(50))
    }
    throw NothingRefused()
  }
}
