import Glibc

/// How far long work is, on standard error: a bar that redraws itself on a terminal, two lines elsewhere.
struct ProgressBar: Sendable {
  private let console: Console
  private let title: String
  private let isTerminal: Bool

  /// A bar that isn't drawn yet.
  init(_ title: String, console: Console = .standard, isTerminal: Bool = isatty(STDERR_FILENO) == 1) {
    self.console = console
    self.title = title
    self.isTerminal = isTerminal
  }

  /// Shows `done` of `total`.
  func show(_ done: UInt64, of total: UInt64) {
    if isTerminal {
      console.redraw("\r" + Self.text(title, done, total) + "\u{1B}[K" + (done >= total ? "\n" : ""))
    } else if done == 0 || done >= total {
      console.note(Self.text(title, done, total))
    }
  }

  /// `title [#####-----] 5/10`.
  static func text(_ title: String, _ done: UInt64, _ total: UInt64) -> String {
    let width = 24
    let filled = total == 0 ? width : Int(Double(min(done, total)) / Double(total) * Double(width))
    let bar = String(repeating: "#", count: filled) + String(repeating: "-", count: width - filled)
    return "\(title) [\(bar)] \(done)/\(total)"
  }
}
