import Foundation

/// One spelling for every value that is looked up, so that equal values have equal tags. The rules are written down in
/// docs/envelope.md, "Normalisation"; changing one orphans every tag made before.
public enum Normalisation {
  /// An email address in its one spelling, or nil when it is none.
  ///
  /// Accepts the `addr-spec` of RFC 5322, section 3.4.1, with a dot-atom or a quoted string before the "@" and a domain
  /// of at least two labels after it, letters beyond ASCII included (RFC 6532); no comments, no domain literals, at
  /// most 64 octets before the "@" and 254 in all (RFC 5321). Surrounding white space goes, letters become small, the
  /// result is in NFC, and quotes that are not needed are taken off. Dots and "+…" before the "@" stay, and a domain
  /// stays in the form it is given in, `xn--…` or not.
  public static func email(_ text: String) -> String? {
    EmailAddress(composed(composed(text.trimmingWhitespace()).lowercased()))?.text
  }

  /// A telephone number in E.164, or nil when it is none: "+", then 8 to 15 digits of which the first is not 0.
  ///
  /// Spaces, dots, dashes and parentheses between the digits are dropped. A number without its country ("0…" or "00…")
  /// is refused, and so is the "(0)" that some write behind the country code: nothing is guessed.
  public static func phone(_ text: String) -> String? {
    var digits = ""
    var lastThree: [Unicode.Scalar] = []
    let scalars = text.trimmingWhitespace().unicodeScalars
    guard scalars.first == "+" else { return nil }
    for scalar in scalars.dropFirst() {
      if ("0"..."9").contains(scalar) {
        digits.unicodeScalars.append(scalar)
      } else if !separators.contains(scalar) {
        return nil
      }
      if scalar.properties.isWhitespace { continue }
      lastThree = lastThree.suffix(2) + [scalar]
      if lastThree == ["(", "0", ")"] { return nil }
    }
    guard (8...15).contains(digits.utf8.count), digits.first != "0" else { return nil }
    return "+" + digits
  }

  /// Spaces (also those that do not break), dots, hyphens and dashes, parentheses.
  private static let separators: Set<Unicode.Scalar> = [
    " ", "\u{A0}", "\u{2007}", "\u{2009}", "\u{202F}", ".", "-", "\u{2010}", "\u{2011}", "\u{2012}", "\u{2013}",
    "\u{2014}", "\u{2212}", "(", ")",
  ]

  /// NFC (Unicode Standard Annex 15).
  private static func composed(_ text: String) -> String { text.precomposedStringWithCanonicalMapping }
}

extension String {
  /// Without the white space at both ends.
  fileprivate func trimmingWhitespace() -> String {
    let scalars = unicodeScalars
    guard let first = scalars.firstIndex(where: { !$0.properties.isWhitespace }),
      let last = scalars.lastIndex(where: { !$0.properties.isWhitespace })
    else { return "" }
    return String(scalars[first...last])
  }
}
