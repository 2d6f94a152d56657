import Audit
import Foundation
import Postgres
import PostgresTesting
import Profiles
import ProfilesAPI
import Schema
import ServiceTesting
import Signing
import SubjectRights
import Testing
import Vault

@testable import Custody

@Suite("The start", .serialized)
struct StartupTests {
  /// What `Server.prepare` says; nil when it starts.
  private func refusal(_ settings: ServerSettings, _ house: House) async throws -> String? {
    do {
      let server = try await Server.prepare(settings, logger: house.installation.log.logger)
      await server.close()
      return nil
    } catch let error as Server.Refusal {
      return error.description
    }
  }

  private func findings(_ house: House) async throws -> [StartupComparison.Finding] {
    try await StartupComparison(
      custody: house.custody, checkpointer: house.server.checkpointer, ledger: house.server.ledger
    ).findings()
  }

  @Test("of an installation that is as it was published and erased is not refused")
  func healthy() async throws {
    try await withHouse { house in
      let profile = try await house.profile()
      let request = try await house.orderedErasure(of: profile)
      _ = try await house.runner().run(request, tenant: house.tenant)
      _ = try await house.profile("More than was published")
      let found = try await findings(house)
      #expect(found == [])
      let said = try await refusal(house.installation.settings, house)
      #expect(said == nil)
    }
  }

  enum Restored: String, CaseIterable {
    case entriesMissing
    case lastEntryEdited
    case lastEntryEditedWithItsHash
    case otherHistory
    case subjectAlive
  }

  @Test(
    "with a data database that is not what was published is refused with a line for the tenant",
    arguments: Restored.allCases)
  func restored(_ state: Restored) async throws {
    try await withHouse { house in
      let profile = try await house.profile()
      let request = try await house.orderedErasure(of: profile)
      _ = try await house.runner().run(request, tenant: house.tenant)
      let published = try #require(try await house.server.checkpointer.publish(house.tenant))
      let log = try await house.log()
      #expect(log.count == Int(published))
      let last = try #require(log.last).entry
      let forged = try Entry(
        origin: last.origin, sequence: last.sequence, previous: last.previous, time: last.time + 1, body: last.body)
      let expected: StartupComparison.Finding
      switch state {
      case .entriesMissing:
        let keep = Int64(published) - 3
        try await house.tamper("DELETE FROM audit.entries WHERE seq >= \(keep)")
        try await house.tamper(
          "UPDATE audit.heads SET size = \(keep), leaf_hash = \(log[Int(keep) - 1].entry.leafHash.bytes)")
        expected = .behindArchive(tenant: house.tenant, database: keep, archive: published)
      case .lastEntryEdited:
        try await house.tamper("UPDATE audit.entries SET entry = \(forged.bytes) WHERE seq = \(Int64(last.sequence))")
        expected = .differsFromArchive(tenant: house.tenant, sequence: last.sequence)
      case .lastEntryEditedWithItsHash:
        try await house.tamper(
          """
          UPDATE audit.entries SET entry = \(forged.bytes), leaf_hash = \(forged.leafHash.bytes)
          WHERE seq = \(Int64(last.sequence))
          """)
        expected = .differsFromArchive(tenant: house.tenant, sequence: last.sequence)
      case .otherHistory:
        // Restored to before the last entries, and served: other entries came in their place, and more of them.
        let keep = Int64(published) - 2
        try await house.tamper("DELETE FROM audit.entries WHERE seq >= \(keep)")
        try await house.tamper("DELETE FROM audit.entry_subjects WHERE seq >= \(keep)")
        try await house.tamper(
          "UPDATE audit.heads SET size = \(keep), leaf_hash = \(log[Int(keep) - 1].entry.leafHash.bytes)")
        for _ in 0..<5 {
          try await house.custody.note(house.somebody(), .securityRefused, outcome: .denied, codes: [:])
        }
        // The earliest of those that differ.
        expected = .differsFromArchive(tenant: house.tenant, sequence: UInt64(keep))
      case .subjectAlive:
        try await house.tamper(
          "UPDATE custody.subjects SET state = 'live', erased_at = NULL WHERE subject_id = \(profile.subject.uuid)")
        expected = .erasedSubjectsLive(tenant: house.tenant, count: 1)
      }
      let found = try await findings(house)
      #expect(found == [expected])
      let said = try #require(try await refusal(house.installation.settings, house))
      let lines = said.split(separator: "\n")
      #expect(lines.count == 2)
      #expect(lines[0].contains("nothing is served"))
      #expect(lines[1] == "  \(expected)")
      #expect(lines[1].contains(house.tenant.description))
    }
  }

