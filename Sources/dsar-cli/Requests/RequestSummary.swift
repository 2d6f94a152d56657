import StrictJSON

/// A data subject's request as an officer sees it in a terminal: ids, states and times.
struct RequestSummary {
  /// The server's document.
  let json: JSONValue

  /// Takes the server's document; without the officer's note, which is shown on demand only.
  init(_ document: JSONValue, withNote: Bool = false) {
    guard case .object(let members) = document, !withNote else {
      json = document
      return
    }
    json = .object(members.filter { $0.name != "note" })
  }

  /// The headings of ``row``.
  static let headings = ["ID", "TYPE", "STATE", "CERTIFICATE", "PROFILE", "OPENED"]

  /// The request in one line.
  var row: [String] {
    [text("id"), text("type"), text("state"), certificate ?? "-", text("profile_id"), text("opened_at")]
  }

  /// The request in full, what it doesn't have left out.
  var pairs: [(String, String)] {
    var pairs: [(String, String)] = []
    for (name, member) in Self.lines {
      if let text = json[member]?.string { pairs.append((name, text)) }
    }
    if let erasure = json["erasure"], !erasure.isNull {
      for (name, member) in Self.erasureLines {
        if let text = erasure[member].flatMap(Self.text) { pairs.append((name, text)) }
      }
    }
    return pairs
  }

  /// The request's id.
  var id: String { text("id") }
  /// The request's type.
  var type: String { text("type") }
  /// The request's state.
  var state: String { text("state") }
  /// How far the erasure is; nil for a request of another type.
  var erasureStep: String? { json["erasure"]?["step"]?.string }
  /// Whether the erasure's certificate can be downloaded.
  var isCertified: Bool { certificate != nil }
  /// The stage of the newest certificate; nil while there is none.
  private var certificate: String? { json["erasure"]?["certificate"]?.string }

  private func text(_ name: String) -> String { json[name].flatMap(Self.text) ?? "" }

  private static func text(_ value: JSONValue) -> String? {
    value.string ?? value.integer.map(String.init)
  }

  private static let lines = [
    ("request", "id"), ("type", "type"), ("state", "state"), ("profile", "profile_id"), ("subject", "subject_id"),
    ("jurisdiction", "jurisdiction"), ("verified how", "verification_method"), ("opened", "opened_at"),
    ("opened by", "opened_by"), ("verified", "verified_at"), ("verified by", "verified_by"),
    ("approved", "approved_at"), ("approved by", "approved_by"), ("executed", "executed_at"),
    ("executed by", "executed_by"), ("completed", "completed_at"), ("note", "note"),
  ]
  private static let erasureLines = [
    ("erasure", "step"), ("erased at", "erased_at"), ("log entry", "log_sequence"), ("key epoch", "key_epoch"),
    ("certificate", "certificate"), ("key backups dead", "key_backups_dead_by"),
  ]
}
