/// How text is written between quotation marks.
enum JSONText {
  enum Reader {
    /// The shortest escapes (RFC 8785 §3.2.2.2): only what JSON demands.
    case machines
    /// The same, and escapes for all that a terminal would act on instead of showing.
    case people
  }

  static func append(_ text: String, to output: inout [UInt8], for reader: Reader) {
    output.append(UInt8(ascii: "\""))
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": output += #"\""#.utf8
      case "\\": output += #"\\"#.utf8
      case "\u{08}": output += #"\b"#.utf8
      case "\t": output += #"\t"#.utf8
      case "\n": output += #"\n"#.utf8
      case "\u{0C}": output += #"\f"#.utf8
      case "\r": output += #"\r"#.utf8
      case "\0"..<" ": appendEscape(scalar, to: &output)
      default:
        if reader == .people, actsOnTerminal(scalar) {
          appendEscape(scalar, to: &output)
        } else {
          output += UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter
        }
      }
    }
    output.append(UInt8(ascii: "\""))
  }

  /// All characters concerned lie in the basic plane, so one escape is enough.
  private static func appendEscape(_ scalar: Unicode.Scalar, to output: inout [UInt8]) {
    let digits = String(scalar.value, radix: 16)
    output += #"\u"#.utf8
    output += repeatElement(UInt8(ascii: "0"), count: 4 - digits.utf8.count)
    output += digits.utf8
  }

  private static func actsOnTerminal(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x7F...0x9F, 0x200E, 0x200F, 0x2028...0x202E, 0x2066...0x2069, 0xFEFF: true
    default: false
    }
  }
}
