import Foundation
import PostgresTesting
import Testing

@testable import Postgres

@Suite("Binds and columns through a server")
struct RowTests {
  private let id = UUID()

  @Test("every type comes back as it was sent")
  func roundTrip() async throws {
    let id = self.id
    let row = try await withDatabasePool { _, pool in
      try #require(
        try await pool.read(
          """
          SELECT \(id) AS id, \("Zoë\n'\"$1") AS text, \("") AS empty, \(Int64.min) AS big, \(-5) AS int,
            \(Int32.max) AS small, \(2.5) AS double, \(false) AS no, \([0, 255, 39] as [UInt8]) AS bytes,
            \([] as [UInt8]) AS no_bytes, \(nil as [UInt8]?) AS null_bytes, \([id, id]) AS ids,
            \(["a", "", "ü,{}\"", "NULL"]) AS texts, \([1, -2] as [Int64]) AS numbers,
            \([[1, 0], []] as [[UInt8]]) AS blobs, \([] as [UUID]) AS no_ids, \("x" as String?) AS maybe,
            ARRAY[1, -2] AS integers, '{}'::int4[] AS no_integers,
            7::int2 AS short, 'n'::name AS name, '{"a": 1}'::jsonb AS json
          """
        ).first)
    }
    #expect(try row.decode("id", as: UUID.self) == id)
    #expect(try row.decode("text", as: String.self) == "Zoë\n'\"$1")
    #expect(try row.decode("empty", as: String?.self) == "")
    #expect(try row.decode("big", as: Int64.self) == .min)
    #expect(try row.decode("int", as: Int.self) == -5)
    #expect(try row.decode("small", as: Int32.self) == .max)
    #expect(try row.decode("double", as: Double.self) == 2.5)
    #expect(try row.decode("no", as: Bool.self) == false)
    #expect(try row.decode("bytes", as: [UInt8].self) == [0, 255, 39])
    #expect(try row.decode("no_bytes", as: [UInt8].self) == [])
    #expect(try row.decode("null_bytes", as: [UInt8]?.self) == nil)
    #expect(try row.decode("ids", as: [UUID].self) == [id, id])
    #expect(try row.decode("texts", as: [String].self) == ["a", "", "ü,{}\"", "NULL"])
    #expect(try row.decode("numbers", as: [Int64].self) == [1, -2])
    #expect(try row.decode("integers", as: [Int32].self) == [1, -2])
    #expect(try row.decode("no_integers", as: [Int32].self) == [])
    #expect(try row.decode("blobs", as: [[UInt8]].self) == [[1, 0], []])
    #expect(try row.decode("no_ids", as: [UUID].self) == [])
    #expect(try row.decode("maybe", as: String.self) == "x")
    #expect(try row.decode("short", as: Int64.self) == 7)
    #expect(try row.decode("name", as: String.self) == "n")
    #expect(try row.decode("json", as: String.self) == "{\"a\": 1}")
    #expect(try row.decode(0, as: UUID.self) == id)
    #expect(row.columns.prefix(2) == ["id", "text"])
    #expect(!"\(row)".contains("Zoë"))
  }

  @Test("NULL, a wrong type and a missing column are decoding errors that name the column")
  func wrong() async throws {
    let row = try await withDatabasePool { _, pool in
      try #require(
        try await pool.read(
          "SELECT NULL::text AS gone, 1::numeric AS exact, 3::int8 AS big, ARRAY[1, NULL] AS holes"
        ).first)
    }
    for column in ["gone", "exact", "absent"] {
      let error = await failure { _ = try row.decode(column, as: String.self) }
      #expect(error?.code == .decoding)
      #expect(error?.column == column)
    }
    #expect(await failure { _ = try row.decode("big", as: Int32.self) }?.code == .decoding)
    #expect(await failure { _ = try row.decode("holes", as: [Int32].self) }?.code == .decoding)
    #expect(await failure { _ = try row.decode("big", as: [UInt8].self) }?.code == .decoding)
    #expect(await failure { _ = try row.decode("big", as: UUID.self) }?.code == .decoding)
    #expect(await failure { _ = try row.decode("big", as: Bool.self) }?.code == .decoding)
    #expect(await failure { _ = try row.decode("big", as: Double.self) }?.code == .decoding)
    #expect(await failure { _ = try row.decode(9, as: Int.self) }?.code == .decoding)
  }

  @Test(
    "what tries to leave its quotes stays a value",
    arguments: ["'; DROP TABLE people; --", "$1", "\\'; SELECT 1", "'||(SELECT 'x')||'", "\u{2028}"])
  func injection(text: String) async throws {
    try await withDatabasePool(schema: "CREATE TABLE people (name text)") { _, pool in
      try await pool.transaction { try $0.execute("INSERT INTO people VALUES (\(text))") }
      let rows = try await pool.read("SELECT name FROM people WHERE name = \(text)")
      #expect(try rows.map { try $0.decode("name", as: String.self) } == [text])
    }
  }

  @Test("a zero byte in a string is refused, not cut off")
  func zeroByte() async throws {
    try await withDatabasePool { _, pool in
      #expect(await failure { _ = try await pool.read("SELECT \("a\0b")") }?.sqlState == "22021")
    }
  }
}
