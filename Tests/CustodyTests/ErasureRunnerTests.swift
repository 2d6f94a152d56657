import Audit
import Foundation
import Glibc
import Logging
import Postgres
import Profiles
import ProfilesAPI
import Schema
import ServiceTesting
import SubjectRights
import Synchronization
import Testing

@testable import Custody

/// What a process of its own needs to carry an erasure on and be killed on the way.
struct KilledRunner: Codable, Sendable {
  let data: String
  let worker: String
  let vault: String
  let folder: String
  let tenant: UUID
  let request: UUID
  let step: String

  init(_ house: House, _ request: UUID, after step: ErasureStep) {
    let settings = house.installation.settings
    data = settings.databaseURL
    worker = settings.workerDatabaseURL
    vault = settings.vaultDatabaseURL
    folder = house.installation.folder
    tenant = house.tenant.uuid
    self.request = request
    self.step = step.rawValue
  }

  /// Never returns when the step is reached: nothing of this process is cleaned up.
  func run() async throws {
    let issuer = try TestIssuer()
    let server = try await Server.prepare(
      ServerSettings(
        databaseURL: data, workerDatabaseURL: worker, vaultDatabaseURL: vault, keyringPath: folder + "/keyring",
        signingKeyPath: folder + "/signing-key.pem", archivePath: folder + "/archive",
        publicOrigin: Installation.origin, tokenIssuer: issuer.name, tokenAudience: issuer.audience, keySource: issuer),
      logger: Logger(label: "killed") { _ in SwiftLogNoOpLogHandler() })
    let last = step
    let runner = ErasureRunner(
      custody: server.custody, checkpointer: server.checkpointer, ledger: server.ledger,
      policy: server.settings.retention, logger: Logger(label: "killed") { _ in SwiftLogNoOpLogHandler() }
    ) { step in
      if step.rawValue == last { kill(getpid(), SIGKILL) }
    }
    _ = try await runner.run(request, tenant: TenantID(tenant))
  }
}

@Suite("The erasure runner", .serialized)
struct ErasureRunnerTests {
  @Test("goes through every step once, in order, and does nothing when asked again")
  func steps() async throws {
    try await withHouse { house in
      let profile = try await house.profile(email: "a@example.org")
      let request = try await house.orderedErasure(of: profile)
      let steps = Mutex<[ErasureStep]>([])
      let runner = house.runner { step in steps.withLock { $0.append(step) } }
      let reached = try await runner.run(request, tenant: house.tenant)
      #expect(reached == .certified)
      let seen = steps.withLock { $0 }
      #expect(seen == [.tombstoned, .ledgered, .keyDestroyed, .completed, .certified])
      let (again, lines) = try await house.added { try await runner.run(request, tenant: house.tenant) }
      #expect(again == .certified)
      #expect(lines.isEmpty)
      #expect(steps.withLock { $0.count } == 5)
      let unfinished = try await runner.resumeAll()
      #expect(unfinished == 0)
      try await house.expectErasedOnce(request, of: profile.subject)
    }
  }

