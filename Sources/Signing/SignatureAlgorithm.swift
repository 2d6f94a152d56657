/// The signature algorithms in use, under their JOSE names (RFC 7518 §3.1, RFC 9864).
public enum SignatureAlgorithm: String, Sendable, Hashable, CaseIterable {
  /// ECDSA on P-256 with SHA-256; a signature is r ‖ s, 32 bytes each.
  case es256 = "ES256"
  /// Ed25519 (RFC 8032, pure); a signature is R ‖ S, 32 bytes each.
  case ed25519 = "Ed25519"

  /// The length of a signature in bytes, the same for both.
  public static let signatureByteCount = 64
}
