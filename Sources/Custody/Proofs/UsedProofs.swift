public import Postgres

/// The proofs that have been used, shared by all replicas and kept over a crash.
public struct UsedProofs: Sendable {
  private let pool: PostgresPool

  /// Notes proofs in the data database, under the application's role.
  public init(pool: PostgresPool) { self.pool = pool }

  /// Uses up a proof. False when it was used before.
  ///
  /// - Parameters:
  ///   - thumbprint: the proof key's RFC 7638 thumbprint.
  ///   - proof: SHA-256 of the proof's `jti`, 32 bytes.
  ///   - expiry: the last second, since the Unix epoch, at which the proof could be accepted.
  public func consume(thumbprint: String, proof: [UInt8], until expiry: Int64) async throws -> Bool {
    try await pool.transaction { transaction in
      try UsedProofStore.consume(thumbprint: thumbprint, proof: proof, until: expiry, in: transaction)
    }
  }
}
