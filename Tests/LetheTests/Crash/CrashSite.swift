import Audit
import Custody
import Foundation
import Glibc
import LocalCluster
import Logging
import Postgres
import ProfilesAPI
import Schema
import ServiceTesting
import Signing
import Synchronization
import Vault

/// What is killed, always with SIGKILL.
enum Blow: CaseIterable {
  /// One of the two servers.
  case replica
  /// Both servers.
  case replicas
  /// One of PostgreSQL's backends: PostgreSQL ends all the others and recovers by itself.
  case backend
  /// PostgreSQL's first process alone: its backends notice, each where it is.
  case postmaster
  /// Every process of PostgreSQL.
  case cluster
  /// Everything.
  case everything

  /// Out of a hundred.
  var weight: Int {
    switch self {
    case .replica: 26
    case .replicas: 10
    case .backend: 26
    case .postmaster: 14
    case .cluster: 14
    case .everything: 10
    }
  }

  static func any(_ generator: inout SeededGenerator) -> Blow {
    var left = Int.random(in: 0..<100, using: &generator)
    for blow in allCases {
      if left < blow.weight { return blow }
      left -= blow.weight
    }
    return .everything
  }
}

/// Two `lethe serve` over one PostgreSQL cluster of its own, durable as in production, all of which can be killed and
/// started again at the same place.
final class CrashSite: Sendable {
  let folder: String
  let issuer: TestIssuer
  let tenants: [TenantID]
  let keys: [NoteKey]
  let settings: ServerSettings
  /// The data database as a superuser sees it.
  let admin: PostgresPool
  private let socketFolder: String
  private let cluster: Mutex<LocalCluster>
  private let replicas = Mutex<[ServiceProcess?]>([nil, nil])

  private init(
    folder: String, issuer: TestIssuer, cluster: LocalCluster, settings: ServerSettings, tenants: [TenantID],
    keys: [NoteKey], admin: PostgresPool
  ) {
    self.folder = folder
    self.issuer = issuer
    self.tenants = tenants
    self.keys = keys
    self.settings = settings
    self.admin = admin
    socketFolder = cluster.socketFolder
    self.cluster = Mutex(cluster)
  }

