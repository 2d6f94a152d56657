import Foundation
import Postgres
import Profiles
import Redaction
import ServiceTesting
import StrictJSON
import Synchronization
import Testing
import Vault

@testable import Custody

@Suite("Rotation of epochs")
struct RotationTests {
  // MARK: Whole

  @Test("a rotation moves every key and tag to the next epoch, and what it wrapped opens nowhere afterwards")
  func whole() async throws {
    try await withHouse { house in
      let people = try await house.people(30)
      let old = try await house.wrappedKeys()
      #expect(old.count >= 31)
      let outcome = try await house.rotation().run()
      #expect(outcome == .retired(EpochNumber(rawValue: 1)))

      #expect(house.custody.keyring.epochs.map(\.number.rawValue) == [2])
      #expect(try await house.epochsInUse() == [[2], [2], [2]])
      #expect(try await house.vaultEpochs() == [2])
      try await house.expectReadable(people)
      for (owner, wrapped) in old {
        let error = #expect(throws: VaultError.self) { try house.custody.keyring.unwrap(wrapped, for: owner) }
        #expect(error?.code == .unknownEpoch)
      }
      // The file as well: whoever opens it anew has one epoch.
      let reopened = try FileKeyring.open(at: house.installation.settings.keyringPath)
      #expect(reopened.epochs.map(\.number.rawValue) == [2])
      let record = try #require(try await house.custody.pastRotations().first)
      #expect(record.state == .retired)
      #expect(record.keysDone == record.keysTotal)
      #expect(record.keysDone >= 31)
      #expect(record.tagsDone == 30)
      #expect(record.backup != nil)
      #expect(try await house.custody.rotation() == nil)
      let actions = try await house.log().map(\.action)
      #expect(actions.filter { $0 == .keyRotationStarted }.count == 1)
      #expect(actions.contains(.keyRewrapped))
      #expect(actions.filter { $0 == .keyEpochRetired }.count == 1)
    }
  }

  @Test("epochs follow each other: three rotations in a row lose nobody")
  func repeated() async throws {
    try await withHouse { house in
      let people = try await house.people(5)
      for epoch in 1...3 {
        #expect(try await house.rotation().run() == .retired(EpochNumber(rawValue: Int32(epoch))))
      }
      #expect(try await house.epochsInUse() == [[4], [4], [4]])
      try await house.expectReadable(people)
      let retired = try await house.custody.retiredEpochs().map(\.epoch)
      #expect(retired.sorted() == [1, 2, 3])
    }
  }

  @Test("a key whose tenant was never committed is wrapped again like any other")
  func strayTenant() async throws {
    try await withHouse { house in
      let stray = TenantID(UUID())
      try await house.custody.keys.createTenantSecret(stray)
      #expect(try await house.rotation().run() == .retired(EpochNumber(rawValue: 1)))
      let secret = try await house.custody.keys.key(
        for: KeyOwner(kind: .tenant, tenant: stray.uuid, id: stray.uuid))
      #expect(secret.commitment.count == 32)
    }
  }

  // MARK: While it is under way

  @Test("two people can't claim one address during a rotation, whichever epochs their processes know")
  func uniqueness() async throws {
    try await withHouse { house in
      let stale = try await house.secondProcess()
      _ = try await house.profile(email: "first@example.com")
      try await house.holdRotation(at: .dualWrite)
      let duplicates = await house.attempts([
        { _ = try await Profiles(custody: stale).create(try ProfileDraft(email: "one@example.com"), house.somebody()) },
        { _ = try await house.profile(email: "one@example.com") },
        { _ = try await house.profile(email: "first@example.com") },
      ])
      #expect(duplicates.filter { $0 == nil }.count == 1)
      #expect(duplicates.compactMap { $0 }.allSatisfy { $0 == .taken })
      let tags = try await house.number("SELECT count(*) FROM custody.lookup_tags WHERE epoch = 2 AND kind = 'email'")
      #expect(tags == 1)
      #expect(try await house.rotation().run() == .retired(EpochNumber(rawValue: 1)))
      let late = await house.attempts([{ _ = try await house.profile(email: "one@example.com") }])
      #expect(late == [.taken])
    }
  }

