import Foundation
import Synchronization

/// Progress on standard error: on a terminal one line that is written over, elsewhere a line every five seconds and at
/// milestones.
final class ProgressLine: Sendable {
  private let isTerminal = isatty(FileHandle.standardError.fileDescriptor) == 1
  private let last = Mutex<(text: String, at: ContinuousClock.Instant)?>(nil)

  /// Shows how far the work is.
  func show(_ text: String, isMilestone: Bool = false) {
    let isNews = last.withLock { last in
      guard last?.text != text else { return false }
      if !isTerminal, !isMilestone, let last, last.at.duration(to: .now) < .seconds(5) { return false }
      last = (text, .now)
      return true
    }
    guard isNews else { return }
    if isTerminal {
      FileHandle.standardError.write(Data("\r\u{1b}[2K\(text)".utf8))
    } else {
      Console.note(text)
    }
  }

  /// Ends the line, where there is one.
  func finish() {
    if isTerminal && last.withLock({ $0 != nil }) { Console.note("") }
  }

  /// Twenty characters for a share from 0 to 1.
  static func bar(_ share: Double) -> String {
    let full = Int(min(1, max(0, share)) * 20)
    return "[" + String(repeating: "█", count: full) + String(repeating: "·", count: 20 - full) + "]"
  }
}