  static func make(tenants count: Int) async throws -> CrashSite {
    // The name is the one of a test's folder, so that what a killed process leaves is removed by the next one.
    let folder = "/tmp/lethe-test-\(getpid())-\(UUID().uuidString.prefix(6))"
    try FileManager.default.createDirectory(
      atPath: folder, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o711])
    let cluster = try await start(folder)
    let logger = CapturedLog().logger
    try await cluster.sql(DatabaseRoles.createRoles)
    try await cluster.sql(DatabaseRoles.createDataDatabase())
    try await cluster.sql(DatabaseRoles.createVaultDatabase())
    _ = try await Migrator(
      url: cluster.url(database: DatabaseRoles.dataDatabase, user: DatabaseRoles.owner),
      migrations: DataMigrations.all, lock: DataMigrations.lock, logger: logger
    ).run()
    _ = try await Migrator(
      url: cluster.url(database: DatabaseRoles.vaultDatabase, user: DatabaseRoles.vaultOwner),
      migrations: VaultMigrations.all, lock: VaultMigrations.lock, logger: logger
    ).run()
    _ = try FileKeyring.create(at: folder + "/keyring")
    _ = try SigningKeyFile.create(at: folder + "/signing-key.pem")
    let issuer = try TestIssuer()
    try Data(try await issuer.jwks()).write(to: URL(fileURLWithPath: folder + "/jwks.json"))
    let settings = ServerSettings(
      databaseURL: cluster.url(database: DatabaseRoles.dataDatabase, user: DatabaseRoles.application),
      workerDatabaseURL: cluster.url(database: DatabaseRoles.dataDatabase, user: DatabaseRoles.worker),
      vaultDatabaseURL: cluster.url(database: DatabaseRoles.vaultDatabase, user: DatabaseRoles.vault),
      keyringPath: folder + "/keyring", signingKeyPath: folder + "/signing-key.pem", archivePath: folder + "/archive",
      publicOrigin: Installation.origin, tokenIssuer: issuer.name, tokenAudience: issuer.audience, keySource: issuer,
      httpPort: 0, opsPort: 0)
    let tenants = (0..<count).map { _ in TenantID(UUID()) }
    let server = try await Server.prepare(settings, logger: logger)
    for tenant in tenants {
      _ = try await server.custody.createTenant(Tenant(id: tenant, kind: .condominium, name: "Crash"))
    }
    let keys = try tenants.map { try server.checkpointer.signer(of: $0).verifierKey() }
    await server.close()
    let admin = PostgresPool(
      PoolConfiguration(
        url: cluster.url(database: DatabaseRoles.dataDatabase), role: "admin", size: 3, acquireTimeout: .seconds(20),
        statementTimeout: .seconds(120)),
      logger: logger)
    try await admin.start()
    return CrashSite(
      folder: folder, issuer: issuer, cluster: cluster, settings: settings, tenants: tenants, keys: keys, admin: admin)
  }

  /// Ends everything and removes it.
  func remove() async {
    for process in replicas.withLock({ $0 }) { process?.killHard() }
    await admin.shutdown()
    await cluster.withLock { $0 }.stop()
    // What can't be removed is found by the next process's tests.
    try? FileManager.default.removeItem(atPath: socketFolder)
    try? FileManager.default.removeItem(atPath: folder)
  }

  // MARK: Servers

  /// The ports of the servers that run, or did a moment ago.
  var ports: [Int] { replicas.withLock { $0.compactMap { $0?.port } } }

  /// What the servers printed since their last start.
  var printed: String {
    replicas.withLock { $0 }.compactMap { $0?.printed.suffix(4_000) }.joined(separator: "\n-- the other one --\n")
  }

  /// Starts the servers that are down, and waits until all of them answer.
  func serve() async throws {
    for number in 0..<2 where replicas.withLock({ $0[number] }) == nil {
      let process = try start(number)
      replicas.withLock { $0[number] = process }
    }
    for number in 0..<2 {
      guard let process = replicas.withLock({ $0[number] }) else { continue }
      do {
        try await process.ready()
      } catch  where process.printed.contains("HTTP_PORT") {
        // Somebody else on this machine was given the port meanwhile.
        let process = try start(number)
        replicas.withLock { $0[number] = process }
        try await process.ready()
      }
    }
  }

  private func start(_ number: Int) throws -> ServiceProcess {
    try ServiceProcess(
      ["serve"], home: "\(folder)/replica-\(number)", port: try ServiceProcess.freePort(),
      environment: [
        "DATABASE_URL": settings.databaseURL, "WORKER_DATABASE_URL": settings.workerDatabaseURL,
        "VAULT_DATABASE_URL": settings.vaultDatabaseURL, "LETHE_KEYRING": settings.keyringPath,
        "LETHE_SIGNING_KEY": settings.signingKeyPath, "LETHE_ARCHIVE": settings.archivePath,
        "PUBLIC_ORIGIN": settings.publicOrigin, "TOKEN_ISSUER": settings.tokenIssuer,
        "TOKEN_AUDIENCE": settings.tokenAudience, "TOKEN_JWKS": folder + "/jwks.json", "KEY_ROTATION_DAYS": "0",
        "LETHE_LOG_LEVEL": "notice",
      ])
  }

  /// Asks both to stop in order; their exit statuses.
  func stopServing() async throws -> [Int32] {
    var statuses: [Int32] = []
    for number in 0..<2 {
      guard let process = replicas.withLock({ $0[number] }) else { continue }
      process.interrupt()
      statuses.append(try await process.end().status)
      replicas.withLock { $0[number] = nil }
    }
    return statuses
  }

  // MARK: Blows

  /// Kills; returns when what was killed is gone. ``recover(from:)`` brings it back.
  func strike(_ blow: Blow, _ generator: inout SeededGenerator) async throws {
    let number = Int.random(in: 0..<2, using: &generator)
    let aim = generator.next()
    let hit: [ServiceProcess?] = replicas.withLock { processes in
      switch blow {
      case .replica: return [processes[number]]
      case .replicas, .everything: return processes
      case .backend, .postmaster, .cluster: return []
      }
    }
    // Both are gone before anybody is waited for.
    for process in hit { process?.killHard() }
    let first = cluster.withLock { $0.processID }
    switch blow {
    case .backend: Self.killBackend(of: first, aim: aim)
    case .postmaster: kill(first, SIGKILL)
    case .cluster, .everything: Self.killAll(of: first)
    case .replica, .replicas: break
    }
    for process in hit { _ = try await process?.end() }
    replicas.withLock { processes in
      for (position, process) in processes.enumerated() where process.map({ !$0.isRunning }) ?? true {
        processes[position] = nil
      }
    }
  }

  func recover(from blow: Blow) async throws {
    switch blow {
    case .postmaster, .cluster, .everything: try await startDatabases()
    case .replica, .replicas, .backend: break
    }
    try await serve()
  }

  private func startDatabases() async throws {
    await cluster.withLock { $0 }.stop()
    for attempt in 0... {
      do {
        let started = try await Self.start(folder)
        cluster.withLock { $0 = started }
        break
      } catch let error as LocalClusterError where attempt < 100 {
        // Backends that have not noticed yet still hold the shared memory; PostgreSQL refuses until they are gone.
        guard error.code == .failed || error.code == .alreadyRunning else { throw error }
        try await Task.sleep(for: .milliseconds(50))
      }
    }
    try? FileManager.default.removeItem(atPath: socketFolder)
    try FileManager.default.createSymbolicLink(
      atPath: socketFolder, withDestinationPath: cluster.withLock { $0.socketFolder })
  }

  private static func start(_ folder: String) async throws -> LocalCluster {
    try await LocalCluster.start(
      dataFolder: folder + "/cluster", durable: true, extraSettings: ["log_min_messages": "warning"],
      logFile: folder + "/server.log")
  }

  private static func killAll(of first: pid_t) {
    // Stopped, it starts no other child meanwhile.
    kill(first, SIGSTOP)
    for child in children(of: first) { kill(child.number, SIGKILL) }
    kill(first, SIGKILL)
  }

  /// One of the service's own backends; rather one that commits at this moment.
  private static func killBackend(of first: pid_t, aim: UInt64) {
    let backends = children(of: first).filter { $0.title.contains("lethe_") }
    let busy = backends.filter { $0.title.contains("COMMIT") || $0.title.contains("INSERT") }
    let choice = busy.isEmpty || aim % 4 == 0 ? backends : busy
    if choice.isEmpty { return }
    kill(choice[Int(aim / 4 % UInt64(choice.count))].number, SIGKILL)
  }

  private static func children(of first: pid_t) -> [(number: pid_t, title: String)] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
    return names.compactMap { name in
      guard let number = pid_t(name), let stat = FileManager.default.contents(atPath: "/proc/\(name)/stat"),
        // The name in brackets may hold anything; state and parent follow it.
        let rest = String(decoding: stat, as: UTF8.self).split(separator: ")").last?.split(separator: " "),
        rest.count > 1, pid_t(rest[1]) == first
      else { return nil }
      let title = FileManager.default.contents(atPath: "/proc/\(name)/cmdline") ?? Data()
      return (number, String(decoding: title, as: UTF8.self))
    }
  }
}
