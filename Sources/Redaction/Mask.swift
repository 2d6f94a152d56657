/// Shortened forms of personal values for people who know what they are looking for: enough to recognise, too
/// little to learn. The number of dots says nothing about the length.
///
/// A mask is still personal data: in a small group it names the person. It belongs on a screen, never in the audit log.
public enum Mask {
  /// `a•••@e•••.com`: the first characters of both parts and what follows the last dot; `•••` for what is no address.
  public static func email(_ address: String) -> String {
    guard let at = address.lastIndex(of: "@"), at > address.startIndex else { return dots }
    let local = address[..<at]
    let domain = address[address.index(after: at)...]
    guard let dot = domain.lastIndex(of: "."), dot > domain.startIndex, !domain.hasSuffix(".") else {
      return "\(local.prefix(1))\(dots)@\(dots)"
    }
    return "\(local.prefix(1))\(dots)@\(domain.prefix(1))\(dots)\(domain[dot...])"
  }

  /// `+49•••67`: the country code and the last two digits of a number in E.164; `•••` for anything else.
  public static func phone(_ number: String) -> String {
    let digits = number.filter { !" -.()/\u{A0}".contains($0) }.dropFirst()
    guard number.first == "+", (7...15).contains(digits.count), digits.allSatisfy({ $0.isASCII && $0.isNumber }) else {
      return dots
    }
    return "+\(countryCode(digits))\(dots)\(digits.suffix(2))"
  }

  /// `A••• L•••`: the first character of each of the first three words; `•••` for nothing.
  public static func name(_ name: String) -> String {
    let words = name.split(whereSeparator: \.isWhitespace).prefix(3)
    return words.isEmpty ? dots : words.map { "\($0.prefix(1))\(dots)" }.joined(separator: " ")
  }

  private static let dots = "•••"

  /// The country code that the digits begin with (ITU-T E.164 Annex D): one, two or three digits.
  private static func countryCode(_ digits: Substring) -> Substring {
    switch digits.first {
    case "1", "7": digits.prefix(1)
    default: twoDigitCodes.contains(String(digits.prefix(2))) ? digits.prefix(2) : digits.prefix(3)
    }
  }

  private static let twoDigitCodes: Set<String> = [
    "20", "27", "30", "31", "32", "33", "34", "36", "39", "40", "41", "43", "44", "45", "46", "47", "48", "49",
    "51", "52", "53", "54", "55", "56", "57", "58", "60", "61", "62", "63", "64", "65", "66",
    "81", "82", "84", "86", "90", "91", "92", "93", "94", "95", "98",
  ]
}
