import Audit
import Foundation
import Logging
import Postgres
import PostgresTesting
import Profiles
import ProfilesAPI
import Redaction
import Schema
import ServiceTesting
import Signing
import StrictJSON
import SubjectRights
import Testing
import Vault

@testable import Custody

/// An installation with one prepared server, one tenant, and a superuser's look at the data database.
struct House: Sendable {
  let installation: Installation
  let server: Server
  let tenant: TenantID
  let admin: PostgresPool

  var custody: Custody { server.custody }
  var profiles: Profiles { server.profiles }
  var rights: SubjectRights {
    SubjectRights(custody: custody, profiles: profiles, policy: server.settings.retention)
  }

  /// Somebody of the tenant, another one at each call.
  func somebody(_ purpose: Purpose = .profileAdministration) -> AccessContext {
    AccessContext(tenant: tenant, actor: ActorID(UUID()), purpose: purpose, requestID: UUID())
  }

  // MARK: People

  func profile(
    _ name: String = "Zoë Ñandú", email: String? = nil, phone: String? = nil, identity: String? = nil,
    country: String? = "PE", _ context: AccessContext? = nil, answering: Answering<Profile>? = nil
  ) async throws -> Profile {
    let draft = try ProfileDraft(
      fullName: name, email: email, phone: phone, identity: identity, country: country, language: "es")
    return try await profiles.create(draft, context ?? somebody(), answering: answering)
  }

  /// A change of the address only.
  func patch(email: String) throws -> ProfilePatch {
    try ProfilePatch(reading: ObjectReader(.object([JSONMember("email", .string(email))])))
  }

  // MARK: Requests

  func open(_ type: RequestType, _ profile: Profile, note: String? = nil) async throws -> SubjectRequest {
    var members = [
      JSONMember("type", .string(type.rawValue)), JSONMember("profile_id", .string(profile.id.uuidString.lowercased())),
      JSONMember("jurisdiction", .string("PE")),
    ]
    if let note { members.append(JSONMember("note", .string(note))) }
    return try await rights.open(
      try RequestDraft(reading: ObjectReader(.object(members))), somebody(.subjectRequest))
  }

  /// An erasure request that a second officer has approved.
  func approvedErasure(of profile: Profile, note: String? = nil) async throws -> UUID {
    let request = try await open(.erasure, profile, note: note)
    _ = try await rights.verify(request.id, by: .callback, somebody(.subjectRequest))
    return try await rights.approve(request.id, somebody(.subjectRequest)).id
  }

  /// An erasure that is ordered, and of which nothing has happened.
  func orderedErasure(of profile: Profile, note: String? = nil) async throws -> UUID {
    let id = try await approvedErasure(of: profile, note: note)
    return try await rights.execute(id, somebody(.subjectRequest)).id
  }

  func runner(
    on server: Server? = nil, afterStep: @escaping @Sendable (ErasureStep) -> Void = { _ in }
  ) -> ErasureRunner {
    let server = server ?? self.server
    return ErasureRunner(
      custody: server.custody, checkpointer: server.checkpointer, ledger: server.ledger,
      policy: server.settings.retention, logger: installation.log.logger, afterStep: afterStep)
  }

  /// Only the tombstone, without a request.
  @discardableResult
  func tombstone(_ subject: SubjectID) async throws -> Bool {
    let sealing = try await custody.holdSealing(of: subject, .operation(tenant))
    return try await custody.operate(.operation(tenant)) { try $0.tombstone(subject, codes: [:], sealing: sealing) }
  }

  // MARK: The databases as a superuser sees them

  func number(_ sql: SQL) async throws -> Int64 {
    let rows = try await admin.read(sql)
    return try #require(rows.first).decode(0, as: Int64.self)
  }

  /// Changes rows as a superuser who has switched every trigger off.
  @discardableResult
  func tamper(_ sql: SQL) async throws -> Int {
    try await admin.transaction { transaction in
      try transaction.execute("SET LOCAL session_replication_role = replica")
      return try transaction.execute(sql)
    }
  }

