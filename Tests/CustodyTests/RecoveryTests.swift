import Audit
import Foundation
import Postgres
import Profiles
import ProfilesAPI
import Redaction
import Schema
import ServiceTesting
import SubjectRights
import Synchronization
import Testing
import Vault

@testable import Custody

@Suite("Recovery", .serialized)
struct RecoveryTests {
  // MARK: The data database

  @Test("a restored data dump is not served until it is recovered; then the erased one is gone and forty-nine read")
  func data() async throws {
    try await withHouse { house in
      let people = try await house.people(50)
      try await house.server.checkpointer.publish(house.tenant)
      let dumps = try await house.dumps()
      let request = try await house.eraseWhole(people[7])
      let published = try #require(try await house.server.checkpointer.publish(house.tenant))
      let before = try await house.log().count
      try await house.restore(data: dumps.data)

      let said = try #require(try await house.refused())
      #expect(said.contains { $0.contains("the archive covers \(published)") })
      #expect(said.contains { $0.contains("1 erased subject(s) are live in the database") })
      let outcome = try await house.recover()
      #expect(outcome.left == [])
      let report = try #require(outcome.tenants.first)
      #expect(report.imported > 0)
      #expect(report.tombstoned == 1)
      #expect(report.keysDestroyed == 0)
      #expect(report.keyless == 0)

      try await house.reopened { house in
        try await house.expectErased(people[7])
        try await house.expectReadable(people.enumerated().filter { $0.offset != 7 }.map(\.element))
        let log = try await house.log()
        // Everything that was, what reading added since, and between them one entry that tells of it.
        #expect(log.count > before)
        #expect(log[before].action == .logRecovered)
        #expect(log[before].record.codes["tombstoned"] == "1")
        let erasures = log.filter { $0.action == .erasureCompleted }
        #expect(erasures.count == 1)
        #expect(erasures.first?.record.codes["request"] == request.uuidString.lowercased())
        // The person's entries came back, and not into the side table.
        let listed = try await house.number(
          "SELECT count(*) FROM audit.entry_subjects WHERE subject_id = \(people[7].subject.uuid)")
        #expect(listed == 0)
        let published = try await house.server.checkpointer.publish(house.tenant)
        #expect(published == UInt64(log.count))
        let report = try house.verifiedArchive()
        #expect(report.findings == [])
      }
    }
  }

  @Test("entries that come back are listed again for those who are not erased")
  func touches() async throws {
    try await withHouse { house in
      let person = try await house.profile(email: "seen@example.com")
      let dumps = try await house.dumps()
      for _ in 0..<3 { _ = try await house.profiles.profile(person.id, house.somebody()) }
      try await house.server.checkpointer.publish(house.tenant)
      let before = try await house.custody.touches(of: person.subject, limit: 100, house.somebody())
      try await house.restore(data: dumps.data)
      _ = try await house.recover()
      try await house.reopened { house in
        let after = try await house.custody.touches(of: person.subject, limit: 100, house.somebody())
        #expect(after == before)
        #expect(after.count >= 3)
      }
    }
  }

  @Test("a recovery that has nothing to do changes nothing, after one that had")
  func twice() async throws {
    try await withHouse { house in
      let people = try await house.people(4)
      let dumps = try await house.dumps()
      try await house.eraseWhole(people[0])
      try await house.restore(data: dumps.data)
      _ = try await house.recover()
      let first = try await house.snapshot()
      let outcome = try await house.recover()
      #expect(outcome.before == [])
      #expect(outcome.tenants.allSatisfy { !$0.didSomething })
      let second = try await house.snapshot()
      #expect(second == first)
    }
  }

