public import Signing

/// Remembers used proofs for all replicas, through a restart and a crash.
public protocol ReplayStore: Sendable {
  /// Records a proof in one atomic step, and says whether it was new.
  ///
  /// Of any number of calls with the same thumbprint and proof, concurrent ones included, exactly one returns `true`.
  ///
  /// - Parameters:
  ///   - thumbprint: RFC 7638 thumbprint of the proof's key; together with `proof` the key of the record.
  ///   - proof: SHA-256 of the proof's `jti`.
  ///   - expiry: Unix seconds; the record may be dropped from that second on, and not before.
  func consume(thumbprint: String, proof: SHA256Digest, until expiry: Int64) async throws -> Bool
}
