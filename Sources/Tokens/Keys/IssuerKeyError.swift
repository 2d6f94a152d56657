/// Why no key of the issuer can be had.
public struct IssuerKeyError: Error, Sendable, Hashable, CustomStringConvertible {
  /// The two ways to be without a key.
  public enum Code: Sendable, Hashable {
    /// The issuer's set is known, and the `kid` is not in it.
    case unknown
    /// No usable set was ever loaded.
    case unavailable
  }

  /// Which of the two.
  public let code: Code
  /// Seconds until the next attempt to load the set, at least 1; `nil` for `unknown`.
  public let retryAfter: Int?

  init(_ code: Code, retryAfter: Int? = nil) {
    self.code = code
    self.retryAfter = retryAfter.map { max(1, $0) }
  }

  /// One sentence without the `kid`.
  public var description: String {
    switch code {
    case .unknown: "The issuer does not publish a key with this kid."
    case .unavailable: "No usable key set of the issuer has been loaded."
    }
  }
}
