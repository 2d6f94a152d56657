import Foundation
import StrictJSON
import Testing

@Suite("Reading fields")
struct ObjectReaderTests {
  /// The faults that `read` and `finish` find in the document.
  private func faults(_ text: String, _ read: (ObjectReader) -> Void) throws -> [String] {
    let reader = ObjectReader(try JSONValue(parsing: Array(text.utf8)))
    read(reader)
    do {
      try reader.finish()
      return []
    } catch {
      return error.errors.map { "\($0.pointer) \($0.code)" }
    }
  }

  @Test("a correct document is read whole and has no faults")
  func correct() throws {
    let text = """
      {"name":"Ada Lovelace","note":null,"nick":"A","age":36,"active":true,"role":"dpo",
       "id":"6BA7B810-9dad-11d1-80b4-00c04fd430c8","tags":["a","b"],"address":{"city":"London"},
       "list":[{"n":1},{"n":2}],"any":[1]}
      """
    let reader = ObjectReader(try JSONValue(parsing: Array(text.utf8)))
    #expect(reader.string("name", maxCharacters: 12) == "Ada Lovelace")
    #expect(reader.nullableString("note", maxCharacters: 5) == .cleared)
    #expect(reader.nullableString("nick", maxCharacters: 5) == .value("A"))
    #expect(reader.nullableString("nothing", maxCharacters: 5) == .absent)
    #expect(reader.integer("age", range: 0...36) == 36)
    #expect(reader.bool("active") == true)
    #expect(reader.oneOf("role", ["auditor", "dpo"]) == "dpo")
    #expect(reader.uuid("id") == UUID(uuidString: "6ba7b810-9dad-11d1-80b4-00c04fd430c8"))
    #expect(reader.strings("tags", allowed: ["a", "b", "c"], maxCount: 2, required: true) == ["a", "b"])
    let address = reader.object("address")
    #expect(address?.string("city", maxCharacters: 10) == "London")
    #expect(reader.objects("list", maxCount: 2)?.map { $0.integer("n", range: 1...2) } == [1, 2])
    #expect(reader.value("any") == [1])
    #expect(reader.has("age"))
    #expect(!reader.has("nothing"))
    try reader.finish()
  }

  @Test("fields that may be absent are no faults when they are")
  func absent() throws {
    let found = try faults("{}") { reader in
      #expect(reader.string("a", maxCharacters: 1, required: false) == nil)
      #expect(reader.integer("b", range: 0...1, required: false) == nil)
      #expect(reader.bool("c", required: false) == nil)
      #expect(reader.oneOf("d", ["x"], required: false) == nil)
      #expect(reader.uuid("e", required: false) == nil)
      #expect(reader.strings("f", allowed: nil, maxCount: 1, required: false) == nil)
      #expect(reader.object("g", required: false) == nil)
      #expect(reader.objects("h", maxCount: 1, required: false) == nil)
      #expect(reader.value("i", required: false) == nil)
    }
    #expect(found == [])
  }

