import Signing

/// The allow-list of `alg` names; case counts, and nothing else is ever tried.
enum JOSEAlgorithm {
  /// The list as a `DPoP` challenge carries it (RFC 9449 §7.1).
  static let challenge = "ES256 Ed25519 EdDSA"

  /// The algorithm with exactly this name; `EdDSA` (RFC 8037) means Ed25519, the one Edwards curve taken here.
  static func named(_ name: String) -> SignatureAlgorithm? {
    if name.hasSameBytes(as: "ES256") { return .es256 }
    if name.hasSameBytes(as: "Ed25519") || name.hasSameBytes(as: "EdDSA") { return .ed25519 }
    return nil
  }
}
