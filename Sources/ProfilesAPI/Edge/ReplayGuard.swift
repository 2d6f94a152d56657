import Custody
import Signing
import Tokens

/// The used proofs in the database, as the authenticator asks for them.
struct ReplayGuard: ReplayStore {
  let proofs: UsedProofs

  func consume(thumbprint: String, proof: SHA256Digest, until expiry: Int64) async throws -> Bool {
    try await proofs.consume(thumbprint: thumbprint, proof: proof.bytes, until: expiry)
  }
}
