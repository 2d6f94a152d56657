public import Signing
import StrictJSON

/// The SHA-256 thumbprint of a public key (RFC 7638; for Ed25519, RFC 8037 appendix A.3).
public enum Thumbprint {
  /// The thumbprint as `cnf.jkt` carries it: 43 characters of unpadded base64url.
  public static func of(_ key: VerifyingKey) -> String {
    of(members: JWK(key).requiredMembers)
  }

  /// Hashes required members, which must be strings of plain ASCII and already sorted by name (RFC 7638 §3).
  static func of(members: [JSONMember]) -> String {
    // Written directly: every member is base64url or one of our own constants, so that nothing needs an escape.
    let pairs = members.map { "\"\($0.name)\":\"\($0.value.text ?? "")\"" }
    let digest = SHA256Digest.hash(Array("{\(pairs.joined(separator: ","))}".utf8))
    return StrictBase64.encode(digest.bytes, .url)
  }

  /// Whether a text has a thumbprint's form: 43 characters, canonical base64url of 32 bytes.
  static func isWellFormed(_ text: String) -> Bool {
    text.utf8.count == 43 && StrictBase64.decode(text, .url)?.count == SHA256Digest.byteCount
  }
}
