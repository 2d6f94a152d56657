/// What a request brings along, untouched by any decoding: the input of ``Authenticator``.
public struct RequestCredentials: Sendable, CustomStringConvertible, CustomReflectable {
  /// The value of each `Authorization` field, in order.
  public let authorization: [String]
  /// The value of each `DPoP` field, in order.
  public let proofs: [String]
  /// The method as on the request line.
  public let method: String
  /// Path and query as on the request line, undecoded.
  public let rawTarget: String

  /// Collects them; an HTTP library that joins repeated fields with commas must be asked for them one by one.
  public init(authorization: [String], proofs: [String], method: String, rawTarget: String) {
    self.authorization = authorization
    self.proofs = proofs
    self.method = method
    self.rawTarget = rawTarget
  }

  /// Counts only: tokens, proofs and targets are never printed.
  public var description: String {
    "RequestCredentials(authorization: \(authorization.count), proofs: \(proofs.count))"
  }
  /// Empty, so that `dump` shows no token either.
  public var customMirror: Mirror { Mirror(self, children: []) }
}
