public import Signing

/// The right edge of a growing tree: enough to append leaves and to know the root, in logarithmic space.
public struct TreeFrontier: Sendable, Hashable {
  /// How many leaves the tree has.
  public private(set) var size: UInt64 = 0
  /// The roots of the full subtrees that the tree consists of, largest first.
  private var edge: [SHA256Digest] = []

  /// The tree without leaves.
  public init() {}

  /// Appends one leaf hash.
  public mutating func append(_ leaf: SHA256Digest) { append(subtree: leaf, level: 0) }

  /// Appends a full subtree of 2^`level` leaves; `size` must be a multiple of that.
  mutating func append(subtree: SHA256Digest, level: Int) {
    precondition(size & (1 << UInt64(level) - 1) == 0, "a subtree begins at a multiple of its size")
    var hash = subtree
    var height = UInt64(level)
    while (size >> height) & 1 == 1, let left = edge.popLast() {
      hash = MerkleTree.nodeHash(left, hash)
      height += 1
    }
    edge.append(hash)
    size += 1 << UInt64(level)
  }

  /// The root over all leaves so far.
  public var root: SHA256Digest {
    guard var result = edge.last else { return MerkleTree.emptyRoot }
    for left in edge.dropLast().reversed() { result = MerkleTree.nodeHash(left, result) }
    return result
  }
}