  @Test("an erasure that was ordered before the dump is completed by the log, and certified once more")
  func ordered() async throws {
    try await withHouse { house in
      let person = try await house.profile(email: "ordered@example.com")
      let approved = try await house.profile(email: "approved@example.com")
      let request = try await house.orderedErasure(of: person)
      let other = try await house.approvedErasure(of: approved)
      let dumps = try await house.dumps()
      _ = try await house.runner().run(request, tenant: house.tenant)
      _ = try await house.rights.execute(other, house.somebody(.subjectRequest))
      _ = try await house.runner().run(other, tenant: house.tenant)
      try await house.server.checkpointer.publish(house.tenant)
      try await house.restore(data: dumps.data)
      let outcome = try await house.recover()
      #expect(outcome.tenants.first?.requestsSettled == 2)
      #expect(outcome.tenants.first?.tombstoned == 2)
      try await house.reopened { house in
        let left = try await house.runner().resumeAll()
        #expect(left == 0)
        try await house.expectErased(person)
        try await house.expectErased(approved)
        let states = try await house.rights.page(
          state: .completed, type: .erasure, after: nil, limit: 10, house.somebody(.subjectRequest)
        ).requests.map(\.id)
        #expect(Set(states) == [request, other])
        let log = try await house.log()
        #expect(log.filter { $0.action == .erasureCompleted }.count == 2)
        let certificate = try await house.rights.certificate(of: request, house.somebody(.subjectRequest))
        #expect(!certificate.isEmpty)
        let report = try house.verifiedArchive()
        #expect(report.findings == [])
      }
    }
  }

  @Test("a tenant that was made after the dump comes back with its log")
  func tenant() async throws {
    try await withHouse { house in
      let dumps = try await house.dumps()
      let later = TenantID(UUID())
      _ = try await house.custody.createTenant(Tenant(id: later, kind: .merchant, name: "Later"))
      try await house.server.checkpointer.publish(later)
      let before = try await house.log(of: later).count
      try await house.restore(data: dumps.data)
      let said = try #require(try await house.refused())
      #expect(said == ["tenant \(later): the archive has \(before) log entries, the database does not know the tenant"])
      let outcome = try await house.recover()
      #expect(outcome.left == [])
      #expect(outcome.tenants.first { $0.tenant == later }?.tenantRestored == true)
      try await house.reopened { house in
        let actions = try await house.log(of: later).map(\.action)
        #expect(actions == [.logStarted, .logRecovered])
        let report = try house.verifiedArchive(later)
        #expect(report.findings == [])
      }
    }
  }

