internal import Signing

/// One signature line of a note: `— name base64(key id ‖ signature)`.
public struct NoteSignature: Sendable, Hashable {
  /// Who claims to have signed.
  public let name: String
  /// Which of that name's keys, big-endian in the line.
  public let keyID: UInt32
  /// The signature itself; 64 bytes for Ed25519, whatever it is for an unknown signer.
  public let value: [UInt8]

  /// Puts a signature under its signer's name and key.
  public init(name: String, keyID: UInt32, value: [UInt8]) {
    self.name = name
    self.keyID = keyID
    self.value = value
  }

  fileprivate var line: String {
    let id = (0..<4).map { UInt8(truncatingIfNeeded: keyID >> (24 - 8 * UInt32($0))) }
    return "— \(name) \(StrictBase64.encode(id + value, .standard))\n"
  }
}

/// A text with signatures below it (c2sp.org/signed-note): body, an empty line, signature lines.
public struct SignedNote: Sendable, Hashable {
  /// The longest note accepted, in bytes, where nothing else is said.
  public static let maximumBytes = 65_536
  /// The most signature lines accepted; the format asks for at least 16.
  public static let maximumSignatures = 64

  /// What is signed, with its last newline.
  public let body: String
  /// The lines below, in their order; signers that nobody knows among them.
  public let signatures: [NoteSignature]

  /// Puts signatures below `body`.
  ///
  /// - Parameter maximumBytes: the longest note allowed; only manifests may be longer than other notes.
  /// - Throws: `.malformed` when the body does not end with a newline or has control characters, or there
  ///   is no signature; `.tooLarge` above the limits.
  public init(
    body: String, signatures: [NoteSignature], maximumBytes: Int = Self.maximumBytes
  ) throws(AuditError) {
    guard signatures.count <= Self.maximumSignatures else { throw AuditError(.tooLarge) }
    guard body.utf8.last == 0x0a, !signatures.isEmpty, body.utf8.allSatisfy({ $0 >= 0x20 || $0 == 0x0a }),
      signatures.allSatisfy({ NoteName.isValid($0.name) && !$0.value.isEmpty })
    else { throw AuditError(.malformed) }
    self.body = body
    self.signatures = signatures
    guard text.utf8.count <= maximumBytes else { throw AuditError(.tooLarge) }
  }

  /// Signs `body` as `signer`.
  public static func signing(
    _ body: String, by signer: NoteSigner, maximumBytes: Int = Self.maximumBytes
  ) throws(AuditError) -> SignedNote {
    try signing(body, by: [signer], maximumBytes: maximumBytes)
  }

  /// Signs `body` as each of `signers`, a line each, in their order.
  public static func signing(
    _ body: String, by signers: [NoteSigner], maximumBytes: Int = Self.maximumBytes
  ) throws(AuditError) -> SignedNote {
    let message = Array(body.utf8)
    let lines = try signers.map { signer throws(AuditError) in try signer.signature(over: message) }
    return try SignedNote(body: body, signatures: lines, maximumBytes: maximumBytes)
  }

  /// The same note with further signature lines behind its own; a line that it already has is not added again.
  ///
  /// - Throws: `.tooLarge` above the limits.
  public func adding(_ lines: [NoteSignature]) throws(AuditError) -> SignedNote {
    var all = signatures
    for line in lines where !all.contains(line) { all.append(line) }
    return try SignedNote(body: body, signatures: all)
  }

  /// The whole note.
  public var text: String { body + "\n" + signatures.map(\.line).joined() }

  /// Reads a note, splitting at its last empty line.
  ///
  /// - Throws: `.malformed` or `.tooLarge`. Nothing is verified yet: call `verified(by:)` before using
  ///   the body.
  public init(parsing text: String, maximumBytes: Int = Self.maximumBytes) throws(AuditError) {
    guard text.utf8.count <= maximumBytes else { throw AuditError(.tooLarge) }
    let bytes = Array(text.utf8)
    guard bytes.count >= 2, bytes.last == 0x0a,
      let split = bytes.indices.dropFirst().last(where: { bytes[$0] == 0x0a && bytes[$0 - 1] == 0x0a })
    else { throw AuditError(.malformed) }
    let lines = bytes[(split + 1)...].dropLast().split(separator: 0x0a, omittingEmptySubsequences: false)
    guard lines.count <= Self.maximumSignatures else { throw AuditError(.tooLarge) }
    var signatures: [NoteSignature] = []
    for line in lines { signatures.append(try Self.signature(line)) }
    try self.init(
      body: String(decoding: bytes[..<split], as: UTF8.self), signatures: signatures, maximumBytes: maximumBytes)
  }

  /// Reads a note from a file's bytes, which must be UTF-8.
  public init(parsing bytes: [UInt8], maximumBytes: Int = Self.maximumBytes) throws(AuditError) {
    guard bytes.count <= maximumBytes else { throw AuditError(.tooLarge) }
    guard let text = String(validating: bytes, as: UTF8.self) else { throw AuditError(.malformed) }
    try self.init(parsing: text, maximumBytes: maximumBytes)
  }

  /// The first signature by one of `keys`.
  ///
  /// Lines of unknown signers are ignored, even when they borrow a known name or a known id.
  ///
  /// - Throws: `.signature` when no known key signed, or when a known key's line does not verify.
  @discardableResult
  public func verified(by keys: [NoteKey]) throws(AuditError) -> NoteSignature {
    let message = Array(body.utf8)
    var match: NoteSignature?
    for signature in signatures {
      guard let key = keys.first(where: { $0.name == signature.name && $0.keyID == signature.keyID }) else {
        continue
      }
      guard key.key.isValid(signature: signature.value, over: message) else { throw AuditError(.signature) }
      match = match ?? signature
    }
    guard let match else { throw AuditError(.signature) }
    return match
  }

  private static func signature(_ line: ArraySlice<UInt8>) throws(AuditError) -> NoteSignature {
    guard let text = String(validating: line, as: UTF8.self), text.hasPrefix("— ") else {
      throw AuditError(.malformed)
    }
    let parts = text.split(separator: " ", omittingEmptySubsequences: false)
    guard parts.count == 3, let bytes = StrictBase64.decode(parts[2], .standard), bytes.count > 4 else {
      throw AuditError(.malformed)
    }
    let keyID = bytes.prefix(4).reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
    return NoteSignature(name: String(parts[1]), keyID: keyID, value: Array(bytes.dropFirst(4)))
  }
}