  /// A digest of every table of the data database.
  func snapshot() async throws -> [String: String] {
    var digests: [String: String] = [:]
    for table in DataRegistry.tables {
      let rows = try await admin.read(
        """
        SELECT coalesce(md5(string_agg(t::text, ' ' ORDER BY t::text)), 'empty') FROM \(unsafe: table.qualifiedName) t
        """)
      digests[table.qualifiedName] = try #require(rows.first).decode(0, as: String.self)
    }
    return digests
  }

  /// Holds what `sql` locks, in a superuser's transaction, while `body` runs.
  func holding<Result>(_ sql: SQL, _ body: () async throws -> Result) async throws -> Result {
    let (held, continuation) = AsyncStream<Void>.makeStream()
    let release = DispatchSemaphore(value: 0)
    let holder = Task { [admin] in
      defer { continuation.finish() }
      try await admin.transaction { transaction in
        try transaction.query(sql)
        continuation.yield()
        // On the connection's own thread.
        release.wait()
      }
    }
    for await _ in held { break }
    do {
      let result = try await body()
      release.signal()
      try await holder.value
      return result
    } catch {
      release.signal()
      try await holder.value
      throw error
    }
  }

  var headLock: SQL { "SELECT 1 FROM audit.heads WHERE tenant_id = \(tenant.uuid) FOR UPDATE" }

  var publicationLock: SQL {
    "SELECT pg_advisory_xact_lock(hashtextextended('lethe/publish/' || \(tenant.description), 0))"
  }

  /// How many of the role's sessions wait for a lock.
  func waiting(_ role: String) async throws -> Int64 {
    try await number(
      """
      SELECT count(*) FROM pg_stat_activity
      WHERE datname = current_database() AND usename = \(role)::text::name AND wait_event_type = 'Lock'
      """)
  }

  /// A custody whose statements on the data database end after a second.
  func withImpatientCustody<Result>(_ body: (Custody) async throws -> Result) async throws -> Result {
    try await withCustody(statementTimeout: .seconds(1), acquireTimeout: .seconds(5), body)
  }

  /// A custody for hundreds of calls at once, on a machine that does other things too.
  func withPatientCustody<Result>(_ body: (Custody) async throws -> Result) async throws -> Result {
    try await withCustody(statementTimeout: .seconds(30), acquireTimeout: .seconds(60), body)
  }

  /// A custody with pools of its own.
  private func withCustody<Result>(
    statementTimeout: Duration, acquireTimeout: Duration, _ body: (Custody) async throws -> Result
  ) async throws -> Result {
    func pool(_ url: String, _ role: String) -> PostgresPool {
      PostgresPool(
        PoolConfiguration(
          url: url, role: role, size: 3, acquireTimeout: acquireTimeout, statementTimeout: statementTimeout),
        logger: installation.log.logger)
    }
    let settings = installation.settings
    let pools = [
      pool(settings.databaseURL, "application"), pool(settings.workerDatabaseURL, "worker"),
      pool(settings.vaultDatabaseURL, "vault"),
    ]
    let own = try Custody(
      data: pools[0], worker: pools[1], vault: pools[2], keyring: custody.keyring, originHost: custody.originHost,
      logger: installation.log.logger)
    do {
      for pool in pools { try await pool.start() }
      let result = try await body(own)
      for pool in pools { await pool.shutdown() }
      return result
    } catch {
      for pool in pools { await pool.shutdown() }
      throw error
    }
  }
}

/// Lends a new house to `body`, and removes it afterwards.
func withHouse<Result>(_ body: (House) async throws -> Result) async throws -> Result {
  try await withInstallation { installation in
    let tenant = TenantID(UUID())
    let server = try await installation.server(tenant: tenant)
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
}

/// The code of the `CustodyError` that `body` throws; any other error goes on, and no error is nil.
func refusal<Result>(_ body: () async throws -> Result) async throws -> CustodyError.Code? {
  do {
    _ = try await body()
    return nil
  } catch let error as CustodyError {
    return error.code
  }
}

struct NotInTime: Error {}

/// Asks again every few milliseconds until the answer is true; throws after twenty seconds.
func eventually(_ condition: () async throws -> Bool) async throws {
  let end = ContinuousClock.now + .seconds(90)
  while ContinuousClock.now < end {
    if try await condition() { return }
    try await Task.sleep(for: .milliseconds(10))
  }
  throw NotInTime()
}

/// What a test's own body throws.
struct Thrown: Error, Equatable {}