  @Test(
    "killed after any step, it is carried on by a new process, exactly once",
    arguments: ErasureStep.allCases.filter { $0 > .ordered })
  func killed(after step: ErasureStep) async throws {
    try await withHouse { house in
      let profile = try await house.profile(email: "a@example.org")
      let request = try await house.orderedErasure(of: profile)
      let killed = KilledRunner(house, request, after: step)
      await #expect(processExitsWith: .signal(SIGKILL)) { [killed = killed as KilledRunner] in
        try await killed.run()
      }
      let reached = try await house.rights.erasure(of: request, house.somebody())
      #expect(reached?.step == step)
      let code = try await refusal { try await house.profiles.profile(profile.id, house.somebody()) }
      #expect(code == .erased)
      let unfinished = try await house.runner().resumeAll()
      #expect(unfinished == 0)
      try await house.expectErasedOnce(request, of: profile.subject)
    }
  }

  enum HalfDone: String, CaseIterable {
    /// The file has the line, the database does not know.
    case inTheLedger
    /// The key is gone, the database does not know.
    case keyDestroyed
    /// The archive covers the end, the certificate is not made.
    case published
    /// The archive has more than the database was told of.
    case publishedUnnoted
  }

  @Test(
    "stopped between an effect outside the database and its commit, it finds the effect",
    arguments: HalfDone.allCases)
  func halfDone(_ state: HalfDone) async throws {
    try await withHouse { house in
      let profile = try await house.profile()
      let request = try await house.orderedErasure(of: profile)
      let commitment = try await house.custody.keyCommitment(of: profile.subject, house.somebody()).commitment
      let stop: ErasureStep =
        switch state {
        case .inTheLedger: .tombstoned
        case .keyDestroyed: .ledgered
        case .published, .publishedUnnoted: .completed
        }
      let killed = KilledRunner(house, request, after: stop)
      await #expect(processExitsWith: .signal(SIGKILL)) { [killed = killed as KilledRunner] in
        try await killed.run()
      }
      var time: Int64?
      switch state {
      case .inTheLedger:
        try house.server.ledger.append(
          ErasureRecord(
            tenant: house.tenant.uuid, subject: profile.subject.uuid, commitment: commitment, time: 12_345))
      case .keyDestroyed:
        time = try await house.custody.destroyKey(of: profile.subject, commitment: commitment, house.somebody()).at
      case .published: try await house.server.checkpointer.publish(house.tenant)
      case .publishedUnnoted:
        try await house.server.checkpointer.publish(house.tenant)
        try await house.tamper("DELETE FROM audit.checkpoints")
      }
      let reached = try await house.runner().run(request, tenant: house.tenant)
      #expect(reached == .certified)
      try await house.expectErasedOnce(request, of: profile.subject)
      if state == .inTheLedger {
        let line = try house.server.ledger.records().first { $0.subject == profile.subject.uuid }
        #expect(line?.time == 12_345)
      }
      if let time {
        let progress = try await house.rights.erasure(of: request, house.somebody())
        #expect(progress?.destroyedAt == time)
      }
    }
  }

  @Test("any number of runners on any number of replicas complete an erasure exactly once", arguments: [2, 4])
  func together(_ count: Int) async throws {
    try await withHouse { house in
      var people: [(Profile, UUID)] = []
      for number in 0..<3 {
        let profile = try await house.profile("Person \(number)", email: "p\(number)@example.org")
        people.append((profile, try await house.orderedErasure(of: profile)))
      }
      var replicas = [house.server]
      for _ in 1..<count {
        replicas.append(try await Server.prepare(house.installation.settings, logger: house.installation.log.logger))
      }
      try await withThrowingTaskGroup(of: Void.self) { group in
        for replica in replicas {
          group.addTask { _ = try await house.runner(on: replica).resumeAll() }
        }
        try await group.waitForAll()
      }
      // One may have found the archive busy; the next round certifies.
      let unfinished = try await house.runner().resumeAll()
      #expect(unfinished == 0)
      for replica in replicas.dropFirst() { await replica.close() }
      for (profile, request) in people { try await house.expectErasedOnce(request, of: profile.subject) }
      let errors = house.installation.log.lines.filter { $0.contains("did not go on") }
      #expect(errors == [])
    }
  }

  @Test("one that can't go on is reported and does not hold up the others")
  func stuck() async throws {
    try await withHouse { house in
      let first = try await house.profile("First")
      let second = try await house.profile("Second")
      let firstRequest = try await house.orderedErasure(of: first)
      let secondRequest = try await house.orderedErasure(of: second)
      // The ledger names another key for the first one.
      try house.server.ledger.append(
        ErasureRecord(
          tenant: house.tenant.uuid, subject: first.subject.uuid, commitment: [UInt8](repeating: 7, count: 32),
          time: 1))
      let unfinished = try await house.runner().resumeAll()
      #expect(unfinished == 1)
      let progress = try await house.rights.erasure(of: firstRequest, house.somebody())
      #expect(progress?.step == .tombstoned)
      // Its key is not destroyed while the ledger says otherwise; nothing of it is released either.
      let destroyed = try await house.custody.keyCommitment(of: first.subject, house.somebody()).destroyedAt
      #expect(destroyed == nil)
      let code = try await refusal { try await house.profiles.profile(first.id, house.somebody()) }
      #expect(code == .erased)
      let done = try await house.rights.erasure(of: secondRequest, house.somebody())
      #expect(done?.isCertified == true)
      let reports = house.installation.log.lines.filter { $0.contains("did not go on") }
      #expect(reports.count == 1)
    }
  }

  @Test("waits for the certificate while another replica publishes, and for nothing else")
  func busyArchive() async throws {
    try await withHouse { house in
      let profile = try await house.profile()
      let request = try await house.orderedErasure(of: profile)
      let reached = try await house.holding(house.publicationLock) {
        try await house.runner().run(request, tenant: house.tenant)
      }
      #expect(reached == .completed)
      let progress = try await house.rights.erasure(of: request, house.somebody())
      #expect(progress?.isCertified == false)
      #expect(progress?.destroyedAt != nil)
      await #expect(throws: SubjectRightsError.self) {
        try await house.rights.certificate(of: request, house.somebody())
      }
      let unfinished = try await house.runner().resumeAll()
      #expect(unfinished == 0)
      try await house.expectErasedOnce(request, of: profile.subject)
    }
  }

  @Test("a request that has no erasure is not found")
  func unknown() async throws {
    try await withHouse { house in
      let code = try await refusal { try await house.runner().run(UUID(), tenant: house.tenant) }
      #expect(code == .notFound)
    }
  }

  @Test("an entry put before the end by a corrected clock does not shift the position on the certificate")
  func clockAhead() async throws {
    try await withHouse { house in
      let profile = try await house.profile()
      let request = try await house.orderedErasure(of: profile)
      try await house.tamper("UPDATE audit.heads SET last_time = last_time + 3600000000")
      let reached = try await house.runner().run(request, tenant: house.tenant)
      #expect(reached == .certified)
      try await house.expectErasedOnce(request, of: profile.subject)
      let adjusted = try await house.log().filter { $0.action == .logClockAdjusted }
      #expect(!adjusted.isEmpty)
    }
  }
}
