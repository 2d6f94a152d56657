import Foundation
import StrictJSON

/// Where a command's words go: results to one place, progress and what went wrong to another.
struct Console: Sendable {
  private let output: @Sendable ([UInt8]) -> Void
  private let notes: @Sendable ([UInt8]) -> Void

  /// Standard output and standard error.
  static let standard = Console(
    output: { bytes in write(bytes, to: .standardOutput) }, notes: { bytes in write(bytes, to: .standardError) })

  /// Gives results to `output`, everything else to `notes`.
  init(output: @escaping @Sendable ([UInt8]) -> Void, notes: @escaping @Sendable ([UInt8]) -> Void) {
    self.output = output
    self.notes = notes
  }

  /// One line of a result. What could change the look of a terminal is taken out.
  func say(_ line: String = "") { output(Array((PrintableText.of(line) + "\n").utf8)) }

  /// A JSON document as a result.
  func say(json: JSONValue) { output(Array((json.prettyText() + "\n").utf8)) }

  /// Bytes of a result exactly as they are.
  func emit(_ bytes: [UInt8]) { output(bytes) }

  /// One line about the work: progress, a warning, what went wrong.
  func note(_ line: String) { notes(Array((PrintableText.of(line) + "\n").utf8)) }

  /// Text about the work that stays on its line, with the terminal's own control characters.
  func redraw(_ text: String) { notes(Array(text.utf8)) }

  /// Names and values, one pair a line.
  func pairs(_ pairs: [(String, String)]) {
    let width = pairs.map(\.0.count).max() ?? 0
    for (name, value) in pairs { say(Self.padded(name, width) + "  " + value) }
  }

  /// Rows under headings, in columns.
  func table(_ headings: [String], _ rows: [[String]]) {
    let widths = headings.indices.map { column in ([headings] + rows).map { $0[column].count }.max() ?? 0 }
    for row in [headings] + rows {
      let cells = zip(row, widths).map { Self.padded($0, $1) }
      say(cells.joined(separator: "  ").trimmingCharacters(in: .whitespaces))
    }
  }

  private static func padded(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.count))
  }

  private static func write(_ bytes: [UInt8], to handle: FileHandle) {
    do {
      try handle.write(contentsOf: Data(bytes))
    } catch {
      // A result that nobody gets is a failure; there is nowhere left to say so.
      exit(ExitStatus.refused.rawValue)
    }
  }
}
