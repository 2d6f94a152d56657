import FoundationEssentials

/// The wall clock as tokens count it.
public enum UnixClock {
  /// Whole seconds since 1970-01-01T00:00:00Z, without leap seconds (RFC 7519 `NumericDate`).
  public static func now() -> Int64 {
    Int64(Date().timeIntervalSince1970.rounded(.down))
  }
}
