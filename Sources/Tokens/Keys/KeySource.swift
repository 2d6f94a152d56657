/// Where an issuer's key set comes from.
public protocol KeySource: Sendable {
  /// Reads the JWKS document, at most 64 KiB (``JWKSet/maxBytes``).
  ///
  /// An implementation over the network follows no redirect, stops at the size limit and gives up after a timeout of
  /// its own: ``IssuerKeys`` waits for it as long as it takes.
  func jwks() async throws -> [UInt8]
}
