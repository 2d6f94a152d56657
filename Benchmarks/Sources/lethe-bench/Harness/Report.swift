import Foundation

/// Everything that one run found, for people and for programs.
struct Report: Sendable, Encodable {
  let machine: Machine
  let quick: Bool
  let findings: Findings

  /// A Markdown text: the machine, a table of ratios, a table of figures.
  var text: String {
    var lines = machine.lines
    if quick { lines.append("quick           fewer and shorter rounds: the figures are rough") }
    if !findings.comparisons.isEmpty {
      lines += [
        "", "| measured | ours | baseline | ratio | min–max | fastest | goal | baseline is |",
        "|---|--:|--:|--:|--:|--:|--:|---|",
      ]
      lines += findings.comparisons.map(Self.row)
    }
    if !findings.figures.isEmpty {
      lines += ["", "| measured | median | min–max | of | what it is |", "|---|--:|--:|--:|---|"]
      lines += findings.figures.map(Self.row)
    }
    if !findings.notes.isEmpty { lines += [""] + findings.notes }
    return lines.joined(separator: "\n")
  }

  /// The same with every round's value.
  func json() throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(self), as: UTF8.self)
  }

  private static func row(_ comparison: Comparison) -> String {
    let ratios = comparison.ratios
    return "| \(comparison.name) | \(time(comparison.ourNanoseconds.median))"
      + " | \(time(comparison.baselineNanoseconds.median)) | **\(ratio(ratios.median))×**"
      + " | \(ratio(ratios.min() ?? 0))–\(ratio(ratios.max() ?? 0)) | \(ratio(comparison.ratioOfFastest))"
      + " | \(comparison.goal.map { "≤ \(ratio($0))" } ?? "") | \(comparison.baseline) |"
  }

  private static func row(_ figure: Figure) -> String {
    "| \(figure.name) | \(number(figure.values.median)) \(figure.unit)"
      + " | \(number(figure.values.min() ?? 0))–\(number(figure.values.max() ?? 0)) | \(figure.values.count)"
      + " | \(figure.note) |"
  }

  private static func ratio(_ value: Double) -> String { String(format: value < 10 ? "%.2f" : "%.1f", value) }

  private static func number(_ value: Double) -> String { String(format: value < 100 ? "%.1f" : "%.0f", value) }

  private static func time(_ nanoseconds: Double) -> String {
    switch nanoseconds {
    case ..<1_000: String(format: "%.0f ns", nanoseconds)
    case ..<1_000_000: String(format: "%.2f µs", nanoseconds / 1_000)
    default: String(format: "%.2f ms", nanoseconds / 1_000_000)
    }
  }
}
