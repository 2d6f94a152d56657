import Foundation
import Postgres
import Testing

@testable import Custody

@Suite("The list of published checkpoints", .serialized)
struct CheckpointListTests {
  private func list(_ house: House, above size: UInt64? = nil, limit: Int = 200) async throws -> [PublishedCheckpoint] {
    try await house.reading.checkpoints(above: size, limit: limit, house.auditor)
  }

  @Test("is ascending, by pages of any size, and of the database: files are not looked for")
  func pages() async throws {
    try await withHouse { house in
      let none = try await list(house)
      #expect(none == [])
      for count in [0, 2, 1, 4] {
        try await house.notes(count)
        try await house.server.checkpointer.publish(house.tenant)
      }
      let all = try await list(house)
      #expect(all.map(\.size) == [1, 3, 4, 8])
      let folder = house.server.checkpointer.folder(of: house.tenant) + "/checkpoints"
      for checkpoint in all {
        let path = folder + "/" + String(repeating: "0", count: 19) + "\(checkpoint.size)"
        let text = try String(contentsOfFile: path, encoding: .utf8)
        #expect(text == checkpoint.note)
      }
      let first = try await list(house, limit: 3)
      #expect(first == Array(all.prefix(3)))
      let second = try await list(house, above: 3, limit: 1)
      #expect(second == [all[2]])
      let rest = try await list(house, above: 5)
      #expect(rest == [all[3]])
      for end in [8, UInt64.max] {
        let found = try await list(house, above: end)
        #expect(found == [])
      }
      try FileManager.default.removeItem(atPath: folder)
      let rows = try await list(house)
      #expect(rows == all)
      // Another tenant's is another list.
      let other = TenantID(UUID())
      _ = try await house.custody.createTenant(Tenant(id: other, kind: .merchant, name: "Other"))
      let theirs = try await house.reading.checkpoints(above: nil, limit: 200, .operation(other))
      #expect(theirs == [])
    }
  }

  @Test("has the checkpoints of a publication whose transaction was rolled back, before and after they are noted")
  func aheadOfRows() async throws {
    try await withHouse { house in
      try await house.server.checkpointer.publish(house.tenant)
      try await house.notes(4)
      try await house.installation.data.sql("REVOKE INSERT ON audit.checkpoints FROM lethe_worker")
      await #expect(throws: (any Error).self) { try await house.server.checkpointer.publish(house.tenant) }
      let ahead = try await list(house)
      #expect(ahead.map(\.size) == [1, 5])
      let one = try await list(house, limit: 1)
      #expect(one == Array(ahead.prefix(1)))
      let second = try await list(house, above: 1)
      #expect(second == Array(ahead.suffix(1)))
      try await house.installation.data.sql("GRANT INSERT ON audit.checkpoints TO lethe_worker")
      try await house.server.checkpointer.publish(house.tenant)
      let noted = try await house.number("SELECT count(*) FROM audit.checkpoints")
      #expect(noted == 2)
      let after = try await list(house)
      #expect(after == ahead)
    }
  }
}
