import Audit
import Foundation
import Postgres
import ServiceTesting
import Signing
import Testing

@testable import Custody

@Suite("A log whose people are all erased")
struct EraseEverybodyTests {
  @Test("keeps its bytes and its roots, verifies, and tells of each erasure")
  func everybody() async throws {
    try await withHouse { house in
      let people = try await house.people(8)
      for person in people { _ = try await house.profiles.profile(person.id, house.somebody()) }
      _ = try await house.server.checkpointer.publish(house.tenant)
      let before = try await house.custody.worker.read(
        "SELECT entry FROM audit.entries WHERE tenant_id = \(house.tenant.uuid) ORDER BY seq",
        settings: AccessContext.operation(house.tenant).settings
      ).map { try $0.decode("entry", as: [UInt8].self) }
      let reader = ArchiveReader(folder: house.server.checkpointer.folder(of: house.tenant))
      let held = try #require(try reader.checkpoint())
      let head = try Checkpoint(parsing: held.body)
      #expect(head.size == UInt64(before.count))

      for person in people { _ = try await house.eraseWhole(person) }
      _ = try await house.server.checkpointer.publish(house.tenant)

      let after = try await house.custody.worker.read(
        "SELECT entry FROM audit.entries WHERE tenant_id = \(house.tenant.uuid) ORDER BY seq",
        settings: AccessContext.operation(house.tenant).settings
      ).map { try $0.decode("entry", as: [UInt8].self) }
      #expect(Array(after.prefix(before.count)) == before)
      #expect(MerkleTree.root(of: before.map(MerkleTree.leafHash)) == head.root)

      let key = try house.server.checkpointer.signer(of: house.tenant).verifierKey()
      let report = ArchiveVerifier(
        folder: house.server.checkpointer.folder(of: house.tenant), keys: [key], held: held,
        ledger: house.server.ledger
      ).verify()
      #expect(report.findings == [])
      #expect(report.erasures == 8)
      #expect(report.size > head.size)
    }
  }
}
