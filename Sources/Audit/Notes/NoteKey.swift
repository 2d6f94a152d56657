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
    keyID = KeyText.identifier(name: name, algorithm: Self.ed25519, key: key)
  }

  /// Reads the one-line form, without a newline. The id must be the key's own.
  public init?(_ text: String) {
    guard let (name, key) = KeyText.parse(text, algorithm: Self.ed25519) else { return nil }
    guard let result = try? NoteKey(name: name, key: key), result.text == text else { return nil }
    self = result
  }

  /// The one-line form that auditors keep.
  public var text: String { KeyText.text(name: name, keyID: keyID, algorithm: algorithm, key: key) }

  /// The same as `text`: a verifier key is public.
  public var description: String { text }

  /// base64(0x01 ‖ public key): how an entry `log.key_rotated` names a key, under the log's own name.
  public var code: String { StrictBase64.encode([algorithm] + key.rawBytes, .standard) }

  /// Reads the key that an entry `log.key_rotated` names in its code; `nil` in any other form.
  public init?(code: String, name: String) {
    guard let encoded = StrictBase64.decode(code, .standard), let key = KeyText.key(encoded, Self.ed25519),
      let result = try? NoteKey(name: name, key: key)
    else { return nil }
    self = result
  }
}

/// The one-line form of verifier keys, whatever they sign: `name+hex(id)+base64(algorithm ‖ key)`.
enum KeyText {
  static func text(name: String, keyID: UInt32, algorithm: UInt8, key: VerifyingKey) -> String {
    let digits = String(keyID, radix: 16)
    let id = String(repeating: "0", count: 8 - digits.count) + digits
    return "\(name)+\(id)+\(StrictBase64.encode([algorithm] + key.rawBytes, .standard))"
  }

  /// The name and the key, whose id the caller compares.
  static func parse(_ text: String, algorithm: UInt8) -> (name: String, key: VerifyingKey)? {
    let parts = text.split(separator: "+", maxSplits: 2, omittingEmptySubsequences: false)
    guard parts.count == 3, let encoded = StrictBase64.decode(parts[2], .standard),
      let key = key(encoded, algorithm)
    else { return nil }
    return (String(parts[0]), key)
  }

  static func key(_ encoded: [UInt8], _ algorithm: UInt8) -> VerifyingKey? {
    guard encoded.count == 33, encoded[0] == algorithm else { return nil }
    return try? VerifyingKey(ed25519: Array(encoded.dropFirst()))
  }

  static func identifier(name: String, algorithm: UInt8, key: VerifyingKey) -> UInt32 {
    let digest = SHA256Digest.hash(Array(name.utf8) + [0x0a, algorithm] + key.rawBytes)
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
