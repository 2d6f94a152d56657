import ArgumentParser
import Foundation

/// A moment on the command line: a date, which is a whole day in UTC, or a date and time with its offset (RFC 3339).
struct LogMoment: ExpressibleByArgument, Sendable, Equatable {
  /// The first moment that belongs to it, RFC 3339.
  let start: String
  /// The first moment behind it: the next day's for a date, else the same as ``start``.
  let end: String

  /// Takes `2026-11-21`, `2026-11-21T09:42:54Z` or `2026-11-21T09:42:54.5+01:00`; nil for anything else. Whether such a
  /// time exists is the server's to say.
  init?(argument: String) {
    let bytes = Array(argument.utf8)
    func isNumber(_ range: Range<Int>) -> Bool { bytes[range].allSatisfy { (0x30...0x39).contains($0) } }
    guard bytes.count >= 10, isNumber(0..<4), bytes[4] == 0x2D, isNumber(5..<7), bytes[7] == 0x2D, isNumber(8..<10)
    else { return nil }
    if bytes.count == 10 {
      guard let next = Self.dayAfter(argument) else { return nil }
      start = argument + "T00:00:00Z"
      end = next + "T00:00:00Z"
      return
    }
    guard (20...40).contains(bytes.count), bytes[10] == 0x54 || bytes[10] == 0x74,
      bytes[11...].allSatisfy({ "0123456789:.+-Zz".utf8.contains($0) })
    else { return nil }
    start = argument
    end = argument
  }

  /// The next date; nil when `text` is none.
  private static func dayAfter(_ text: String) -> String? {
    let style = Date.ISO8601FormatStyle().year().month().day()
    guard let date = try? style.parse(text), style.format(date) == text else { return nil }
    return style.format(date.addingTimeInterval(86_400))
  }
}
