/// Comma-separated values (RFC 4180) that a spreadsheet can't take for formulas: a cell that begins with `= + - @`,
/// TAB or CR, also after leading space, gets a leading apostrophe, which an import strips again.
enum CSVText {
  static func table(header: [String], rows: [[String]]) -> String {
    ([header] + rows).map { $0.map(cell).joined(separator: ",") + "\r\n" }.joined()
  }

  static func cell(_ value: String) -> String {
    let first = value.unicodeScalars.first { $0 != " " }
    let harmless = first.map { "=+-@\t\r".unicodeScalars.contains($0) } == true ? "'" + value : value
    guard harmless.unicodeScalars.contains(where: { ",\"\r\n".unicodeScalars.contains($0) }) else { return harmless }
    return "\"" + harmless.replacing("\"", with: "\"\"") + "\""
  }
}
