/// The file `vkey`: every key that a log has had, one a line, the oldest first.
public struct VerifierKeys: Sendable, Hashable {
  /// The longest file accepted, in bytes.
  public static let maximumBytes = 65_536

  /// The keys, all of one name, the oldest first.
  public let keys: [NoteKey]

  /// Lists keys in that order.
  public init(_ keys: some Sequence<NoteKey>) { self.keys = Array(keys) }

  /// Reads the file; exactly what `bytes` writes is accepted.
  ///
  /// - Throws: `.malformed` for a line that is no verifier key, a key that comes twice, keys of several names, or no
  ///   line at all; `.tooLarge`.
  public init(parsing bytes: [UInt8]) throws(AuditError) {
    guard bytes.count <= Self.maximumBytes else { throw AuditError(.tooLarge, file: "vkey") }
    guard bytes.last == 0x0a, let text = String(validating: bytes.dropLast(), as: UTF8.self) else {
      throw AuditError(.malformed, file: "vkey")
    }
    var keys: [NoteKey] = []
    for line in text.utf8.split(separator: 0x0a, omittingEmptySubsequences: false) {
      guard let key = String(line).flatMap({ NoteKey($0) }), !keys.contains(key),
        key.name == keys.first?.name ?? key.name
      else { throw AuditError(.malformed, file: "vkey") }
      keys.append(key)
    }
    self.keys = keys
  }

  /// The file's content.
  public var bytes: [UInt8] { keys.flatMap { Array(($0.text + "\n").utf8) } }
}
