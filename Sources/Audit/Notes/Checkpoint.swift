public import Signing

/// A tree head: how many entries a log has and what they hash to (c2sp.org/tlog-checkpoint).
///
/// Its text is the body of a signed note: origin, size in decimal, root in base64, one line each.
public struct Checkpoint: Sendable, Hashable {
  /// The name of the log.
  public let origin: String
  /// How many entries the tree covers.
  public let size: UInt64
  /// The root over them.
  public let root: SHA256Digest

  /// Describes the head of the log named `origin`.
  public init(origin: String, size: UInt64, root: SHA256Digest) {
    self.origin = origin
    self.size = size
    self.root = root
  }

  /// The three lines, each ended by a newline.
  public var text: String { "\(origin)\n\(size)\n\(root.base64)\n" }

  /// Reads the three lines. Extension lines are refused, since no monitor could check them.
  public init(parsing text: String) throws(AuditError) {
    let lines = text.utf8.split(separator: 0x0a, maxSplits: 4, omittingEmptySubsequences: false)
    guard lines.count == 4, lines[3].isEmpty,
      let origin = String(lines[0]), NoteName.isValid(origin),
      let size = Decimal.unsigned(lines[1]),
      let encoded = String(lines[2]), let bytes = StrictBase64.decode(encoded, .standard),
      let root = SHA256Digest(bytes)
    else { throw AuditError(.malformed) }
    self.init(origin: origin, size: size, root: root)
  }
}