  @Test("a process that has not heard of the rotation goes on reading, finding and writing")
  func staleProcess() async throws {
    try await withHouse { house in
      let stale = try await house.secondProcess()
      let profiles = Profiles(custody: stale)
      let before = try await house.profile(email: "before@example.com")
      #expect(try await house.rotation().run() == .retired(EpochNumber(rawValue: 1)))
      #expect(stale.keyring.activeEpoch.rawValue == 1)
      let read = try await profiles.profile(before.id, house.somebody())
      #expect(read.email == before.email)
      let found = try await profiles.search(.email(Personal("before@example.com")), house.somebody())
      #expect(found.map(\.id) == [before.id])
      let made = try await profiles.create(try ProfileDraft(email: "after@example.com"), house.somebody())
      let again = try await house.profiles.search(.email(Personal("after@example.com")), house.somebody())
      #expect(again.map(\.id) == [made.id])
      #expect(stale.keyring.activeEpoch.rawValue == 2)
    }
  }

  @Test("a stale process that only looks for an address finds it")
  func staleSearch() async throws {
    try await withHouse { house in
      let stale = try await house.secondProcess()
      let person = try await house.profile(email: "known@example.com")
      // It has its index key of the first epoch already.
      _ = try await Profiles(custody: stale).search(.email(Personal("known@example.com")), house.somebody())
      #expect(try await house.rotation().run() == .retired(EpochNumber(rawValue: 1)))
      let found = try await stale.lookUp(Personal("known@example.com"), as: .email, house.somebody())
      #expect(found?.row == person.id)
    }
  }

  @Test("a stale process can't wrap a key under an epoch that the vault has closed, and makes it under the next")
  func staleCreation() async throws {
    try await withHouse { house in
      let stale = try await house.secondProcess()
      #expect(try await house.rotation().run() == .retired(EpochNumber(rawValue: 1)))
      let made = try await stale.keys.createSubject(tenant: house.tenant)
      #expect(made.wrapped.epoch.rawValue == 2)
    }
  }

  @Test("a person erased while tags are made again has none afterwards, in either epoch")
  func erasedMeanwhile() async throws {
    try await withHouse { house in
      let people = try await house.people(12)
      try await house.holdRotation(at: .backfill)
      async let outcome = house.rotation(batchSize: 1).run()
      for person in people.prefix(6) { try await house.tombstone(person.subject) }
      #expect(try await outcome == .retired(EpochNumber(rawValue: 1)))
      for person in people.prefix(6) {
        let tags = try await house.number(
          "SELECT count(*) FROM custody.lookup_tags WHERE subject_id = \(person.subject.uuid)")
        #expect(tags == 0)
      }
      try await house.expectReadable(Array(people.suffix(6)))
    }
  }

  @Test("an address that changes while tags are made again is found under its new value only")
  func changedMeanwhile() async throws {
    try await withHouse { house in
      let people = try await house.people(12)
      try await house.holdRotation(at: .backfill)
      async let outcome = house.rotation(batchSize: 1).run()
      for (number, person) in people.enumerated() {
        _ = try await house.profiles.change(
          person.id, try house.patch(email: "new\(number)@example.com"), version: 1, house.somebody())
      }
      #expect(try await outcome == .retired(EpochNumber(rawValue: 1)))
      for (number, person) in people.enumerated() {
        let new = try await house.profiles.search(.email(Personal("new\(number)@example.com")), house.somebody())
        #expect(new.map(\.id) == [person.id])
        let old = try await house.profiles.search(.email(Personal("person\(number)@example.com")), house.somebody())
        #expect(old.isEmpty)
      }
    }
  }

  @Test("a request repeated after a rotation is answered with what was kept before it")
  func idempotency() async throws {
    try await withHouse { house in
      let context = house.somebody()
      let scope = IdempotencyScope(client: "c", actor: context.actor, operation: "POST /profiles", key: "k-1")
      guard case .proceed(let claim) = try await house.custody.claim(scope, payload: [1, 2, 3], context) else {
        Issue.record("not claimed")
        return
      }
      try await house.custody.keep(KeptAnswer(status: 409, body: [7]), for: claim, context)
      #expect(try await house.rotation().run() == .retired(EpochNumber(rawValue: 1)))
      guard case .replay(let kept) = try await house.custody.claim(scope, payload: [1, 2, 3], context) else {
        Issue.record("not kept")
        return
      }
      #expect(kept.status == 409)
    }
  }

  // MARK: Stopped and carried on

