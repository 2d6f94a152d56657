import StrictJSON

/// An entry of the log in a listing: as the server describes it, with nothing verified.
struct EntrySummary {
  private let json: JSONValue

  /// Takes an item of the server's list.
  init(_ item: JSONValue) { json = item }

  /// The headings of ``row(withValues:)``.
  static func headings(withValues: Bool) -> [String] {
    ["TIME", "SEQ", "ACTION", "ACTOR", "SUBJECT", "PURPOSE", "OUTCOME"] + (withValues ? ["VALUES"] : [])
  }

  /// The entry in one line.
  func row(withValues: Bool) -> [String] {
    let subjects = json["subject_count"]?.integer.map { "(\($0) subjects)" }
    let row = [
      text("time"), text("seq"), json["unreadable"]?.bool == true ? "(unreadable)" : text("action"), text("actor"),
      json["subject"]?.string ?? subjects ?? "", text("purpose"), text("outcome"),
    ]
    return (row + (withValues ? [values] : [])).map { $0.isEmpty ? "-" : $0 }
  }

  /// The names of the columns of ``csv(withValues:)``.
  static func columns(withValues: Bool) -> [String] {
    [
      "time", "seq", "action", "actor", "subject", "purpose", "outcome", "request_id", "fields", "codes", "policy",
      "subject_count", "leaf_hash",
    ] + (withValues ? ["values"] : [])
  }

  /// The entry as a line of CSV.
  func csv(withValues: Bool) -> String {
    let fields = (json["fields"]?.array ?? []).compactMap(\.string).joined(separator: " ")
    let policy = json["policy"].flatMap { policy in
      policy["id"]?.string.flatMap { id in policy["version"]?.string.map { "\(id) \($0)" } }
    }
    let cells =
      ["time", "seq", "action", "actor", "subject", "purpose", "outcome", "request_id"].map(text) + [
        fields, Self.pairs(json["codes"]), policy ?? "", text("subject_count"), text("leaf_hash"),
      ] + (withValues ? [values] : [])
    return Self.line(cells)
  }

  /// Cells in a line of CSV (RFC 4180), without its end.
  ///
  /// What a spreadsheet would take for a formula gets an apostrophe in front.
  static func line(_ cells: [String]) -> String {
    cells.map { cell in
      var text = cell
      if let first = text.utf8.first, "=+-@\t\r".utf8.contains(first) { text = "'" + text }
      guard text.contains(where: { "\",\r\n".contains($0) }) else { return text }
      return "\"" + text.replacing("\"", with: "\"\"") + "\""
    }.joined(separator: ",")
  }

  /// The masked live values of the one subject, or that they are erased.
  private var values: String { json["erased"]?.bool == true ? "(erased)" : Self.pairs(json["values"]) }

  private static func pairs(_ object: JSONValue?) -> String {
    (object?.members ?? []).compactMap { member in member.value.string.map { "\(member.name)=\($0)" } }
      .joined(separator: " ")
  }

  private func text(_ name: String) -> String {
    json[name].flatMap { $0.string ?? $0.integer.map(String.init) } ?? ""
  }
}
