/// The two parts of an email address that is already in small letters and NFC.
struct EmailAddress {
  /// Both parts and the "@".
  let text: String

  /// Nil unless the text is an address.
  init?(_ address: String) {
    let scalars = Array(address.unicodeScalars)
    // A domain holds no "@", a quoted string may.
    guard let at = scalars.lastIndex(of: "@"), let local = Self.localPart(scalars[..<at]),
      Self.isDomain(scalars[(at + 1)...])
    else { return nil }
    var text = local
    text.unicodeScalars.append(contentsOf: scalars[at...])
    guard local.utf8.count <= 64, text.utf8.count <= 254 else { return nil }
    self.text = text
  }

  private static func localPart(_ scalars: ArraySlice<Unicode.Scalar>) -> String? {
    guard scalars.first == "\"" else { return isDotAtom(scalars) ? string(scalars) : nil }
    guard let content = unquoted(scalars) else { return nil }
    if isDotAtom(content[...]) { return string(content[...]) }
    var text = "\""
    for scalar in content {
      if scalar == "\"" || scalar == "\\" { text += "\\" }
      text.unicodeScalars.append(scalar)
    }
    return text + "\""
  }

  /// Atoms between single dots.
  private static func isDotAtom(_ scalars: ArraySlice<Unicode.Scalar>) -> Bool {
    scalars.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { atom in
      !atom.isEmpty && atom.allSatisfy { $0.isASCII ? atomCharacters.contains($0) : isPrintable($0) }
    }
  }

  /// What a quoted string stands for.
  private static func unquoted(_ scalars: ArraySlice<Unicode.Scalar>) -> [Unicode.Scalar]? {
    guard scalars.count >= 2, scalars.last == "\"" else { return nil }
    var content: [Unicode.Scalar] = []
    var escaped = false
    for scalar in scalars.dropFirst().dropLast() {
      guard scalar.isASCII ? (" "..."~").contains(scalar) : isPrintable(scalar) else { return nil }
      if escaped {
        content.append(scalar)
        escaped = false
      } else if scalar == "\\" {
        escaped = true
      } else if scalar == "\"" {
        return nil
      } else {
        content.append(scalar)
      }
    }
    return escaped ? nil : content
  }

  /// At least two labels of letters, digits and inner hyphens (RFC 1034, section 3.5), 63 octets each.
  private static func isDomain(_ scalars: ArraySlice<Unicode.Scalar>) -> Bool {
    let labels = scalars.split(separator: ".", omittingEmptySubsequences: false)
    return labels.count >= 2
      && labels.allSatisfy { label in
        guard let first = label.first, let last = label.last, first != "-", last != "-", !isMark(first) else {
          return false
        }
        return string(label).utf8.count <= 63 && label.allSatisfy { $0 == "-" || isLetterOrDigit($0) || isMark($0) }
      }
  }

  private static func string(_ scalars: ArraySlice<Unicode.Scalar>) -> String {
    var text = ""
    text.unicodeScalars.append(contentsOf: scalars)
    return text
  }

  /// RFC 5322's `atext`, without the capitals that no longer occur.
  private static let atomCharacters = Set("abcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-/=?^_`{|}~".unicodeScalars)

  private static func isLetterOrDigit(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .lowercaseLetter, .uppercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter, .decimalNumber: true
    default: false
    }
  }

  private static func isMark(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .nonspacingMark, .spacingMark, .enclosingMark: true
    default: false
    }
  }

  /// A character one can see. No white space, no control, no invisible format (zero width, direction), nothing that
  /// has no meaning yet.
  private static func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .control, .format, .surrogate, .privateUse, .unassigned, .spaceSeparator, .lineSeparator,
      .paragraphSeparator:
      false
    default: true
    }
  }
}
