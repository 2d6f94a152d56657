public import Signing

/// A key that signed notes are verified with (c2sp.org/signed-note): `name+hex(id)+base64(0x01 ‖ key)`.
public struct NoteKey: Sendable, Hashable, CustomStringConvertible {
  /// The algorithm byte of Ed25519 note signatures.
  public static let ed25519: UInt8 = 0x01

  /// Who signs. A log signs under its origin.
  public let name: String
  /// The first four bytes of SHA-256(name ‖ 0x0A ‖ algorithm ‖ public key), big-endian.
  public let keyID: UInt32
  /// What kind of signature the key makes; always `ed25519`.
  public let algorithm: UInt8
  /// The public key.
  public let key: VerifyingKey

  /// Names an Ed25519 key.
  ///
  /// - Throws: `.unsuitableKey` for another kind of key or a name with spaces or a plus sign.
  public init(name: String, key: VerifyingKey) throws(AuditError) {
    guard NoteName.isValid(name), key.algorithm == .ed25519 else { throw AuditError(.unsuitableKey) }
    self.name = name
    self.key = key
    algorithm = Self.ed25519
    keyID = Self.identifier(name: name, key: key)
  }

  /// Reads the one-line form, without a newline. The id must be the key's own.
  public init?(_ text: String) {
    let parts = text.split(separator: "+", maxSplits: 2, omittingEmptySubsequences: false)
    guard parts.count == 3, let encoded = StrictBase64.decode(parts[2], .standard), encoded.count == 33,
      encoded[0] == Self.ed25519, let key = try? VerifyingKey(ed25519: Array(encoded.dropFirst()))
    else { return nil }
    guard let result = try? NoteKey(name: String(parts[0]), key: key), result.text == text else { return nil }
    self = result
  }

  /// The one-line form that auditors keep.
  public var text: String {
    "\(name)+\(Self.hex(keyID))+\(StrictBase64.encode([algorithm] + key.rawBytes, .standard))"
  }

  /// The same as `text`: a verifier key is public.
  public var description: String { text }

  static func hex(_ keyID: UInt32) -> String {
    let digits = String(keyID, radix: 16)
    return String(repeating: "0", count: 8 - digits.count) + digits
  }

  private static func identifier(name: String, key: VerifyingKey) -> UInt32 {
    let digest = SHA256Digest.hash(Array(name.utf8) + [0x0a, ed25519] + key.rawBytes)
    return digest.bytes.prefix(4).reduce(0) { $0 << 8 | UInt32($1) }
  }
}

/// The private side of a `NoteKey`: signs notes under a name.
public struct NoteSigner: Sendable {
  /// The name that the signature line carries; a log's origin.
  public let name: String
  private let key: SigningKey

  /// Signs as `name` with an Ed25519 key. An unsuitable name or key is refused when it is first used.
  public init(name: String, key: SigningKey) {
    self.name = name
    self.key = key
  }

  /// What auditors verify with.
  ///
  /// - Throws: `.unsuitableKey` when the key is not Ed25519 or the name is not a note name.
  public func verifierKey() throws(AuditError) -> NoteKey {
    try NoteKey(name: name, key: key.publicKey)
  }

  /// The Ed25519 signature over `message`.
  ///
  /// - Throws: `.unsuitableKey`.
  public func signature(over message: [UInt8]) throws(AuditError) -> NoteSignature {
    let verifier = try verifierKey()
    do {
      return NoteSignature(name: name, keyID: verifier.keyID, value: try key.signature(over: message))
    } catch {
      throw AuditError(.unsuitableKey)
    }
  }
}
