import Foundation
import ServiceTesting
import Signing
import StrictJSON
import Testing

@Suite("Lists of profiles: pages, filters, bounds")
struct ProfileListTests {
  @Test("pages follow each other without gap or repetition, in one order, whatever their size")
  func paging() async throws {
    try await withScene { scene in
      var ids: Set<String> = []
      for _ in 0..<7 { ids.insert(try await scene.createdID()) }
      var orders: [[String]] = []
      for limit in [1, 2, 3, 6, 7, 8, 200] {
        var seen: [String] = []
        var cursor: String?
        repeat {
          let page = try await scene.running.call(
            "GET", "/profiles?limit=\(limit)" + (cursor.map { "&cursor=\($0)" } ?? ""), as: scene.admin)
          #expect(page.status == 200)
          let items = page.json["items"]?.array ?? []
          #expect(items.count <= limit)
          seen += items.compactMap { $0["id"]?.string }
          cursor = page.json["next"]?.string
        } while cursor != nil && seen.count < 20
        orders.append(seen)
      }
      #expect(Set(orders[0]) == ids)
      #expect(Set(orders).count == 1)
      #expect(orders[0].count == 7)
    }
  }

  @Test("a list without limit has 50 at most, and its last page says that it is the last")
  func defaultLimit() async throws {
    try await withScene { scene in
      try await withThrowingTaskGroup(of: Void.self) { group in
        for _ in 0..<51 { group.addTask { try await scene.create() } }
        try await group.waitForAll()
      }
      let first = try await scene.running.call("GET", "/profiles", as: scene.admin)
      #expect(first.json["items"]?.array?.count == 50)
      let cursor = try #require(first.json["next"]?.string)
      let second = try await scene.running.call("GET", "/profiles?cursor=\(cursor)", as: scene.admin)
      #expect(second.json["items"]?.array?.count == 1)
      #expect(second.json["next"]?.isNull == true)
    }
  }

  @Test("filters by status, country and language narrow a list, alone and together, on every page")
  func filters() async throws {
    try await withScene { scene in
      let peru = try await scene.createdID(["country": "PE", "language": "es"])
      let chile = try await scene.createdID(["country": "CL", "language": "es"])
      let brazil = try await scene.createdID(["country": "BR", "language": "pt"])
      let bare = try await scene.createdID()
      for id in [peru, brazil] {
        let moved = try await scene.running.call("POST", "/profiles/\(id):activate", as: scene.admin)
        #expect(moved.json["status"]?.string == "active")
      }
      for (query, expected) in [
        ("status=active", [peru, brazil]), ("status=pending", [chile, bare]), ("status=locked", []),
        ("country=PE", [peru]), ("country=CL", [chile]), ("country=JP", []), ("language=es", [peru, chile]),
        ("language=ar", []), ("language=es&status=pending", [chile]),
        ("country=BR&language=pt&status=active", [brazil]),
        ("country=BR&language=es", []),
      ] {
        let all = try await scene.running.call("GET", "/profiles?\(query)", as: scene.admin)
        #expect(all.ids.sorted() == expected.sorted(), "\(query)")
        let one = try await scene.running.call("GET", "/profiles?\(query)&limit=1", as: scene.admin)
        #expect((one.json["next"]?.string != nil) == (expected.count > 1), "\(query)")
      }
    }
  }

  @Test("an empty tenant's list is empty")
  func empty() async throws {
    try await withScene { scene in
      let page = try await scene.running.call("GET", "/profiles", as: scene.admin)
      #expect(page.status == 200)
      #expect(page.json["items"]?.array?.isEmpty == true)
      #expect(page.json["next"]?.isNull == true)
    }
  }

  @Test(
    "a query with an unknown or repeated name, or a value out of range, is refused with the parameter's name",
    arguments: ["/profiles", "/privacy/data"])
  func badQueries(path: String) async throws {
    try await withScene { scene in
      _ = try await scene.running.call("GET", path, as: scene.admin)
      let state = path == "/profiles" ? "status" : "state"
      let before = try await scene.contents()
      for (query, errors) in [
        ("limit=0", ["?limit range"]), ("limit=201", ["?limit range"]), ("limit=-1", ["?limit range"]),
        ("limit=kanari", ["?limit range"]), ("limit=", ["?limit range"]), ("limit=1.0", ["?limit range"]),
        ("limit=99999999999999999999", ["?limit range"]), ("limit=1&limit=2", ["?limit duplicate"]),
        ("email=kanari@example.org", ["?unknown unknown"]), ("kanari=1", ["?unknown unknown"]),
        ("kanari=1&kanari=1&limit=5", ["?unknown unknown", "?unknown unknown"]), ("Limit=5", ["?unknown unknown"]),
        ("\(state)=kanari", ["?\(state) not_allowed"]), ("\(state)=", ["?\(state) not_allowed"]),
        ("\(state)=ACTIVE", ["?\(state) not_allowed"]), ("cursor=kanari", ["?cursor format"]),
        ("cursor=", ["?cursor format"]), ("cursor=AgAAAAAAAAAAAAAAAAAAAAA", ["?cursor format"]),
        ("cursor=AQAAAAAAAAAAAAAAAAAAAA", ["?cursor format"]), ("cursor=AQAAAAAAAAAAAAAAAAAAAAAA", ["?cursor format"]),
        ("cursor=00000000-0000-4000-8000-000000000000", ["?cursor format"]),
      ] {
        let answer = try await scene.running.call("GET", "\(path)?\(query)", as: scene.admin)
        answer.expectProblem(422, "invalid-fields", errors, "\(query)")
        #expect(!answer.text.contains("kanari"))
      }
      #expect(try await scene.contents() == before)
      #expect(!scene.installation.log.mentions("kanari"))
    }
  }

  @Test(
    "a filter that no profile can have is refused, not answered with an empty list",
    arguments: [
      ("country=kanari", "?country not_allowed"), ("country=pe", "?country not_allowed"),
      ("country=", "?country not_allowed"), ("language=kanari", "?language not_allowed"),
      ("language=ES", "?language not_allowed"),
    ])
  func impossibleFilters(query: String, error: String) async throws {
    try await withScene { scene in
      let answer = try await scene.running.call("GET", "/profiles?\(query)", as: scene.admin)
      answer.expectProblem(422, "invalid-fields", [error])
    }
  }

  @Test("a cursor of another list, or of a row that is nobody's, goes on where it stands")
  func foreignCursor() async throws {
    try await withScene { scene in
      for _ in 0..<3 { _ = try await scene.createdID() }
      let start = StrictBase64.encode([1] + [UInt8](repeating: 0, count: 16), .url)
      let end = StrictBase64.encode([1] + [UInt8](repeating: 255, count: 16), .url)
      let all = try await scene.running.call("GET", "/profiles?cursor=\(start)", as: scene.admin)
      #expect(all.json["items"]?.array?.count == 3)
      let none = try await scene.running.call("GET", "/profiles?cursor=\(end)", as: scene.admin)
      #expect(none.json["items"]?.array?.isEmpty == true)
    }
  }
}
