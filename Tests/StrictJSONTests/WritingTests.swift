import StrictJSON
import Testing

@Suite("Canonical and pretty text")
struct WritingTests {
  static let canonical: [(JSONValue, String)] = [
    (nil, "null"), (true, "true"), (false, "false"), (0, "0"), (-12, "-12"), ([], "[]"), ([:], "{}"),
    (.number(3), "3"), (.number(-1e3), "-1000"),
    (.integer(9_007_199_254_740_991), "9007199254740991"),
    (.integer(-9_007_199_254_740_991), "-9007199254740991"),
    (["b": [1, nil], "a": ["d": 1, "c": 2]], #"{"a":{"c":2,"d":1},"b":[1,null]}"#),
    // RFC 8785 §3.2.2.2.
    ("\u{20AC}$\u{0F}\nA'B\"\\\\\"/", #""€$\u000f\nA'B\"\\\\\"/""#),
    ("\u{08}\t\n\u{0C}\r\u{0}\u{1F}\u{7F}\u{2028}", "\"\\b\\t\\n\\f\\r\\u0000\\u001f\u{7F}\u{2028}\""),
    ("e\u{301}\u{E9}" as JSONValue, "\"e\u{301}\u{E9}\""),
  ]

  @Test("a value has the canonical bytes of RFC 8785", arguments: canonical)
  func canonicalBytes(value: JSONValue, text: String) throws {
    #expect(try value.canonicalBytes() == Array(text.utf8))
  }

  @Test("names are sorted by UTF-16 code units, as in RFC 8785 §3.2.3")
  func sorting() throws {
    let value: JSONValue = [
      "\u{20AC}": "Euro Sign", "\r": "Carriage Return", "\u{FB33}": "Hebrew Letter Dalet With Dagesh", "1": "One",
      "\u{1F600}": "Emoji: Grinning Face", "\u{80}": "Control", "\u{F6}": "Latin Small Letter O With Diaeresis",
    ]
    let parsed = try JSONValue(parsing: value.canonicalBytes())
    #expect(
      parsed.members?.map { $0.value.string } == [
        "Carriage Return", "One", "Control", "Latin Small Letter O With Diaeresis", "Euro Sign",
        "Emoji: Grinning Face", "Hebrew Letter Dalet With Dagesh",
      ])
  }

  static let refused: [(JSONValue, JSONError.Code)] = [
    (.number(0.5), .notCanonical), (.number(.infinity), .notCanonical), (.number(.nan), .notCanonical),
    (.number(9_007_199_254_740_992), .notCanonical), (.integer(9_007_199_254_740_992), .notCanonical),
    (.integer(.min), .notCanonical), ([["a": .number(1e300)]], .notCanonical),
    (["a": 1, "b": 2, "a": 3], .duplicateName),
  ]

  @Test("a value without canonical form is refused", arguments: refused)
  func notCanonical(value: JSONValue, code: JSONError.Code) {
    let error = #expect(throws: JSONError.self) { try value.canonicalBytes() }
    #expect(error?.code == code)
  }

  @Test("a value built deeper than any document is refused")
  func deep() {
    var value: JSONValue = 1
    for _ in 0..<257 { value = [value] }
    let error = #expect(throws: JSONError.self) { try value.canonicalBytes() }
    #expect(error?.code == .tooDeep)
  }

  @Test("canonical bytes are read back as the same value, in sorted order")
  func roundTrip() throws {
    let value: JSONValue = ["a": [true, nil, "\u{1}é\""], "b": ["c": -5]]
    #expect(try JSONValue(parsing: value.canonicalBytes()) == value)
  }

  @Test("pretty text is indented by two spaces in the order of writing")
  func pretty() {
    let value: JSONValue = ["b": [1, ["x": .number(1.5)]], "a": [:], "c": [], "d": "q\"", "e": nil, "f": false]
    #expect(
      value.prettyText() == """
        {
          "b": [
            1,
            {
              "x": 1.5
            }
          ],
          "a": {},
          "c": [],
          "d": "q\\"",
          "e": null,
          "f": false
        }
        """)
  }

  @Test("pretty text can't steer a terminal")
  func terminal() {
    let value: JSONValue = ["\u{1B}[2J": "\u{9B}31m\u{7F}\u{202E}\u{2066}\u{2028}\u{200F}\u{FEFF}ok"]
    #expect(
      value.prettyText()
        == "{\n  \"\\u001b[2J\": \"\\u009b31m\\u007f\\u202e\\u2066\\u2028\\u200f\\ufeffok\"\n}")
    #expect(JSONValue.number(.nan).prettyText() == "null")
  }
}
