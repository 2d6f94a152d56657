/// How much of a document is accepted, checked before it is parsed.
public struct JSONLimits: Sendable, Hashable {
  /// No document may be nested deeper than this, whatever its limits say: parsing is recursive.
  public static let greatestDepth = 256

  /// The longest document, in bytes.
  public let maxBytes: Int
  /// How many arrays and objects may be open at once; a bare string has depth 0.
  public let maxDepth: Int
  /// Members of objects and elements of arrays in the whole document; an empty array or object counts as one.
  public let maxMembers: Int

  /// Limits of one's own; the depth is capped at ``greatestDepth``.
  public init(maxBytes: Int = 1 << 20, maxDepth: Int = 32, maxMembers: Int = 10_000) {
    self.maxBytes = maxBytes
    self.maxDepth = min(maxDepth, Self.greatestDepth)
    self.maxMembers = maxMembers
  }

  /// 1 MiB, 32 levels, 10,000 members: a request's body.
  public static let `default` = JSONLimits()
}
