import Foundation

/// Times as people and other programs read them: RFC 3339 in UTC, to the second.
public enum Timestamp {
  /// The text of a time in microseconds since the Unix epoch.
  public static func text(_ microseconds: Int64) -> String {
    Date(timeIntervalSince1970: Double(microseconds / 1_000_000)).formatted(.iso8601)
  }
}
