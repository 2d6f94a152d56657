import Audit
import Certificates
import Foundation
import Postgres
import ProfilesAPI
import ServiceTesting
import Signing
import Synchronization
import Testing

@testable import Custody

@Suite("Rotation of the signing key", .serialized)
struct SigningKeyRotationTests {
  private func rotation(
    _ house: House, afterStep: @escaping @Sendable (SigningKeyRotation.Step) async throws -> Void = { _ in }
  ) -> SigningKeyRotation {
    SigningKeyRotation(custody: house.custody, checkpointer: house.server.checkpointer, afterStep: afterStep)
  }

  private func announcements(_ house: House, _ tenant: TenantID) async throws -> Int {
    try await house.log(of: tenant).filter { $0.action == .logKeyRotated }.count
  }

  /// Whether everything of the log verifies for an auditor who knows one of its keys.
  private func faults(_ house: House, _ tenant: TenantID, knowing key: NoteKey) -> [String] {
    ArchiveVerifier(
      folder: house.server.checkpointer.folder(of: tenant), keys: [key], held: nil, ledger: house.server.ledger
    ).verify().findings.map { "\($0)" }
  }

  @Test("every log names the new key, the old one signs that, and the file is replaced; earlier certificates verify")
  func whole() async throws {
    try await withHouse { house in
      let path = house.installation.settings.signingKeyPath
      let profile = try await house.profile()
      let request = try await house.orderedErasure(of: profile)
      _ = try await house.runner().run(request, tenant: house.tenant)
      let other = TenantID(UUID())
      _ = try await house.custody.createTenant(Tenant(id: other, kind: .merchant, name: "Other"))
      let old = try house.server.checkpointer.signer(of: house.tenant).verifierKey()

      let outcome = try await rotation(house).run()
      #expect(Set(outcome.rotated.map(\.tenant)) == [house.tenant, other])
      #expect(outcome.waiting.isEmpty && outcome.closed.isEmpty)
      let current = try SigningKeyFile.load(from: path)
      #expect(current.publicKey == outcome.newKey)
      #expect(outcome.newKey != old.key)
      let retired = try SigningKeyFile.load(from: try #require(outcome.retired))
      #expect(retired.publicKey == old.key)
      #expect(!FileManager.default.fileExists(atPath: path + ".next"))

      try await house.notes(3)
      try await house.server.checkpointer.publish(house.tenant)
      let new = try house.server.checkpointer.signer(of: house.tenant).verifierKey()
      #expect(new.key == outcome.newKey)
      let keys = try house.server.checkpointer.verifierKeys(of: house.tenant)
      #expect(keys == [old, new])
      for key in keys { #expect(faults(house, house.tenant, knowing: key) == []) }
      for tenant in [house.tenant, other] {
        let count = try await announcements(house, tenant)
        #expect(count == 1)
        let found = try await house.faults(tenant)
        #expect(found == [])
      }
      let rows = try await house.admin.read("SELECT certificate FROM subject_rights.erasures")
      let certificate = try SignedCertificate(parsing: try #require(rows.first).decode(0, as: [UInt8].self))
      #expect(certificate.verify(keys: keys).isEmpty)
      #expect(certificate.verify(keys: [new]).isEmpty == false)

      // Once more: a third key.
      let again = try await rotation(house).run()
      #expect(again.newKey != outcome.newKey)
      let found = try await house.faults()
      #expect(found == [])
      #expect(try house.server.checkpointer.verifierKeys(of: house.tenant).count == 3)
    }
  }

  @Test("interrupted after any step, it is carried on, and each log has one announcement", arguments: 0..<6)
  func interrupted(_ step: Int) async throws {
    try await withHouse { house in
      let other = TenantID(UUID())
      _ = try await house.custody.createTenant(Tenant(id: other, kind: .merchant, name: "Other"))
      let left = Countdown(step)
      await #expect(throws: Thrown.self) {
        try await rotation(house) { _ in if left.isOver() { throw Thrown() } }.run()
      }
      let old = try house.server.checkpointer.verifierKeys(of: house.tenant)[0]
      // The service restarts in between, and publishes what it finds.
      let replica = try await Server.prepare(house.installation.settings, logger: house.installation.log.logger)
      try await house.notes(2)
      try await replica.checkpointer.publish(house.tenant)
      try await replica.checkpointer.publish(other)
      await replica.close()
      if step < 5 {
        let outcome = try await rotation(house).run()
        #expect(outcome.retired != nil)
        #expect(outcome.rotated.count == 2)
      }
      #expect(!FileManager.default.fileExists(atPath: house.installation.settings.signingKeyPath + ".next"))
      for tenant in [house.tenant, other] {
        let count = try await announcements(house, tenant)
        #expect(count == 1)
        let found = try await house.faults(tenant)
        #expect(found == [])
      }
      #expect(faults(house, house.tenant, knowing: old) == [])
    }
  }

  @Test("a replica that runs meanwhile goes on publishing with the new key")
  func replica() async throws {
    try await withHouse { house in
      let replica = try await Server.prepare(house.installation.settings, logger: house.installation.log.logger)
      try await replica.checkpointer.publish(house.tenant)
      _ = try await rotation(house).run()
      try await house.notes(2)
      let size = try await replica.checkpointer.publish(house.tenant)
      #expect(size == 4)
      #expect(
        try replica.checkpointer.signer(of: house.tenant).verifierKey()
          == house.server.checkpointer.signer(of: house.tenant).verifierKey())
      let found = try await house.faults()
      #expect(found == [])
      await replica.close()
    }
  }

  @Test("a replica that read the keys before the replacement begins a new log with the new key")
  func replicaOfBefore() async throws {
    try await withHouse { house in
      let other = TenantID(UUID())
      _ = try await house.custody.createTenant(Tenant(id: other, kind: .merchant, name: "Other"))
      let first = try await rotation(house).run([other])
      #expect(first.retired == nil)
      // It has the old key as the one in use, and the new one as the next.
      let replica = try await Server.prepare(house.installation.settings, logger: house.installation.log.logger)
      #expect(replica.checkpointer.keys.current.publicKey != first.newKey)
      #expect(replica.checkpointer.keys.all.contains { $0.publicKey == first.newKey })
      let outcome = try await rotation(house).run()
      #expect(outcome.retired != nil)
      let new = TenantID(UUID())
      _ = try await house.custody.createTenant(Tenant(id: new, kind: .merchant, name: "New"))
      #expect(try replica.checkpointer.verifierKeys(of: new).map(\.key) == [outcome.newKey])
      let size = try await replica.checkpointer.publish(new)
      #expect(size == 1)
      #expect(try replica.checkpointer.signer(of: new).verifierKey().key == outcome.newKey)
      #expect(try house.server.checkpointer.verifierKeys(of: new).map(\.key) == [outcome.newKey])
      await replica.close()
      let found = try await house.faults(new)
      #expect(found == [])
    }
  }

  @Test("logs that begin while the others are rotated get the new key too, whichever they began with")
  func begunMeanwhile() async throws {
    try await withHouse { house in
      let (published, quiet) = (TenantID(UUID()), TenantID(UUID()))
      let outcome = try await rotation(house) { step in
        guard step == .published(house.tenant) else { return }
        for tenant in [published, quiet] {
          _ = try await house.custody.createTenant(Tenant(id: tenant, kind: .merchant, name: "Late"))
        }
        try await house.server.checkpointer.publish(published)
      }.run()
      #expect(outcome.retired != nil)
      #expect(outcome.waiting.isEmpty)
      #expect(Set(outcome.rotated.map(\.tenant)) == [house.tenant, published, quiet])
      for (tenant, expected, keys) in [(house.tenant, 1, 2), (published, 1, 2), (quiet, 0, 1)] {
        let count = try await announcements(house, tenant)
        #expect(count == expected)
        let known = try house.server.checkpointer.verifierKeys(of: tenant)
        #expect(known.count == keys)
        #expect(known.last?.key == outcome.newKey)
        #expect(try house.server.checkpointer.signer(of: tenant).verifierKey() == known.last)
        let found = try await house.faults(tenant)
        #expect(found == [])
      }
    }
  }

  @Test("a log that began meanwhile and is being published elsewhere is named as waiting, and goes on")
  func begunMeanwhileAndClaimed() async throws {
    try await withHouse { house in
      let late = TenantID(UUID())
      let old = try house.server.checkpointer.signer(of: house.tenant).verifierKey().key
      let outcome = try await house.holding(
        "SELECT pg_advisory_xact_lock(hashtextextended('lethe/publish/' || \(late.description), 0))"
      ) {
        try await rotation(house) { step in
          guard step == .published(house.tenant) else { return }
          _ = try await house.custody.createTenant(Tenant(id: late, kind: .merchant, name: "Late"))
        }.run()
      }
      #expect(outcome.waiting == [late])
      #expect(outcome.rotated.map(\.tenant) == [house.tenant])
      let retired = try SigningKeyFile.load(from: try #require(outcome.retired))
      #expect(retired.publicKey == old)
      try await house.server.checkpointer.publish(late)
      let found = try await house.faults(late)
      #expect(found == [])
    }
  }

  @Test("of one tenant leaves the old key in its place until all have the new one")
  func oneTenant() async throws {
    try await withHouse { house in
      let other = TenantID(UUID())
      _ = try await house.custody.createTenant(Tenant(id: other, kind: .merchant, name: "Other"))
      let first = try await rotation(house).run([other])
      #expect(first.rotated.map(\.tenant) == [other])
      #expect(first.waiting == [house.tenant])
      #expect(first.retired == nil)
      try await house.notes(1, other)
      try await house.notes(1)
      try await house.server.checkpointer.publish(other)
      try await house.server.checkpointer.publish(house.tenant)
      let second = try await rotation(house).run()
      #expect(second.newKey == first.newKey)
      #expect(second.retired != nil)
      for tenant in [house.tenant, other] {
        let count = try await announcements(house, tenant)
        #expect(count == 1)
        let found = try await house.faults(tenant)
        #expect(found == [])
      }
    }
  }
}

/// Is over when it was asked once more than its number.
private final class Countdown: Sendable {
  private let left: Mutex<Int>

  init(_ number: Int) { left = Mutex(number) }

  func isOver() -> Bool {
    left.withLock { left in
      defer { left -= 1 }
      return left == 0
    }
  }
}
