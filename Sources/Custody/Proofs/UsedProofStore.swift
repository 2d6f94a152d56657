import Postgres

/// Used DPoP proofs in the data database. The only SQL that touches them.
enum UsedProofStore {
  /// Notes a proof as used, atomically: true at its first use, false afterwards.
  static func consume(thumbprint: String, proof: [UInt8], until expiry: Int64, in transaction: Transaction) throws
    -> Bool
  {
    try transaction.execute(
      """
      INSERT INTO custody.used_proofs (thumbprint, proof, expires_at)
      VALUES (\(thumbprint), \(proof), \(expiry)) ON CONFLICT DO NOTHING
      """) == 1
  }

  /// Forgets proofs that could no longer be accepted.
  static func deleteExpired(before seconds: Int64, in transaction: Transaction) throws -> Int {
    try transaction.execute("DELETE FROM custody.used_proofs WHERE expires_at < \(seconds)")
  }
}
