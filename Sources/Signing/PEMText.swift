/// The textual envelope of RFC 7468, in its strict form.
enum PEMText {
  /// Lines of 64 base64 characters between the label's two lines, each ended by a line feed.
  static func encode(_ der: [UInt8], label: String) -> String {
    var text = "-----BEGIN \(label)-----\n"
    var rest = Substring(StrictBase64.encode(der, .standard))
    while !rest.isEmpty {
      text += rest.prefix(64) + "\n"
      rest = rest.dropFirst(64)
    }
    return text + "-----END \(label)-----\n"
  }

  /// The bytes of the one block with this label; nil for another label, text around it, or loose base64.
  /// Carriage returns at line ends and blank lines at both ends are allowed.
  static func decode(_ text: String, label: String) -> [UInt8]? {
    var lines = text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).map { line in
      var bytes = Array(line)
      if bytes.last == UInt8(ascii: "\r") { bytes.removeLast() }
      return bytes
    }
    while lines.last?.isEmpty == true { lines.removeLast() }
    while lines.first?.isEmpty == true { lines.removeFirst() }
    guard lines.count >= 3,
      lines.removeFirst() == Array("-----BEGIN \(label)-----".utf8),
      lines.removeLast() == Array("-----END \(label)-----".utf8)
    else { return nil }
    return StrictBase64.decode(utf8: ArraySlice(lines.joined()), .standard)
  }
}
