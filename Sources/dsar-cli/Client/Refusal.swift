import StrictJSON

/// A refusal of the server in words: its problem document (RFC 9457), when it sent one.
struct Refusal: Sendable {
  private let status: Int
  private let document: JSONValue?

  /// Reads an answer that is not a success.
  init(_ answer: Answer) {
    status = answer.status
    let isProblem = answer.header("content-type")?.lowercased().hasPrefix("application/problem+json") ?? false
    // Whatever else a body holds is nothing to print.
    document = isProblem ? try? JSONValue(parsing: answer.body) : nil
  }

  /// The last part of the problem's type, such as `same-officer`.
  var kind: String? {
    document?["type"]?.string.map { $0.split(separator: ":").last.map(String.init) ?? $0 }
  }

  /// `403 same-officer: Title (detail)`.
  var line: String {
    guard let kind, let title = document?["title"]?.string else { return "the server answered \(status)" }
    return "\(status) \(kind): \(title)" + (document?["detail"]?.string.map { " (\($0))" } ?? "")
  }

  /// A line for each member that is wrong: its pointer and the code of what is.
  var details: [String] {
    (document?["errors"]?.array ?? []).compactMap { error in
      guard let pointer = error["pointer"]?.string, let code = error["code"]?.string else { return nil }
      return "\(pointer): \(code)"
    }
  }

  /// The end of a command that met this refusal.
  var failure: Failure { Failure(status == 401 ? .notLoggedIn : .refused, line, details: details) }
}