  @Test("a rotation stopped after any report is carried on by the next", arguments: [1, 2, 3, 4, 5, 6, 7, 8, 10, 12])
  func stopped(after reports: Int) async throws {
    try await withHouse { house in
      let people = try await house.people(8)
      let seen = Mutex(0)
      let (stops, stop) = AsyncStream<Void>.makeStream()
      let run = Task {
        try await house.rotation(batchSize: 2) { _ in
          let count = seen.withLock { seen in
            seen += 1
            return seen
          }
          if count == reports { stop.yield() }
        }.run()
      }
      let canceller = Task {
        for await _ in stops {
          run.cancel()
          return
        }
      }
      _ = await run.result
      stop.finish()
      await canceller.value
      let outcome = try await house.rotation().run()
      // One that was finished before it could be stopped is followed by the next.
      #expect(outcome == .retired(EpochNumber(rawValue: 1)) || outcome == .retired(EpochNumber(rawValue: 2)))
      try await house.expectReadable(people)
    }
  }

  @Test("only one process rotates at a time")
  func exclusive() async throws {
    try await withHouse { house in
      let second = try await house.secondProcess()
      let first = try #require(
        try await RotationLock.take(
          like: house.custody.worker.configuration, logger: house.installation.log.logger))
      let other = Rotation(custody: second, backups: house.installation.vaultBackups)
      #expect(try await other.run() == .busy)
      await first.release()
      #expect(try await other.run() == .retired(EpochNumber(rawValue: 1)))
    }
  }

  // MARK: What it waits for

  @Test("a standby that has to confirm and isn't there is waited for, and both epochs stay")
  func standby() async throws {
    try await withHouse { house in
      let people = try await house.people(2)
      let waiting = try await house.rotation(standbys: ["vault-2"]).run()
      #expect(waiting == .waiting(.standbys(["vault-2"])))
      #expect(house.custody.keyring.epochs.map(\.number.rawValue) == [1, 2])
      #expect(try await house.custody.rotation()?.waitingFor == "standbys")
      try await house.expectReadable(people)
      #expect(try await house.rotation().run() == .retired(EpochNumber(rawValue: 1)))
    }
  }

  /// A backup that is not what it should be.
  private struct Doctored: VaultBackups {
    let real: any VaultBackups
    let change: @Sendable (BackedUpKey) -> BackedUpKey?

    func take(_ body: @escaping @Sendable (BackedUpKey) throws -> Void) async throws -> String {
      try await real.take { key in if let key = change(key) { try body(key) } }
    }
  }

  @Test("a backup that can't be taken, lacks a key, or has one that doesn't open keeps the old epoch alive")
  func backups() async throws {
    try await withHouse { house in
      let people = try await house.people(3)
      let real = house.installation.vaultBackups
      let subject = people[0].subject.uuid
      let faults: [any VaultBackups] = [
        NoBackups(), Doctored(real: real) { $0.owner.id == subject ? nil : $0 },
        Doctored(real: real) { key in
          guard key.owner.id == subject, let wrapped = key.wrapped else { return key }
          let other = WrappedKey(
            epoch: wrapped.epoch, blob: wrapped.blob, commitment: wrapped.commitment.reversed())
          return BackedUpKey(owner: key.owner, wrapped: other)
        },
        Doctored(real: real) { key in
          BackedUpKey(
            owner: key.owner,
            wrapped: key.wrapped.map {
              WrappedKey(epoch: EpochNumber(rawValue: 1), blob: $0.blob, commitment: $0.commitment)
            })
        },
      ]
      for fault in faults {
        guard case .waiting(.backup) = try await Rotation(custody: house.custody, backups: fault).run() else {
          Issue.record("it went on")
          continue
        }
        #expect(house.custody.keyring.epochs.map(\.number.rawValue) == [1, 2])
        try await house.expectReadable(people)
      }
      #expect(try await house.rotation().run() == .retired(EpochNumber(rawValue: 1)))
    }
  }

  @Test("a tag whose value doesn't open keeps the old epoch alive, and is counted")
  func unreadable() async throws {
    try await withHouse { house in
      let people = try await house.people(3)
      try await house.tamper(
        """
        UPDATE user_profiles.profiles SET email_sealed = set_byte(email_sealed, 20, get_byte(email_sealed, 20) # 1)
        WHERE id = \(people[1].id)
        """)
      #expect(try await house.rotation().run() == .waiting(.unreadableTags(1)))
      #expect(house.custody.keyring.epochs.map(\.number.rawValue) == [1, 2])
    }
  }

  @Test("a keyring that lacks an epoch which the rotation needs is refused by its number, and nothing is changed")
  func epochMissing() async throws {
    try await withHouse { house in
      let people = try await house.people(2)
      let path = house.installation.settings.keyringPath
      let older = try Data(contentsOf: URL(fileURLWithPath: path))
      #expect(try await house.rotation(standbys: ["never"]).run() == .waiting(.standbys(["never"])))
      let newer = try Data(contentsOf: URL(fileURLWithPath: path))
      try older.write(to: URL(fileURLWithPath: path))
      try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)
      let fresh = try await house.secondProcess()
      let error = await #expect(throws: RotationError.self) {
        try await Rotation(custody: fresh, backups: house.installation.vaultBackups).run()
      }
      #expect(error?.code == .epochMissing)
      #expect(error?.epoch?.rawValue == 2)
      try newer.write(to: URL(fileURLWithPath: path))
      try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)
      #expect(try await house.rotation().run() == .retired(EpochNumber(rawValue: 1)))
      try await house.expectReadable(people)
    }
  }

  @Test("a keyring that can't be written leaves the rotation where it was; it goes on when it can")
  func unwritableKeyring() async throws {
    try await withHouse { house in
      let people = try await house.people(2)
      let path = house.installation.settings.keyringPath
      let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
      // A folder in the place of every temporary name can't be made; the file's folder goes away instead.
      try FileManager.default.moveItem(atPath: folder, toPath: folder + ".away")
      let error = await #expect(throws: CustodyError.self) { try await house.rotation().run() }
      #expect(error?.code == .unavailable)
      #expect(error?.field == "keyring")
      try await house.expectReadable(people)
      try FileManager.default.moveItem(atPath: folder + ".away", toPath: folder)
      #expect(try await house.rotation().run() == .retired(EpochNumber(rawValue: 1)))
      try await house.expectReadable(people)
    }
  }

  // MARK: What the databases enforce

  @Test("neither database lets go of an epoch that a row needs")
  func enforced() async throws {
    try await withHouse { house in
      _ = try await house.people(1)
      let inVault = await #expect(throws: PostgresError.self) {
        try await VaultRotationStore(pool: house.custody.keyStore.pool).delete(EpochNumber(rawValue: 1))
      }
      #expect(inVault?.sqlState == "23503")
      let inData = await #expect(throws: PostgresError.self) {
        try await house.custody.worker.transaction { try EpochStore.delete(EpochNumber(rawValue: 1), in: $0) }
      }
      #expect(inData?.sqlState == "23503")
    }
  }

  @Test("with an old dump and today's keyring nobody can tell whether an address was there")
  func oldTags() async throws {
    try await withHouse { house in
      _ = try await house.profile(email: "was.here@example.com")
      let old = try await house.admin.read("SELECT tag FROM custody.lookup_tags").map {
        try $0.decode("tag", as: [UInt8].self)
      }
      let secret = try await house.custody.keys.key(
        for: KeyOwner(kind: .tenant, tenant: house.tenant.uuid, id: house.tenant.uuid))
      #expect(try await house.rotation().run() == .retired(EpochNumber(rawValue: 1)))
      let keyring = try FileKeyring.open(at: house.installation.settings.keyringPath)
      // The attacker has the vault as well, and tries every epoch number with the one key that there is.
      for epoch in keyring.epochs {
        let key = try keyring.indexKey(
          epoch: epoch.number, tenant: house.tenant.uuid, tenantSecret: secret)
        for kind in [TagKind.email, .phone, .identity, .actor] {
          #expect(!old.contains(key.tag(kind, "was.here@example.com")))
        }
      }
      let gone = #expect(throws: VaultError.self) {
        try keyring.indexKey(epoch: EpochNumber(rawValue: 1), tenant: house.tenant.uuid, tenantSecret: secret)
      }
      #expect(gone?.code == .unknownEpoch)
    }
  }
}

/// Nobody can take a backup.
private struct NoBackups: VaultBackups {
  struct Fault: Error {}
  func take(_ body: @escaping @Sendable (BackedUpKey) throws -> Void) async throws -> String { throw Fault() }
}