  @Test("all faults are collected with their pointers, unknown members last")
  func all() throws {
    let found = try faults(#"{"z":1,"age":"x","n":{"deep":1},"l":[{"k":true},7]}"#) { reader in
      _ = reader.string("name", maxCharacters: 5)
      _ = reader.integer("age", range: 0...1)
      let inner = reader.object("n")
      _ = inner?.bool("flag")
      for item in reader.objects("l", maxCount: 5) ?? [] { _ = item.integer("k", range: 0...1) }
      inner?.fault("flag", "not_allowed")
    }
    #expect(
      found == [
        "/name required", "/age type", "/n/flag required", "/l/1 type", "/l/0/k type", "/n/flag not_allowed",
        "/z unknown", "/n/deep unknown",
      ])
  }

  @Test("what is no object is one fault, however much is asked of it", arguments: ["[]", "null", "1", #""x""#])
  func notObject(text: String) throws {
    let found = try faults(text) { reader in
      _ = reader.string("a", maxCharacters: 1)
      _ = reader.object("b")
    }
    #expect(found == [" type"])
  }

  static let texts: [(String, String?)] = [
    (#""ok""#, nil), (#""12345""#, nil), (#"" a ""#, nil), (#""😀😀😀😀😀""#, nil),
    (#""123456""#, "too_long"), (#""e\u0301e\u0301e\u0301""#, "too_long"),
    (#""""#, "too_short"), (#"" \t\n""#, "too_short"), (#""\u00a0\u3000""#, "too_short"),
    (#""a\nb""#, "format"), (#""a\tb""#, "format"), (#""a\u007f""#, "format"), (#""a\u0085b""#, "format"),
    (#""a\u2028b""#, "format"), ("1", "type"), ("null", "type"), ("[]", "type"),
  ]

  @Test("a text is checked for kind, length and control characters", arguments: texts)
  func text(value: String, code: String?) throws {
    let single = try faults("{\"a\":\(value)}") { _ = $0.string("a", maxCharacters: 5) }
    #expect(single == (code.map { ["/a \($0)"] } ?? []))
    let element = try faults("{\"a\":[\(value)]}") {
      _ = $0.strings("a", allowed: nil, maxCount: 1, required: true, maxCharacters: 5)
    }
    #expect(element == (code.map { ["/a/0 \($0)"] } ?? []))
    guard value != "null" else { return }
    let patch = try faults("{\"a\":\(value)}") { _ = $0.nullableString("a", maxCharacters: 5) }
    #expect(patch == single)
  }

  @Test("line feeds and tabs pass where lines are allowed, other control characters don't")
  func multiline() throws {
    #expect(try faults(#"{"a":"x\n\ty"}"#) { _ = $0.string("a", maxCharacters: 9, multiline: true) } == [])
    #expect(
      try faults(#"{"a":"x\r"}"#) { _ = $0.string("a", maxCharacters: 9, multiline: true) } == ["/a format"])
  }

  @Test("integers keep to their range, and fractions aren't integers")
  func integers() throws {
    for (value, code) in [("0", "range"), ("1", nil), ("5", nil), ("6", "range"), ("1.0", "type"), (#""1""#, "type")] {
      let found = try faults("{\"a\":\(value)}") { _ = $0.integer("a", range: 1...5) }
      #expect(found == (code.map { ["/a \($0)"] } ?? []))
    }
  }

  @Test("a word that isn't one of the few is not allowed, nor is another spelling of it")
  func words() throws {
    for (value, code) in [(#""dpo""#, nil), (#""DPO""#, "not_allowed"), (#""""#, "not_allowed"), ("1", "type")] {
      let found = try faults("{\"a\":\(value)}") { _ = $0.oneOf("a", ["dpo", "\u{E9}"]) }
      #expect(found == (code.map { ["/a \($0)"] } ?? []))
    }
    #expect(try faults(#"{"a":"e\u0301"}"#) { _ = $0.oneOf("a", ["\u{E9}"]) } == ["/a not_allowed"])
  }

  @Test(
    "only the 36 characters are a UUID",
    arguments: [
      "", "6ba7b8109dad11d180b400c04fd430c8", "{6ba7b810-9dad-11d1-80b4-00c04fd430c8}",
      "6ba7b810-9dad-11d1-80b4-00c04fd430c", "6ba7b810-9dad-11d1-80b4-00c04fd430c8 ",
      "6ba7b810-9dad-11d1-80b4-00c04fd430cg", "6ba7b810-9dad-11d1-80b400-c04fd430c8",
      "6ba7b810-9dad-11d1-80b4-00c04fd430é", "urn:uuid:6ba7b810-9dad-11d1-80b4-00c0",
    ])
  func uuids(text: String) throws {
    #expect(try faults("{\"a\":\"\(text)\"}") { _ = $0.uuid("a") } == ["/a format"])
  }

  @Test("a list is checked element by element")
  func lists() throws {
    let found = try faults(#"{"a":["x","q","x",1]}"#) { reader in
      #expect(reader.strings("a", allowed: ["x", "y"], maxCount: 4, required: true) == nil)
    }
    #expect(found == ["/a/1 not_allowed", "/a/2 duplicate", "/a/3 type"])
    #expect(
      try faults(#"{"a":["x","y"]}"#) { _ = $0.strings("a", allowed: nil, maxCount: 1, required: true) }
        == ["/a too_long"])
    #expect(try faults(#"{"a":"x"}"#) { _ = $0.strings("a", allowed: nil, maxCount: 1, required: true) } == ["/a type"])
    #expect(try faults(#"{"a":[]}"#) { _ = $0.strings("a", allowed: nil, maxCount: 0, required: true) } == [])
  }

  @Test("names in pointers are escaped as in RFC 6901")
  func pointers() throws {
    #expect(
      try faults(#"{"a/b~c":1,"~/":{"/":1}}"#) { _ = $0.object("~/") } == ["/a~1b~0c unknown", "/~0~1/~1 unknown"])
  }

  @Test("a reader begins its pointers where it is told to, and may end twice")
  func pointerPrefix() throws {
    let reader = ObjectReader(["x": 1], pointer: "/rows/3")
    for _ in 0..<2 {
      let error = #expect(throws: FieldErrors.self) { try reader.finish() }
      #expect(error?.errors == [FieldError(pointer: "/rows/3/x", code: "unknown")])
    }
  }

  @Test("the description counts and doesn't quote")
  func description() {
    let one = FieldErrors(errors: [FieldError(pointer: "/canary", code: "unknown")])
    #expect("\(one)" == "1 field is wrong")
    #expect("\(FieldErrors(errors: one.errors + one.errors))" == "2 fields are wrong")
  }
}
