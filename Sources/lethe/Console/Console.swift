import ArgumentParser
import Foundation
import StrictJSON

/// Standard output and standard error, for people and for programs.
enum Console {
  /// One line on standard output.
  static func say(_ line: String = "") { FileHandle.standardOutput.write(Data((line + "\n").utf8)) }

  /// One line on standard error: progress, and what went wrong.
  static func note(_ line: String) { FileHandle.standardError.write(Data((line + "\n").utf8)) }

  /// A JSON document on standard output.
  static func say(json: JSONValue) { say(json.prettyText()) }

  /// Ends with one clear line and exit status 1.
  static func refuse(_ line: String) -> any Error {
    note("lethe: \(line)")
    return ExitCode.failure
  }

  /// Rows under headings, in columns.
  static func table(_ headings: [String], _ rows: [[String]]) {
    let widths = headings.indices.map { column in
      ([headings] + rows).map { $0[column].count }.max() ?? 0
    }
    for row in [headings] + rows {
      let cells = zip(row, widths).map { cell, width in cell + String(repeating: " ", count: width - cell.count) }
      say(cells.joined(separator: "  ").trimmingCharacters(in: .whitespaces))
    }
  }
}

/// Runs a command's body and turns every error into one line.
func reporting(_ body: () async throws -> Void) async throws {
  do {
    try await body()
  } catch let code as ExitCode {
    throw code
  } catch {
    throw Console.refuse("\(error)")
  }
}
