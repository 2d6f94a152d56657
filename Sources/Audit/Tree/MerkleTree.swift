public import Signing

/// The Merkle tree of RFC 6962 and RFC 9162 over SHA-256: hashes, roots, and the two proofs.
public enum MerkleTree {
  /// The root of the tree without leaves: SHA-256 of nothing.
  public static let emptyRoot = SHA256Digest.hash([UInt8]())

  /// SHA-256(0x00 ‖ entry).
  public static func leafHash(_ entry: [UInt8]) -> SHA256Digest {
    SHA256Digest.hash(prefix: 0x00, entry)
  }

  /// SHA-256(0x01 ‖ left ‖ right).
  public static func nodeHash(_ left: SHA256Digest, _ right: SHA256Digest) -> SHA256Digest {
    SHA256Digest.hash(prefix: 0x01, left, right)
  }

  /// The root over `leaves`, which are already leaf hashes.
  public static func root(of leaves: [SHA256Digest]) -> SHA256Digest {
    root(of: leaves[...])
  }

  static func root(of leaves: ArraySlice<SHA256Digest>) -> SHA256Digest {
    // Pairing each level and promoting an odd last node builds the same tree as splitting at the largest
    // power of two (RFC 9162 section 2.1.1), without recursion.
    guard !leaves.isEmpty else { return emptyRoot }
    var level = Array(leaves)
    while level.count > 1 {
      let pairs = level.count / 2
      for pair in 0..<pairs { level[pair] = nodeHash(level[2 * pair], level[2 * pair + 1]) }
      if level.count % 2 == 1 { level[pairs] = level[level.count - 1] }
      level.removeLast(level.count - pairs - level.count % 2)
    }
    return level[0]
  }

  /// The path that proves leaf `index` to be in the tree over `leaves`, from its sibling upwards
  /// (RFC 9162 section 2.1.3.1); `nil` when there is no such leaf.
  public static func inclusionProof(index: UInt64, of leaves: [SHA256Digest]) -> [SHA256Digest]? {
    guard index < UInt64(leaves.count) else { return nil }
    return ProofPath.inclusion(index: index, size: UInt64(leaves.count)) { level, position in
      subtree(level, position, leaves)
    }
  }

  /// The path that proves the tree over the first `size` leaves to be a prefix of the tree over all
  /// (RFC 9162 section 2.1.4.1); empty for sizes 0 and all, `nil` when `size` exceeds the tree.
  public static func consistencyProof(from size: UInt64, to leaves: [SHA256Digest]) -> [SHA256Digest]? {
    guard size <= UInt64(leaves.count) else { return nil }
    return ProofPath.consistency(from: size, to: UInt64(leaves.count)) { level, position in
      subtree(level, position, leaves)
    }
  }

  private static func subtree(_ level: Int, _ position: UInt64, _ leaves: [SHA256Digest]) -> SHA256Digest {
    let start = Int(position) << level
    return root(of: leaves[start..<start + 1 << level])
  }

  /// Whether `proof` leads from `leaf` at `index` to `root` in a tree of `size` leaves
  /// (RFC 9162 section 2.1.3.2). A path of the wrong length is a failure.
  public static func verifyInclusion(
    leaf: SHA256Digest, index: UInt64, size: UInt64, proof: [SHA256Digest], root: SHA256Digest
  ) -> Bool {
    guard index < size else { return false }
    var position = index
    var last = size - 1
    var hash = leaf
    for sibling in proof {
      guard last != 0 else { return false }
      if position & 1 == 1 || position == last {
        hash = nodeHash(sibling, hash)
        while position & 1 == 0 && position != 0 {
          position >>= 1
          last >>= 1
        }
      } else {
        hash = nodeHash(hash, sibling)
      }
      position >>= 1
      last >>= 1
    }
    return last == 0 && hash == root
  }

  /// Whether `proof` shows that the tree of `newSize` leaves begins with the tree of `oldSize` leaves
  /// (RFC 9162 section 2.1.4.2). Every tree begins with the empty one, whose proof is empty.
  public static func verifyConsistency(
    from oldSize: UInt64, to newSize: UInt64, oldRoot: SHA256Digest, newRoot: SHA256Digest,
    proof: [SHA256Digest]
  ) -> Bool {
    guard oldSize <= newSize else { return false }
    if oldSize == newSize {
      return proof.isEmpty && oldRoot == newRoot && (oldSize > 0 || oldRoot == emptyRoot)
    }
    if oldSize == 0 { return proof.isEmpty && oldRoot == emptyRoot }
    let path = oldSize.nonzeroBitCount == 1 ? [oldRoot] + proof : proof
    guard let seed = path.first else { return false }
    var position = oldSize - 1
    var last = newSize - 1
    while position & 1 == 1 {
      position >>= 1
      last >>= 1
    }
    var old = seed
    var new = seed
    for sibling in path.dropFirst() {
      guard last != 0 else { return false }
      if position & 1 == 1 || position == last {
        old = nodeHash(sibling, old)
        new = nodeHash(sibling, new)
        while position & 1 == 0 && position != 0 {
          position >>= 1
          last >>= 1
        }
      } else {
        new = nodeHash(new, sibling)
      }
      position >>= 1
      last >>= 1
    }
    return last == 0 && old == oldRoot && new == newRoot
  }
}
