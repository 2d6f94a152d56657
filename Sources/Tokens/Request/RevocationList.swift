public import FoundationEssentials

/// Knows tokens that were withdrawn before they expire.
public protocol RevocationList: Sendable {
  /// Whether the token with this `jti` was revoked in this tenant.
  ///
  /// A list that cannot answer throws: a writing request is then refused with 503, a reading one goes on.
  func isRevoked(tokenID: String, tenant: UUID) async throws -> Bool
}
