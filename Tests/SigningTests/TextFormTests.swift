import Foundation
import Signing
import Testing

@Suite("Base64 and hexadecimal")
struct TextFormTests {
  // RFC 4648 §10.
  static let vectors = [
    ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
    ("foobar", "Zm9vYmFy"),
  ]

  @Test("the RFC 4648 vectors come out both ways, padded and not", arguments: vectors)
  func published(plain: String, encoded: String) {
    let bytes = Array(plain.utf8)
    let bare = encoded.replacingOccurrences(of: "=", with: "")
    #expect(StrictBase64.encode(bytes, .standard) == encoded)
    #expect(StrictBase64.encode(bytes, .url) == bare)
    #expect(StrictBase64.decode(encoded, .standard) == bytes)
    #expect(StrictBase64.decode(bare, .url) == bytes)
  }

  @Test("every length agrees with Foundation and comes back", arguments: Base64Form.allCases)
  func agreement(form: Base64Form) {
    for count in 0..<100 {
      let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 151 &+ count) }
      let text = StrictBase64.encode(bytes, form)
      var expected = Data(bytes).base64EncodedString()
      if form == .url {
        expected = expected.replacingOccurrences(of: "+", with: "-").replacingOccurrences(of: "/", with: "_")
          .replacingOccurrences(of: "=", with: "")
      }
      #expect(text == expected)
      #expect(StrictBase64.decode(text, form) == bytes)
    }
  }

  @Test("the two alphabets are not mixed")
  func alphabets() {
    #expect(StrictBase64.encode([0xFB, 0xEF, 0xFF], .standard) == "++//")
    #expect(StrictBase64.encode([0xFB, 0xEF, 0xFF], .url) == "--__")
    #expect(StrictBase64.decode("++//", .url) == nil)
    #expect(StrictBase64.decode("--__", .standard) == nil)
  }

  @Test(
    "a text that isn't the canonical one is refused",
    arguments: [
      "Zg", "Zg=", "Zg===", "Zh==", "Zm9=", "Zm8", "=", "==", "===", "====", "Z===", "Zg==Zg==", "Zm 8=", "Zm8=\n",
      "\nZm8=", "Zm8é", "Z", "Zm9v=", "Zm=8",
    ])
  func standardRefused(text: String) {
    #expect(StrictBase64.decode(text, .standard) == nil)
  }

  @Test(
    "unpadded text with padding, one digit too many or bits left over is refused",
    arguments: [
      "Zg==", "Zh", "Zm9", "Z", "Zm9vY", "Zm8=", "Zm9v\n", "Zm9v Zm9v", "Zm9v.", "Zm+v", "é",
    ])
  func urlRefused(text: String) {
    #expect(StrictBase64.decode(text, .url) == nil)
  }

  @Test("exactly one of all texts of two digits is each byte's")
  func oneSpelling() {
    let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)
    var decoded: [UInt8] = []
    for first in alphabet {
      for second in alphabet {
        if let bytes = StrictBase64.decode(utf8: [first, second], .url) { decoded += bytes }
      }
    }
    #expect(decoded.sorted() == Array(0...255))
  }

  @Test("a slice is decoded from its own start")
  func slice() {
    let text = Array("head.Zm9v.tail".utf8)
    #expect(StrictBase64.decode(utf8: text[5..<9], .url) == Array("foo".utf8))
  }

  @Test("hexadecimal comes back, in lower case only")
  func hexadecimal() {
    #expect(Hex.encode([0x00, 0x9A, 0xFF]) == "009aff")
    #expect(Hex.decode("009aff") == [0x00, 0x9A, 0xFF])
    #expect(Hex.decode("") == [])
  }

  @Test("other hexadecimal is refused", arguments: ["0", "0A", "0g", "0x", " 0", "00 ", "é", "/:", "`g"])
  func hexadecimalRefused(text: String) {
    #expect(Hex.decode(text) == nil)
  }
}
