internal import Foundation

/// How a log is verified, besides what is always checked.
public struct VerifierOptions: Sendable {
  /// How many bundles are read and hashed at once; 1 to 16.
  public var workers: Int
  /// Whether the bundles of entries are also compared with the SHA-256 in the manifests.
  ///
  /// The tree binds the same bytes, so this finds nothing that the rest would miss; it takes one more pass.
  public var digests = false
  /// The longest time allowed between two neighbouring entries, and between the last one and `now`, in seconds;
  /// `nil` allows any.
  public var interval: Int64?
  /// The auditor's clock, in microseconds since 1970-01-01T00:00:00Z. For an old copy: when it was made.
  public var now: Int64

  /// Verifies with `workers` threads, and today's clock.
  public init(workers: Int = 1) {
    self.workers = workers
    now = Int64(Date().timeIntervalSince1970 * 1_000_000)
  }

  /// In microseconds.
  var allowedGap: Int64 {
    guard let interval else { return .max }
    let (product, overflow) = max(0, interval).multipliedReportingOverflow(by: 1_000_000)
    return overflow ? .max : product
  }
}
