import Foundation
import Postgres
import Profiles
import ProfilesAPI
import Schema
import ServiceTesting
import SubjectRights
import Testing

@testable import Custody

/// Dumps of both databases, taken one after the other.
struct Dumps: Sendable {
  let data: String
  let vault: String
}

extension House {
  /// Both databases as they are now, by `pg_dump`: data first.
  func dumps() async throws -> Dumps {
    let data = try await installation.data.dump()
    return Dumps(data: data, vault: try await installation.vault.dump())
  }

  /// Stops this house's server and puts dumps in the place of the databases.
  func restore(data: String? = nil, vault: String? = nil) async throws {
    await server.close()
    if let data { try await installation.data.restore(data, owner: DatabaseRoles.owner) }
    if let vault { try await installation.vault.restore(vault, owner: DatabaseRoles.vaultOwner) }
    // Its connections are gone with the database; each is opened again once that is noticed.
    for _ in 0..<6 { _ = try? await admin.read("SELECT 1") }
  }

  /// What `Server.prepare` says, without its first line; nil when it starts.
  func refused() async throws -> [String]? {
    do {
      let server = try await Server.prepare(installation.settings, logger: installation.log.logger)
      await server.close()
      return nil
    } catch let error as Server.Refusal {
      return error.description.split(separator: "\n").dropFirst().map { $0.trimmingCharacters(in: .whitespaces) }
    }
  }

  /// Recovers like `lethe recover`, in parts of its own.
  func recover(afterStep: @escaping @Sendable (RecoveryStep) throws -> Void = { _ in }) async throws
    -> RecoveryOutcome
  {
    let parts = try await ServerParts.open(
      installation.settings, as: "lethe-recover", logger: installation.log.logger)
    do {
      let outcome = try await parts.recovery(logger: installation.log.logger, afterStep: afterStep).run()
      await parts.close()
      return outcome
    } catch {
      await parts.close()
      throw error
    }
  }

  /// Lends a house over the same installation, with a server that has just been prepared.
  func reopened<Result>(_ body: (House) async throws -> Result) async throws -> Result {
    let server = try await Server.prepare(installation.settings, logger: installation.log.logger)
    let admin = PostgresPool(
      PoolConfiguration(url: installation.data.url(), role: "admin", size: 3, acquireTimeout: .seconds(20)),
      logger: installation.log.logger)
    do {
      try await admin.start()
      let result = try await body(House(installation: installation, server: server, tenant: tenant, admin: admin))
      await admin.shutdown()
      await server.close()
      return result
    } catch {
      await admin.shutdown()
      await server.close()
      throw error
    }
  }

  /// Erases somebody by a request, to the certificate. Returns the request.
  @discardableResult
  func eraseWhole(_ person: Profile) async throws -> UUID {
    let request = try await orderedErasure(of: person)
    let reached = try await runner().run(request, tenant: tenant)
    #expect(reached == .certified)
    return request
  }

  /// Asserts that nothing of the person can be read, nor found by the address.
  func expectErased(_ person: Profile) async throws {
    let code = try await refusal { try await profiles.profile(person.id, somebody()) }
    #expect(code == .erased)
    if let email = person.email {
      let found = try await profiles.search(.email(email), somebody())
      #expect(found.isEmpty)
    }
    let state = try await admin.read(
      "SELECT state FROM custody.subjects WHERE subject_id = \(person.subject.uuid)")
    #expect(try state.first?.decode("state", as: String.self) == "erased")
    let key = try await custody.keyCommitment(of: person.subject, somebody())
    #expect(key.destroyedAt != nil)
    let inLedger = try server.ledger.contains(tenant: tenant.uuid, subject: person.subject.uuid)
    #expect(inLedger)
  }

  /// What the start's comparison finds.
  func findings() async throws -> [StartupComparison.Finding] { try await server.parts.comparison.findings() }
}