  /// Gives subjects their keys back, as a restored vault has them, while `body` erases them.
  private func restoringKeys(of people: [Profile], _ house: House, _ body: () async throws -> Void) async throws {
    let vault = house.installation.vault
    try await vault.sql("CREATE TABLE public.backup AS SELECT * FROM vault.keys")
    try await body()
    for person in people {
      try await vault.sql(
        """
        SET session_replication_role = replica;
        UPDATE vault.keys k SET wrapped = b.wrapped, epoch = b.epoch, destroyed_at = NULL FROM public.backup b
        WHERE b.key_id = k.key_id AND k.key_id = '\(person.subject)';
        """)
    }
  }

  @Test("with a vault that has the key of somebody erased is refused, also while another erasure is on its way")
  func restoredVault() async throws {
    try await withHouse { house in
      let erased = try await house.profile("Erased")
      let onItsWay = try await house.profile("On its way")
      let request = try await house.orderedErasure(of: erased)
      let other = try await house.orderedErasure(of: onItsWay)
      try await restoringKeys(of: [erased], house) {
        _ = try await house.runner().run(request, tenant: house.tenant)
        // Its key is gone, and the data database does not know yet.
        let killed = KilledRunner(house, other, after: .ledgered)
        await #expect(processExitsWith: .signal(SIGKILL)) { [killed = killed as KilledRunner] in
          try await killed.run()
        }
        let commitment = try await house.custody.keyCommitment(of: onItsWay.subject, house.somebody()).commitment
        _ = try await house.custody.destroyKey(of: onItsWay.subject, commitment: commitment, house.somebody())
        let before = try await findings(house)
        #expect(before == [])
      }
      let found = try await findings(house)
      #expect(found == [.erasedKeysAlive(tenant: house.tenant, count: 1)])
      let said = try await refusal(house.installation.settings, house)
      #expect(said?.contains("1 erased subject(s) have a key in the vault") == true)
    }
  }

  @Test("without the archive that was published to is refused")
  func archiveGone() async throws {
    try await withHouse { house in
      let published = try #require(try await house.server.checkpointer.publish(house.tenant))
      var settings = house.installation.settings
      settings.archivePath = house.installation.folder + "/another-archive"
      let said = try await refusal(settings, house)
      #expect(said?.contains("\(published) entries were published, but LETHE_ARCHIVE has no checkpoint") == true)
    }
  }

  @Test("while another replica publishes and erases finds nothing wrong")
  func whileBusy() async throws {
    try await withHouse { house in
      var requests: [UUID] = []
      for number in 0..<6 {
        requests.append(try await house.orderedErasure(of: try await house.profile("Person \(number)")))
      }
      let busy = try await Server.prepare(house.installation.settings, logger: house.installation.log.logger)
      let done = Flag()
      let ordered = requests
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask {
          for request in ordered {
            _ = try await house.runner(on: busy).run(request, tenant: house.tenant)
            for _ in 0..<4 {
              try await busy.custody.note(house.somebody(), .securityRefused, outcome: .denied, codes: [:])
              try await busy.checkpointer.publish(house.tenant)
            }
          }
          done.set()
        }
        group.addTask {
          repeat {
            let found = try await findings(house)
            #expect(found == [])
          } while !done.isSet
        }
        try await group.waitForAll()
      }
      await busy.close()
    }
  }

  @Test("with an erasure that stopped after its line in the ledger is not refused: it is carried on")
  func stoppedErasure() async throws {
    try await withHouse { house in
      let profile = try await house.profile()
      let request = try await house.orderedErasure(of: profile)
      let killed = KilledRunner(house, request, after: .ledgered)
      await #expect(processExitsWith: .signal(SIGKILL)) { [killed = killed as KilledRunner] in
        try await killed.run()
      }
      let said = try await refusal(house.installation.settings, house)
      #expect(said == nil)
    }
  }

  @Test("under another host than the log began with is refused")
  func origin() async throws {
    try await withHouse { house in
      var settings = house.installation.settings
      settings.publicOrigin = "https://other.example.test"
      let said = try await refusal(settings, house)
      #expect(said?.contains("the log began under another host than PUBLIC_ORIGIN names") == true)
    }
  }

  @Test("with a keyring that the vault does not belong to is refused")
  func otherKeyring() async throws {
    try await withHouse { house in
      var settings = house.installation.settings
      settings.keyringPath = house.installation.folder + "/other-keyring"
      _ = try FileKeyring.create(at: settings.keyringPath)
      let said = try await refusal(settings, house)
      #expect(said == "VAULT_DATABASE_URL: this vault belongs to another keyring (installation)")
    }
  }

  @Test("without a keyring, a signing key, or an origin is refused, and says which")
  func files() async throws {
    try await withHouse { house in
      let settings = house.installation.settings
      var without = settings
      without.keyringPath = "/nowhere/keyring"
      let keyring = try await refusal(without, house)
      #expect(keyring?.hasPrefix("LETHE_KEYRING: ") == true)
      without = settings
      without.signingKeyPath = "/nowhere/key"
      let key = try await refusal(without, house)
      #expect(key?.hasPrefix("signing key: ") == true)
      without = settings
      without.publicOrigin = "nonsense"
      let origin = try await refusal(without, house)
      #expect(origin?.hasPrefix("PUBLIC_ORIGIN: ") == true)
      without = settings
      without.signingKeyPath = house.installation.folder + "/other-key.pem"
      _ = try SigningKeyFile.create(at: without.signingKeyPath)
      try await house.server.checkpointer.publish(house.tenant)
      let archive = try await refusal(without, house)
      #expect(archive?.hasPrefix("LETHE_ARCHIVE: not signed by a known key") == true)
    }
  }

  enum Role: String, CaseIterable { case superuser, owner, bypassing, member }

  @Test(
    "under a role that row-level security doesn't hold is refused, with the name of the setting",
    arguments: Role.allCases, ["DATABASE_URL", "WORKER_DATABASE_URL", "VAULT_DATABASE_URL"])
  func roles(_ role: Role, _ setting: String) async throws {
    try await withHouse { house in
      let isVault = setting == "VAULT_DATABASE_URL"
      let database = isVault ? house.installation.vault : house.installation.data
      let name: String?
      let suffix = UUID().uuidString.prefix(8).lowercased()
      switch role {
      case .superuser: name = nil
      case .owner: name = isVault ? DatabaseRoles.vaultOwner : DatabaseRoles.owner
      case .bypassing:
        name = "bypassing_\(suffix)"
        try await database.sql(
          """
          CREATE ROLE bypassing_\(suffix) LOGIN BYPASSRLS;
          GRANT CONNECT ON DATABASE "\(database.name)" TO bypassing_\(suffix);
          """)
      case .member:
        name = "member_\(suffix)"
        try await database.sql(
          """
          CREATE ROLE member_\(suffix) LOGIN;
          GRANT \(isVault ? DatabaseRoles.vaultOwner : DatabaseRoles.owner) TO member_\(suffix);
          """)
      }
      var settings = house.installation.settings
      switch setting {
      case "DATABASE_URL": settings.databaseURL = database.url(user: name)
      case "WORKER_DATABASE_URL": settings.workerDatabaseURL = database.url(user: name)
      default: settings.vaultDatabaseURL = database.url(user: name)
      }
      let said = try #require(try await refusal(settings, house))
      #expect(said.hasPrefix("\(setting): "))
      switch role {
      case .superuser: #expect(said.contains("superuser"))
      case .owner, .member: #expect(said.contains("owners bypass row-level security"))
      case .bypassing: #expect(said.contains("BYPASSRLS"))
      }
      #expect(!said.contains("postgresql://"))
    }
  }

  @Test(
    "with a server that would write values into its own log is refused",
    arguments: [
      ("log_statement", "'all'"), ("log_min_duration_statement", "0"), ("log_error_verbosity", "'default'"),
      ("log_min_error_statement", "'error'"), ("log_parameter_max_length", "100"),
    ])
  func logging(_ setting: String, _ value: String) async throws {
    try await withHouse { house in
      let data = house.installation.data
      try await data.sql("ALTER DATABASE \"\(data.name)\" SET \(setting) = \(value)")
      let said = try #require(try await refusal(house.installation.settings, house))
      #expect(said.hasPrefix("DATABASE_URL: \(setting) must be "))
      #expect(!said.contains("\n"))
    }
  }

  @Test("with a database that isn't there is refused, without its URL")
  func missingDatabase() async throws {
    try await withHouse { house in
      var settings = house.installation.settings
      settings.vaultDatabaseURL = house.installation.vault.cluster.url(database: "nowhere", user: DatabaseRoles.vault)
      let said = try #require(try await refusal(settings, house))
      #expect(said.hasPrefix("VAULT_DATABASE_URL: can't be used: "))
      #expect(!said.contains("postgresql"))
    }
  }

  @Test("a tenant is made once, also by many at once")
  func tenantOnce() async throws {
    try await withHouse { house in
      let tenant = TenantID(UUID())
      let made = try await withThrowingTaskGroup(of: Bool.self) { group in
        for _ in 0..<6 {
          group.addTask {
            try await house.custody.createTenant(Tenant(id: tenant, kind: .condominium, name: "Once"))
          }
        }
        return try await group.reduce(into: []) { $0.append($1) }
      }
      #expect(made.filter { $0 }.count == 1)
      let lines = try await house.log(of: tenant)
      #expect(lines.map(\.action) == [.logStarted])
      let tenants = try await house.custody.tenants()
      #expect(tenants.filter { $0.id == tenant }.map(\.name) == ["Once"])
      let live = try await house.custody.liveKeys()
      #expect(live == [1: 2])
    }
  }
}