  @Test("an empty, migrated data database beside an archive is refused")
  func empty() async throws {
    try await withHouse { house in
      try await house.server.checkpointer.publish(house.tenant)
      try await withInstallation { other in
        var settings = house.installation.settings
        settings.databaseURL = other.data.url(user: DatabaseRoles.application)
        settings.workerDatabaseURL = other.data.url(user: DatabaseRoles.worker)
        let refusal = await #expect(throws: Server.Refusal.self) {
          _ = try await Server.prepare(settings, logger: house.installation.log.logger)
        }
        #expect(refusal?.description.contains("the database does not know the tenant") == true)
      }
    }
  }

  // MARK: The vault, the ledger, all at once

  @Test("with both databases restored at once the ledger still erases")
  func both() async throws {
    try await withHouse { house in
      let people = try await house.people(6)
      let dumps = try await house.dumps()
      try await house.eraseWhole(people[2])
      try await house.restore(data: dumps.data, vault: dumps.vault)
      let said = try #require(try await house.refused())
      #expect(said.contains { $0.contains("1 erased subject(s) are live in the database") })
      #expect(said.contains { $0.contains("1 erased subject(s) have a key in the vault") })
      let outcome = try await house.recover()
      #expect(outcome.left == [])
      #expect(outcome.tenants.first?.tombstoned == 1)
      #expect(outcome.tenants.first?.keysDestroyed == 1)
      try await house.reopened { house in
        try await house.expectErased(people[2])
        try await house.expectReadable(people.enumerated().filter { $0.offset != 2 }.map(\.element))
        #expect(try await house.log().filter { $0.action == .erasureCompleted }.count == 1)
      }
    }
  }

  @Test("a vault restored alone loses the erased keys again, and subjects without a key are counted")
  func vault() async throws {
    try await withHouse { house in
      let people = try await house.people(3)
      let dumps = try await house.dumps()
      try await house.eraseWhole(people[0])
      let later = try await house.profile(email: "later@example.com")
      try await house.restore(vault: dumps.vault)
      let outcome = try await house.recover()
      #expect(outcome.left == [])
      let report = try #require(outcome.tenants.first)
      #expect(report.keysDestroyed == 1)
      #expect(report.tombstoned == 0)
      // The erasing officers and the later profile came after the vault's dump.
      #expect(report.keyless >= 1)
      try await house.reopened { house in
        try await house.expectErased(people[0])
        try await house.expectReadable(Array(people.dropFirst()))
        let found = try await Reconciliation(custody: house.custody, logger: house.installation.log.logger)
          .compare(house.tenant).keyless
        #expect(found.contains(later.subject))
        let code = try await refusal { try await house.profiles.profile(later.id, house.somebody()) }
        #expect(code == .keyMissing)
      }
    }
  }

  @Test("an emptied ledger is noticed, and filled from the database")
  func ledger() async throws {
    try await withHouse { house in
      let people = try await house.people(2)
      try await house.eraseWhole(people[0])
      try Data().write(to: URL(fileURLWithPath: house.installation.settings.archivePath + "/erasures/ledger"))
      let found = try await house.findings()
      #expect(found == [.ledgerIncomplete(tenant: house.tenant, count: 1)])
      await house.server.close()
      let outcome = try await house.recover()
      #expect(outcome.left == [])
      #expect(outcome.tenants.first?.ledgerLines == 1)
      try await house.reopened { house in
        try await house.expectErased(people[0])
        let report = try house.verifiedArchive()
        #expect(report.findings == [])
      }
    }
  }

  @Test("the archived log alone still erases, when both databases are restored and the ledger is lost")
  func onlyTheLog() async throws {
    try await withHouse { house in
      let people = try await house.people(2)
      let dumps = try await house.dumps()
      try await house.eraseWhole(people[1])
      try await house.restore(data: dumps.data, vault: dumps.vault)
      try FileManager.default.removeItem(atPath: house.installation.settings.archivePath + "/erasures/ledger")
      let outcome = try await house.recover()
      #expect(outcome.left == [])
      #expect(outcome.tenants.first?.ledgerLines == 1)
      try await house.reopened { house in
        try await house.expectErased(people[1])
        try await house.expectReadable([people[0]])
      }
    }
  }

  // MARK: Epochs

  @Test("a data dump from before a rotation gets the tags of today's epoch")
  func rotated() async throws {
    try await withHouse { house in
      let people = try await house.people(5)
      let dumps = try await house.dumps()
      try await house.eraseWhole(people[4])
      #expect(try await house.rotation().run() == .retired(EpochNumber(rawValue: 1)))
      try await house.restore(data: dumps.data)
      let said = try #require(try await house.refused())
      #expect(said.contains("the data database has lookup tags of epochs 1, the keyring holds 2"))
      let outcome = try await house.recover()
      #expect(outcome.left == [])
      #expect(outcome.epochsRepaired)
      #expect(outcome.tenants.first.map { $0.tagsRebuilt >= 4 } == true)
      try await house.reopened { house in
        try await house.expectReadable(Array(people.dropLast()))
        try await house.expectErased(people[4])
        #expect(try await house.epochsInUse() == [[2], [2], [2]])
        let erased = try await house.number("SELECT count(*) FROM custody.erased_tags WHERE epoch <> 2")
        #expect(erased == 0)
        #expect(try await house.custody.retiredEpochs().map(\.epoch) == [1])
        // And on it goes.
        #expect(try await house.rotation().run() == .retired(EpochNumber(rawValue: 2)))
        try await house.expectReadable(Array(people.dropLast()))
      }
    }
  }

  @Test("the vault's dump of a retired epoch opens nothing beside today's keyring, and is refused for good")
  func retiredVault() async throws {
    try await withHouse { house in
      _ = try await house.people(3)
      let old = try await house.wrappedKeys()
      let dumps = try await house.dumps()
      #expect(try await house.rotation().run() == .retired(EpochNumber(rawValue: 1)))
      for (owner, wrapped) in old {
        let error = #expect(throws: VaultError.self) { try house.custody.keyring.unwrap(wrapped, for: owner) }
        #expect(error?.code == .unknownEpoch)
      }
      try await house.restore(vault: dumps.vault)
      let said = try #require(try await house.refused())
      #expect(said.contains { $0.contains("are wrapped under an epoch that is retired") })
      let error = await #expect(throws: RecoveryError.self) { try await house.recover() }
      guard case .beyondRepair(let findings) = error?.code else {
        Issue.record("another refusal")
        return
      }
      #expect(findings == [.keysOfLostEpochs(count: Int64(old.count))])
    }
  }

  @Test("an old copy of the keyring is refused, and nothing is repaired by it")
  func oldKeyring() async throws {
    try await withHouse { house in
      let people = try await house.people(3)
      let path = house.installation.settings.keyringPath
      let copy = try Data(contentsOf: URL(fileURLWithPath: path))
      #expect(try await house.rotation().run() == .retired(EpochNumber(rawValue: 1)))
      let newest = try Data(contentsOf: URL(fileURLWithPath: path))
      await house.server.close()
      try copy.write(to: URL(fileURLWithPath: path))
      let said = try await house.refused()
      #expect(said == ["the keyring ends with epoch 1, and the databases need epoch 2; it is an old copy"])
      let error = await #expect(throws: RecoveryError.self) { try await house.recover() }
      #expect(error?.code == .beyondRepair([.keyringOlder(keyring: 1, needed: 2)]))
      try newest.write(to: URL(fileURLWithPath: path))
      try await house.reopened { try await $0.expectReadable(people) }
    }
  }

  @Test(
    "a data dump from the middle of a rotation is brought to the epoch that came of it",
    arguments: [RotationState.prepared, .dualWrite, .backfill])
  func midRotation(_ state: RotationState) async throws {
    try await withHouse { house in
      let people = try await house.people(4)
      try await house.holdRotation(at: state)
      let dumps = try await house.dumps()
      #expect(try await house.rotation().run() == .retired(EpochNumber(rawValue: 1)))
      try await house.restore(data: dumps.data)
      #expect(try await house.refused() != nil)
      let outcome = try await house.recover()
      #expect(outcome.left == [])
      try await house.reopened { house in
        #expect(try await house.custody.rotation() == nil)
        #expect(try await house.epochsInUse() == [[2], [2], [2]])
        try await house.expectReadable(people)
      }
    }
  }

  @Test("a dump from before a rotation that is still under way gets its rotation back, and it can end")
  func underWay() async throws {
    try await withHouse { house in
      let people = try await house.people(4)
      let dumps = try await house.dumps()
      let outcome = try await house.rotation(standbys: ["nobody"]).run()
      #expect(outcome == .waiting(.standbys(["nobody"])))
      try await house.restore(data: dumps.data)
      #expect(try await house.refused() != nil)
      let recovered = try await house.recover()
      #expect(recovered.left == [])
      try await house.reopened { house in
        #expect(try await house.custody.rotation()?.state == .dualWrite)
        try await house.expectReadable(people)
        #expect(try await house.rotation().run() == .retired(EpochNumber(rawValue: 1)))
        #expect(try await house.epochsInUse() == [[2], [2], [2]])
        try await house.expectReadable(people)
      }
    }
  }

  @Test("a vault from before a rotation that is under way gets to know its epoch, and the rotation ends")
  func vaultBehindEpochs() async throws {
    try await withHouse { house in
      let people = try await house.people(3)
      let dumps = try await house.dumps()
      try await house.holdRotation(at: .backfill)
      try await house.restore(vault: dumps.vault)
      let said = try await house.refused()
      #expect(said == ["the vault does not know epoch 2, which the keyring uses"])
      let outcome = try await house.recover()
      #expect(outcome.left == [])
      #expect(outcome.epochsRepaired)
      try await house.reopened { house in
        #expect(try await house.custody.rotation()?.state == .backfill)
        #expect(try await house.rotation().run() == .retired(EpochNumber(rawValue: 1)))
        try await house.expectReadable(people)
        #expect(try await house.vaultEpochs() == [2])
      }
    }
  }

  @Test("a vault that does not know a tenant gives it a new secret; who is made then is found again")
  func tenantSecret() async throws {
    try await withHouse { house in
      let dumps = try await house.dumps()
      let later = TenantID(UUID())
      _ = try await house.custody.createTenant(Tenant(id: later, kind: .merchant, name: "Later"))
      let draft = try ProfileDraft(email: "somebody@example.com")
      let context = AccessContext(
        tenant: later, actor: ActorID(UUID()), purpose: .profileAdministration, requestID: UUID())
      _ = try await house.profiles.create(draft, context)
      try await house.restore(vault: dumps.vault)
      let said = try await house.refused()
      #expect(said == ["tenant \(later): the vault does not know the tenant"])
      let outcome = try await house.recover()
      #expect(outcome.left == [])
      #expect(outcome.tenants.first { $0.tenant == later }?.keyless == 1)
      try await house.reopened { house in
        // Nobody has the address any more: its owner can't be read, and can come again.
        let made = try await house.profiles.create(draft, context)
        let found = try await house.profiles.search(.email(Personal("somebody@example.com")), context)
        #expect(found.map(\.id) == [made.id])
      }
    }
  }

  // MARK: Refused, killed

  @Test("a fork is refused, and nothing is changed")
  func fork() async throws {
    try await withHouse { house in
      let dumps = try await house.dumps()
      _ = try await house.people(2)
      try await house.server.checkpointer.publish(house.tenant)
      try await house.restore(data: dumps.data)
      // Entries of another history, after a start that should never have been.
      let parts = try await ServerParts.open(house.installation.settings, logger: house.installation.log.logger)
      for _ in 0..<2 {
        try await parts.custody.note(house.somebody(), .securityRefused, outcome: .denied, codes: [:])
      }
      await parts.close()
      let before = try await house.snapshot()
      let error = await #expect(throws: RecoveryError.self) { try await house.recover() }
      guard case .beyondRepair(let findings) = error?.code else {
        Issue.record("another refusal")
        return
      }
      #expect(findings.contains { if case .differsFromArchive = $0 { true } else { false } })
      let after = try await house.snapshot()
      #expect(after == before)
    }
  }

  @Test("archived entries that don't follow from the database's last one are not imported")
  func brokenArchive() async throws {
    try await withHouse { house in
      let dumps = try await house.dumps()
      _ = try await house.people(3)
      let published = try #require(try await house.server.checkpointer.publish(house.tenant))
      try await house.restore(data: dumps.data)
      // One byte of a bundle's last entry.
      let folder = house.server.checkpointer.folder(of: house.tenant) + "/tile/entries/000.p"
      let path = "\(folder)/\(published)"
      var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
      let middle = bytes.count - 20
      bytes[middle] = bytes[middle] ^ 1
      try FileManager.default.removeItem(atPath: path)
      try bytes.write(to: URL(fileURLWithPath: path))
      let before = try await house.snapshot()
      await #expect(throws: (any Error).self) { try await house.recover() }
      let after = try await house.snapshot()
      #expect(after == before)
    }
  }

  @Test("while a service is connected nothing is recovered")
  func served() async throws {
    try await withHouse { house in
      let error = await #expect(throws: RecoveryError.self) { try await house.recover() }
      guard case .served(let sessions) = error?.code else {
        Issue.record("another refusal")
        return
      }
      #expect(sessions >= 1)
    }
  }

  private final class Fuse: Sendable {
    private let left: Mutex<Int>
    let steps = Mutex<[RecoveryStep]>([])
    init(_ count: Int) { left = Mutex(count) }
    func burn(_ step: RecoveryStep) throws {
      steps.withLock { $0.append(step) }
      let isBurnt = left.withLock { left in
        left -= 1
        return left == 0
      }
      if isBurnt { throw Thrown() }
    }
  }

  @Test("killed after each of its steps, it is carried on by the next one, and the log tells of all of it once")
  func killed() async throws {
    try await withHouse { house in
      let people = try await house.people(5)
      let dumps = try await house.dumps()
      try await house.eraseWhole(people[0])
      try await house.eraseWhole(people[1])
      #expect(try await house.rotation().run() == .retired(EpochNumber(rawValue: 1)))
      try await house.server.checkpointer.publish(house.tenant)
      let entries = try await house.log().count
      try await house.restore(data: dumps.data)
      // After its first step, then after the next one, and so on: each run finds the step before done.
      var seen: Set<RecoveryStep> = []
      var runs = 0
      var outcome: RecoveryOutcome?
      while outcome == nil, runs < 40 {
        runs += 1
        let fuse = Fuse(runs < 12 ? 1 + runs % 3 : 1000)
        do {
          outcome = try await house.recover(afterStep: fuse.burn)
        } catch is Thrown {}
        seen.formUnion(fuse.steps.withLock { $0 })
      }
      #expect(runs > 2)
      let done = try #require(outcome)
      #expect(done.left == [])
      #expect(seen.isSuperset(of: [.imported, .tagsRebuilt, .epochsRepaired, .tombstoned, .logged]))
      try await house.reopened { house in
        try await house.expectErased(people[0])
        try await house.expectErased(people[1])
        try await house.expectReadable(Array(people.dropFirst(2)))
        let log = try await house.log()
        let told = log.filter { $0.action == .logRecovered }
        #expect(told.count == 1)
        #expect(told.first?.sequence == Int64(entries))
        #expect(told.first?.record.codes["tombstoned"] == "2")
        #expect(log.filter { $0.action == .erasureCompleted }.count == 2)
        let note = FileManager.default.fileExists(atPath: house.installation.settings.archivePath + "/recovery")
        #expect(!note)
      }
    }
  }
}
