import Foundation
import Testing

@testable import Postgres

@Suite("SQL text and binds")
struct SQLTests {
  @Test("every interpolated value becomes a numbered bind")
  func values() {
    let sql: SQL = "SELECT \("a") + \(7 as Int64) WHERE \(true) AND \(nil as UUID?)"
    #expect(sql.text == "SELECT $1 + $2 WHERE $3 AND $4")
    #expect(sql.binds.map(\.type) == [25, 20, 16, 2950])
    #expect(sql.binds.map(\.bytes) == [[97], [0, 0, 0, 0, 0, 0, 0, 7], [1], nil])
  }

  @Test("a nested statement brings its binds, renumbered")
  func nested() {
    let condition: SQL = "b = \("x") AND c = \("y")"
    let sql: SQL = "SELECT \(1) WHERE \(condition) LIMIT \(2)"
    #expect(sql.text == "SELECT $1 WHERE b = $2 AND c = $3 LIMIT $4")
    #expect(sql.binds.count == 4)
    #expect(sql.binds[2].bytes == [121])
  }

  @Test("unsafe text is pasted and binds nothing")
  func raw() {
    let sql: SQL = "SELECT * FROM \(unsafe: "t") WHERE a = \(1)"
    #expect(sql.text == "SELECT * FROM t WHERE a = $1")
    #expect(sql.description == "SELECT * FROM t WHERE a = $1 [1 binds]")
  }

  @Test("joined fragments keep order and numbering")
  func joined() {
    let rows: [SQL] = [1, 2, 3].map { "(\($0), \("r\($0)"))" }
    let sql: SQL = "VALUES \(SQL.joined(rows, separator: ", "))"
    #expect(sql.text == "VALUES ($1, $2), ($3, $4), ($5, $6)")
    #expect(SQL.joined([], separator: ", ").text == "")
  }

  @Test(
    "negative and extreme integers are two's complement, most significant byte first",
    arguments: [
      (Int64.min, [0x80, 0, 0, 0, 0, 0, 0, 0]), (Int64.max, [0x7f, 255, 255, 255, 255, 255, 255, 255]),
      (-1, [255, 255, 255, 255, 255, 255, 255, 255]), (258, [0, 0, 0, 0, 0, 0, 1, 2]),
    ] as [(Int64, [UInt8])])
  func integers(value: Int64, bytes: [UInt8]) {
    #expect(value.postgresBytes == bytes)
    #expect(Int64(bigEndianBytes: bytes) == value)
  }

  @Test("bytes are one bytea, and arrays of anything else are array types")
  func arrayTypes() {
    #expect([UInt8].postgresType == 17)
    #expect([[UInt8]].postgresType == 1001)
    #expect([UUID].postgresType == 2951)
    #expect([String].postgresType == 1009)
    #expect([Int64].postgresType == 1016)
    #expect(([9, 8] as [UInt8]).postgresBytes == [9, 8])
    #expect(([] as [String]).postgresBytes == [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 25])
  }
}

@Suite("Statement cache")
struct StatementCacheTests {
  private func key(_ text: String) -> StatementCache.Key { .init(text: text, types: []) }

  @Test("a statement is prepared once and found again")
  func found() {
    var cache = StatementCache(capacity: 2)
    let first = cache.plan(key("a"))
    let second = cache.plan(key("a"))
    #expect(first.isNew)
    #expect(second == .init(name: first.name, isNew: false, evicted: nil))
  }

  @Test("the least recently used statement makes room")
  func eviction() {
    var cache = StatementCache(capacity: 2)
    let a = cache.plan(key("a"))
    let b = cache.plan(key("b"))
    _ = cache.plan(key("a"))
    let c = cache.plan(key("c"))
    #expect(c.evicted == b.name)
    #expect(cache.plan(key("a")).name == a.name)
    #expect(cache.count == 2)
  }

  @Test("the same text with other bind types is another statement")
  func types() {
    var cache = StatementCache(capacity: 8)
    let a = cache.plan(.init(text: "SELECT $1", types: [20]))
    let b = cache.plan(.init(text: "SELECT $1", types: [25]))
    #expect(a.name != b.name)
  }

  @Test("a forgotten statement gets a name never used before")
  func forgotten() {
    var cache = StatementCache(capacity: 2)
    let a = cache.plan(key("a"))
    cache.forget(key("a"))
    let again = cache.plan(key("a"))
    #expect(again.isNew)
    #expect(again.name != a.name)
  }
}

@Suite("PostgresError")
struct PostgresErrorTests {
  @Test(
    "the description has code and names, never the message",
    arguments: [
      (.connection, "PostgreSQL connection failed"), (.timeout, "no PostgreSQL connection became free in time"),
      (.poolClosed, "the connection pool is closed"), (.cancelled, "the statement was cancelled"),
      (.statement(sqlState: "23505"), "PostgreSQL refused the statement (23505)"),
      (.decoding, "a column can't be decoded"), (.commitUnknown, "the connection was lost during COMMIT"),
      (.identityChanged, "another database answers than before"), (.misuse, "the connection pool was used wrongly"),
    ] as [(PostgresError.Code, String)])
  func description(code: PostgresError.Code, text: String) {
    let error = PostgresError(
      code, constraint: "c", schema: "s", table: "t", column: "x", message: "secret@example.org")
    #expect(error.description == text + ", table s.t, column x, constraint c")
    var dumped = ""
    dump(error, to: &dumped)
    #expect(!dumped.contains("secret"))
    #expect("\(error as PostgresError?)" == "Optional(\(error))")
    #expect(error.unsafeMessage == "secret@example.org")
  }

  @Test("a configuration shows no password")
  func configuration() {
    let configuration = PoolConfiguration(url: "postgresql://u:hunter2@h/d", role: "data")
    var dumped = ""
    dump(configuration, to: &dumped)
    #expect("\(configuration)" == "PoolConfiguration(data, 4 connections)")
    #expect(!dumped.contains("hunter2"))
  }
}
