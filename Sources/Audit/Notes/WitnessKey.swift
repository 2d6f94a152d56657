public import Signing

/// A key that cosignatures are verified with: `name+hex(id)+base64(0x04 ‖ key)` (c2sp.org/tlog-cosignature).
///
/// Its algorithm byte keeps it apart from a log's key: a witness never signs for a log, nor a log as a witness.
public struct WitnessKey: Sendable, Hashable, CustomStringConvertible {
  /// The algorithm byte of Ed25519 cosignatures.
  public static let cosignature: UInt8 = 0x04

  /// Who witnesses.
  public let name: String
  /// The first four bytes of SHA-256(name ‖ 0x0A ‖ 0x04 ‖ public key), big-endian.
  public let keyID: UInt32
  /// The public key.
  public let key: VerifyingKey

  /// Names an Ed25519 key of a witness.
  ///
  /// - Throws: `.unsuitableKey` for another kind of key or a name with spaces or a plus sign.
  public init(name: String, key: VerifyingKey) throws(AuditError) {
    guard NoteName.isValid(name), key.algorithm == .ed25519 else { throw AuditError(.unsuitableKey) }
    self.name = name
    self.key = key
    keyID = KeyText.identifier(name: name, algorithm: Self.cosignature, key: key)
  }

  /// Reads the one-line form, without a newline. The id must be the key's own.
  public init?(_ text: String) {
    guard let (name, key) = KeyText.parse(text, algorithm: Self.cosignature) else { return nil }
    guard let result = try? WitnessKey(name: name, key: key), result.text == text else { return nil }
    self = result
  }

  /// The one-line form that those who rely on the witness keep.
  public var text: String { KeyText.text(name: name, keyID: keyID, algorithm: Self.cosignature, key: key) }

  /// The same as `text`: a verifier key is public.
  public var description: String { text }
}
