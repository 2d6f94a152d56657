/// The two spellings of base64 in use.
public enum Base64Form: Sendable, Hashable, CaseIterable {
  /// RFC 4648 §4: `+` and `/`, padded with `=` to a multiple of four.
  case standard
  /// RFC 4648 §5 as JOSE uses it (RFC 7515 §2): `-` and `_`, no padding.
  case url
}

/// Base64 in which every byte string has exactly one spelling.
///
/// Other decoders accept several texts for the same bytes (non-zero bits after the last byte, spaces, missing
/// padding), so that two "different" tokens are one. Here all but the canonical text is refused.
public enum StrictBase64 {
  /// The canonical text of the bytes.
  public static func encode(_ bytes: [UInt8], _ form: Base64Form) -> String {
    let alphabet = form == .standard ? standardAlphabet : urlAlphabet
    var text: [UInt8] = []
    text.reserveCapacity((bytes.count + 2) / 3 * 4)
    var index = 0
    while index + 3 <= bytes.count {
      let group = UInt32(bytes[index]) << 16 | UInt32(bytes[index + 1]) << 8 | UInt32(bytes[index + 2])
      text.append(alphabet[Int(group >> 18)])
      text.append(alphabet[Int(group >> 12 & 63)])
      text.append(alphabet[Int(group >> 6 & 63)])
      text.append(alphabet[Int(group & 63)])
      index += 3
    }
    switch bytes.count - index {
    case 1:
      text.append(alphabet[Int(bytes[index] >> 2)])
      text.append(alphabet[Int(bytes[index] << 4 & 63)])
      if form == .standard { text += [padding, padding] }
    case 2:
      let group = UInt32(bytes[index]) << 8 | UInt32(bytes[index + 1])
      text.append(alphabet[Int(group >> 10)])
      text.append(alphabet[Int(group >> 4 & 63)])
      text.append(alphabet[Int(group << 2 & 63)])
      if form == .standard { text.append(padding) }
    default: break
    }
    return String(decoding: text, as: UTF8.self)
  }

  /// The bytes of a canonical text, or nil: a character outside the alphabet, missing or surplus padding, bits that
  /// aren't zero after the last byte.
  public static func decode(_ text: some StringProtocol, _ form: Base64Form) -> [UInt8]? {
    decode(utf8: ArraySlice(Array(text.utf8)), form)
  }

  /// As ``decode(_:_:)``, from the bytes of the text.
  public static func decode(utf8 text: ArraySlice<UInt8>, _ form: Base64Form) -> [UInt8]? {
    var digits = text
    if form == .standard {
      guard digits.count.isMultiple(of: 4) else { return nil }
      if digits.last == padding { digits.removeLast() }
      if digits.last == padding { digits.removeLast() }
      // "A===" and "====" leave a '=' behind, which is outside the alphabet.
    }
    let table = form == .standard ? standardValues : urlValues
    let tail = digits.count % 4
    guard tail != 1 else { return nil }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(digits.count / 4 * 3 + 2)
    var index = digits.startIndex
    let lastGroup = digits.endIndex - tail
    while index < lastGroup {
      let a = table[Int(digits[index])]
      let b = table[Int(digits[index + 1])]
      let c = table[Int(digits[index + 2])]
      let d = table[Int(digits[index + 3])]
      // Values are below 64; 0xFF marks a character outside the alphabet.
      guard (a | b | c | d) & 0xC0 == 0 else { return nil }
      bytes.append(a << 2 | b >> 4)
      bytes.append(b << 4 | c >> 2)
      bytes.append(c << 6 | d)
      index += 4
    }
    if tail == 0 { return bytes }
    let a = table[Int(digits[index])]
    let b = table[Int(digits[index + 1])]
    guard (a | b) & 0xC0 == 0 else { return nil }
    bytes.append(a << 2 | b >> 4)
    if tail == 2 { return b & 0x0F == 0 ? bytes : nil }
    let c = table[Int(digits[index + 2])]
    guard c & 0xC3 == 0 else { return nil }
    bytes.append(b << 4 | c >> 2)
    return bytes
  }

  private static let padding = UInt8(ascii: "=")
  private static let letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
  private static let standardAlphabet = Array((letters + "+/").utf8)
  private static let urlAlphabet = Array((letters + "-_").utf8)
  private static let standardValues = values(of: standardAlphabet)
  private static let urlValues = values(of: urlAlphabet)

  private static func values(of alphabet: [UInt8]) -> [UInt8] {
    var table = [UInt8](repeating: 0xFF, count: 256)
    for (value, character) in alphabet.enumerated() { table[Int(character)] = UInt8(value) }
    return table
  }
}
