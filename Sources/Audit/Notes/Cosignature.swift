public import Signing

/// A witness's statement that a checkpoint continues every one it saw before (c2sp.org/tlog-cosignature, version 1).
///
/// It is a line in the checkpoint's note: what is signed are `cosignature/v1`, `time <t>` and the note's body; the
/// line's bytes are the key id, the time and the signature.
public struct Cosignature: Sendable, Hashable {
  /// Who witnessed.
  public let name: String
  /// Which of that name's keys.
  public let keyID: UInt32
  /// When, in whole seconds since 1970-01-01T00:00:00Z.
  public let time: UInt64
  /// The Ed25519 signature, 64 bytes.
  public let signature: [UInt8]

  /// Witnesses the checkpoint with that body.
  ///
  /// The caller has made sure that it continues the last one which this key signed, and has kept it durably: a
  /// witness that forgets may sign a fork.
  ///
  /// - Parameters:
  ///   - body: the checkpoint's three lines.
  ///   - key: the witness's Ed25519 key.
  ///   - name: the witness's name.
  ///   - time: seconds since 1970.
  /// - Throws: `.malformed` when the body is not a checkpoint; `.unsuitableKey`.
  public static func sign(
    _ body: String, by key: SigningKey, name: String, at time: UInt64
  ) throws(AuditError) -> Cosignature {
    _ = try Checkpoint(parsing: body)
    let verifier = try WitnessKey(name: name, key: key.publicKey)
    do {
      let signature = try key.signature(over: message(body, time))
      return Cosignature(name: name, keyID: verifier.keyID, time: time, signature: signature)
    } catch { throw AuditError(.unsuitableKey) }
  }

  /// Takes a note's line for a cosignature; `nil` when it does not have the length of one.
  ///
  /// Only the key decides whether a line is a cosignature or something else: see ``SignedNote/cosignatures(by:)``.
  public init?(_ line: NoteSignature) {
    guard line.value.count == 8 + SignatureAlgorithm.signatureByteCount else { return nil }
    let time = line.value.prefix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    self.init(name: line.name, keyID: line.keyID, time: time, signature: Array(line.value.dropFirst(8)))
  }

  /// The line that carries it in the checkpoint's note.
  public var line: NoteSignature {
    let bytes = (0..<8).map { UInt8(truncatingIfNeeded: time >> (56 - 8 * UInt64($0))) }
    return NoteSignature(name: name, keyID: keyID, value: bytes + signature)
  }

  /// Checks the signature over `body`, the checkpoint's three lines.
  ///
  /// - Throws: `.signature` when the key is another one, or the signature is not its.
  public func verify(_ body: String, by key: WitnessKey) throws(AuditError) {
    guard key.name == name, key.keyID == keyID,
      key.key.isValid(signature: signature, over: Self.message(body, time))
    else { throw AuditError(.signature) }
  }

  private init(name: String, keyID: UInt32, time: UInt64, signature: [UInt8]) {
    self.name = name
    self.keyID = keyID
    self.time = time
    self.signature = signature
  }

  private static func message(_ body: String, _ time: UInt64) -> [UInt8] {
    Array("cosignature/v1\ntime \(time)\n\(body)".utf8)
  }
}

extension SignedNote {
  /// The cosignatures by `keys` below this note, in the order of their lines, all verified.
  ///
  /// Lines of the log itself and of unknown witnesses are ignored; without a known one the result is empty.
  ///
  /// - Throws: `.signature` when a known witness's line does not verify.
  public func cosignatures(by keys: [WitnessKey]) throws(AuditError) -> [Cosignature] {
    var found: [Cosignature] = []
    for line in signatures {
      guard let key = keys.first(where: { $0.name == line.name && $0.keyID == line.keyID }) else { continue }
      guard let cosignature = Cosignature(line) else { throw AuditError(.signature) }
      try cosignature.verify(body, by: key)
      found.append(cosignature)
    }
    return found
  }

  /// The same note with further cosignatures behind its lines; one that it already has is not added again.
  ///
  /// They are not verified here.
  ///
  /// - Throws: `.tooLarge` above the limits of a note.
  public func adding(_ cosignatures: [Cosignature]) throws(AuditError) -> SignedNote {
    try adding(cosignatures.map(\.line))
  }
}
