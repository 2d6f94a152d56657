import StrictJSON
import Testing

@Suite("Strict parsing")
struct ParsingTests {
  static let accepted: [(String, JSONValue)] = [
    ("null", nil),
    (" \t\r\n true ", true),
    ("false", false),
    ("0", 0),
    ("-1", -1),
    ("9223372036854775807", .integer(.max)),
    ("-9223372036854775808", .integer(.min)),
    ("1.0", .number(1)),
    ("-2.5e3", .number(-2500)),
    ("0.0", .number(0)),
    ("-0.5", .number(-0.5)),
    ("1e-400", .number(0)),
    (#""""#, ""),
    (#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{08}\u{0C}\n\r\t"),
    (#""\u00e9\ud83d\ude00""#, "\u{E9}😀"),
    (#""😀 -0 [[[[ {{{ ,,,""#, "😀 -0 [[[[ {{{ ,,,"),
    (#""a\\""#, "a\\"),
    ("[]", []),
    ("{}", [:]),
    ("[1,[2,[]],{}]", [1, [2, []], [:]]),
    (#"{"b":1,"a":{"c":[null]}}"#, ["b": 1, "a": ["c": [nil]]]),
    (#"{"":1}"#, ["": 1]),
    (#"{"a":1,"A":2}"#, ["a": 1, "A": 2]),
  ]

  @Test("JSON is read as it was written", arguments: accepted)
  func reads(text: String, value: JSONValue) throws {
    #expect(try JSONValue(parsing: Array(text.utf8)) == value)
  }

  static let refused: [(String, JSONError.Code)] = [
    ("", .syntax),
    (" ", .syntax),
    ("\u{FEFF}{}", .syntax),
    ("{}x", .syntax),
    ("{} {}", .syntax),
    ("null null", .syntax),
    ("{}\u{0}", .syntax),
    ("[1,]", .syntax),
    (#"{"a":1,}"#, .syntax),
    ("{,}", .syntax),
    (#"{"a"}"#, .syntax),
    (#"{a:1}"#, .syntax),
    (#"{'a':1}"#, .syntax),
    ("[1 2]", .syntax),
    ("[1}", .syntax),
    ("[", .syntax),
    ("]", .syntax),
    (#"{"a":"#, .syntax),
    (#"""#, .syntax),
    (#""\"#, .syntax),
    (#""\x41""#, .syntax),
    (#""\u12""#, .syntax),
    ("\"a\nb\"", .syntax),
    ("\"a\tb\"", .syntax),
    ("\"a\u{0}b\"", .syntax),
    (#""\u0000""#, .syntax),
    (#"{"\u0000":1}"#, .syntax),
    (#"{"a\u0000b":1}"#, .syntax),
    (#""\ud800""#, .syntax),
    (#""\udc00""#, .syntax),
    (#""\ud800\u0041""#, .syntax),
    (#""\ud800\ud800""#, .syntax),
    ("01", .syntax),
    ("+1", .syntax),
    (".5", .syntax),
    ("1.", .syntax),
    ("1e", .syntax),
    ("-", .syntax),
    ("0x10", .syntax),
    ("NaN", .syntax),
    ("Infinity", .syntax),
    ("-Infinity", .syntax),
    ("True", .syntax),
    ("nul", .syntax),
    ("// c\n1", .syntax),
    ("/* c */1", .syntax),
    ("-0", .number),
    ("[-0]", .number),
    ("-0.0", .number),
    ("-0e5", .number),
    ("-0.00E-1", .number),
    ("-1e-400", .number),
    ("1e400", .number),
    ("-1e400", .number),
    ("9223372036854775808", .number),
    ("-9223372036854775809", .number),
    ("123456789012345678901234567890", .number),
    (#"{"a":1,"a":1}"#, .duplicateName),
    (#"{"a":1,"b":2,"\u0061":3}"#, .duplicateName),
    (#"{"x":{"é":1,"\u00e9":2}}"#, .duplicateName),
    (#"{"":1,"":2}"#, .duplicateName),
  ]

  @Test("what isn't strict JSON is refused with its own code", arguments: refused)
  func refuses(text: String, code: JSONError.Code) {
    let error = #expect(throws: JSONError.self) { try JSONValue(parsing: Array(text.utf8)) }
    #expect(error?.code == code)
  }

  @Test(
    "bytes that aren't UTF-8 are refused where they begin",
    arguments: [
      ([0x22, 0xFF, 0x22], 1),
      ([0x22, 0x80, 0x22], 1),
      ([0x22, 0xC0, 0xAF, 0x22], 1),  // an overlong slash
      ([0x22, 0x61, 0xED, 0xA0, 0x80, 0x22], 2),  // a surrogate in UTF-8
      ([0x22, 0xF4, 0x90, 0x80, 0x80, 0x22], 1),  // past U+10FFFF
      ([0x22, 0xE2, 0x82], 1),  // cut off
      ([0x7B, 0x00, 0x7D, 0x00, 0xFF], 4),
    ] as [([UInt8], Int)])
  func notUTF8(bytes: [UInt8], offset: Int) {
    let error = #expect(throws: JSONError.self) { try JSONValue(parsing: bytes) }
    #expect(error?.code == .notUTF8)
    #expect(error?.offset == offset)
  }

  @Test("UTF-16 is refused")
  func utf16() {
    let error = #expect(throws: JSONError.self) { try JSONValue(parsing: [0x7B, 0x00, 0x7D, 0x00]) }
    #expect(error?.code == .syntax)
  }

  @Test("names that only look alike are two names")
  func lookAlike() throws {
    let value = try JSONValue(parsing: Array("{\"\u{E9}\":1,\"e\u{301}\":2}".utf8))
    #expect(value["\u{E9}"] == 1)
    #expect(value["e\u{301}"] == 2)
    #expect(JSONValue.string("\u{E9}") != .string("e\u{301}"))
    #expect(JSONMember("\u{E9}", 1) != JSONMember("e\u{301}", 1))
  }

  @Test("the limits hold to the byte, level and member")
  func limits() throws {
    func code(_ text: String, _ limits: JSONLimits) -> JSONError.Code? {
      do {
        _ = try JSONValue(parsing: Array(text.utf8), limits: limits)
        return nil
      } catch { return error.code }
    }
    #expect(code("[1,2]", JSONLimits(maxBytes: 5)) == nil)
    #expect(code("[1,2]", JSONLimits(maxBytes: 4)) == .tooLarge)
    #expect(code("[[1]]", JSONLimits(maxDepth: 2)) == nil)
    #expect(code("[[1]]", JSONLimits(maxDepth: 1)) == .tooDeep)
    #expect(code(#"[{"a":1}]"#, JSONLimits(maxDepth: 1)) == .tooDeep)
    #expect(code("1", JSONLimits(maxDepth: 0)) == nil)
    #expect(code("[],[]", JSONLimits(maxDepth: 1)) == .syntax)
    #expect(code("[1,2,3]", JSONLimits(maxMembers: 3)) == nil)
    #expect(code("[1,2,3]", JSONLimits(maxMembers: 2)) == .tooManyMembers)
    #expect(code(#"{"a":[1,2]}"#, JSONLimits(maxMembers: 3)) == nil)
    #expect(code(#"{"a":[1,2]}"#, JSONLimits(maxMembers: 2)) == .tooManyMembers)
    #expect(code(#"[",,,,,,,\",,,[[["]"#, JSONLimits(maxMembers: 1)) == nil)
  }

  @Test(
    "a bomb of brackets is refused before it is parsed, whatever the limits", arguments: ["[", "{\"a\":", "[{\"a\":"])
  func bomb(unit: String) {
    let bytes = Array(String(repeating: unit, count: 100_000).utf8)
    let limits = JSONLimits(maxDepth: 1_000_000, maxMembers: 1_000_000)
    let error = #expect(throws: JSONError.self) { try JSONValue(parsing: bytes, limits: limits) }
    #expect(error?.code == .tooDeep)
    #expect(limits.maxDepth == JSONLimits.greatestDepth)
  }

  @Test("the greatest depth is parsed, and one more isn't")
  func greatestDepth() throws {
    let limits = JSONLimits(maxDepth: JSONLimits.greatestDepth)
    func nested(_ depth: Int) -> [UInt8] {
      Array((String(repeating: "[", count: depth) + String(repeating: "]", count: depth)).utf8)
    }
    var value = try JSONValue(parsing: nested(256), limits: limits)
    var levels = 0
    while let inner = value.array {
      levels += 1
      value = inner.first ?? nil
    }
    #expect(levels == 256)
    #expect(throws: JSONError.self) { try JSONValue(parsing: nested(257), limits: limits) }
    #expect(throws: JSONError.self) { try JSONValue(parsing: nested(33)) }
  }

  @Test("an error tells where and never what")
  func descriptions() {
    let error = #expect(throws: JSONError.self) {
      try JSONValue(parsing: Array(#"{"canary@example.com": canary}"#.utf8))
    }
    #expect(error?.description.hasPrefix("the document is not JSON (at byte ") == true)
    #expect(error.map { "\($0)".contains("canary") } == false)
    let large = #expect(throws: JSONError.self) {
      try JSONValue(parsing: Array("[1]".utf8), limits: JSONLimits(maxBytes: 1))
    }
    #expect(large?.description == "the JSON document is too large")
  }

  @Test("every prefix and every flipped bit of a document is refused or parsed, never more")
  func mutations() throws {
    let text = #"{"a":[1,-2.5e1,true,null,"é\u00e9\\"],"b":{"c":"\ud83d\ude00"}}"#
    let bytes = Array(text.utf8)
    _ = try JSONValue(parsing: bytes)
    for end in 0..<bytes.count {
      #expect(throws: JSONError.self) { try JSONValue(parsing: Array(bytes[..<end])) }
    }
    for bit in 0..<bytes.count * 8 {
      var changed = bytes
      changed[bit / 8] ^= 1 << (bit % 8)
      // What is accepted must mean the same when it is written and read again.
      guard let value = try? JSONValue(parsing: changed) else { continue }
      let again = try JSONValue(parsing: Array(value.prettyText().utf8))
      #expect(again == value)
    }
  }

  @Test("values are reached by kind, and by no other")
  func access() throws {
    let value: JSONValue = ["s": "x", "i": 7, "b": true, "a": [1], "n": nil, "f": .number(1)]
    #expect(value["s"]?.string == "x")
    #expect(value["i"]?.integer == 7)
    #expect(value["b"]?.bool == true)
    #expect(value["a"]?.array == [1])
    #expect(value["n"]?.isNull == true)
    #expect(value["f"]?.integer == nil)
    #expect(value["s"]?.integer == nil)
    #expect(value["i"]?.string == nil)
    #expect(value["i"]?.bool == nil)
    #expect(value["i"]?.array == nil)
    #expect(value["i"]?.isNull == false)
    #expect(value["absent"] == nil)
    #expect(JSONValue.integer(1)["a"] == nil)
    #expect(value.members?.map(\.name) == ["s", "i", "b", "a", "n", "f"])
    #expect(JSONValue.integer(1) != .number(1))
    #expect(Set([value, value, ["s": "x"], [1], nil, true]).count == 5)
  }
}
