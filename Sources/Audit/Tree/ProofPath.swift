internal import Signing

/// Which hashes make up a proof, whatever they are read from: leaves in memory or tiles on disk.
///
/// `node(level, position)` answers the root of the full subtree over leaves
/// `position << level ..< (position + 1) << level`.
enum ProofPath {
  static func inclusion<Failure: Error>(
    index: UInt64, size: UInt64, node: (Int, UInt64) throws(Failure) -> SHA256Digest
  ) throws(Failure) -> [SHA256Digest] {
    var low: UInt64 = 0
    var high = size
    var path: [SHA256Digest] = []
    while high - low > 1 {
      let middle = low + split(high - low)
      if index < middle {
        path.append(try root(middle, high, node: node))
        high = middle
      } else {
        path.append(try root(low, middle, node: node))
        low = middle
      }
    }
    return path.reversed()
  }

  static func consistency<Failure: Error>(
    from old: UInt64, to new: UInt64, node: (Int, UInt64) throws(Failure) -> SHA256Digest
  ) throws(Failure) -> [SHA256Digest] {
    guard old > 0, old < new else { return [] }
    var low: UInt64 = 0
    var high = new
    var path: [SHA256Digest] = []
    while high != old {
      let middle = low + split(high - low)
      if old <= middle {
        path.append(try root(middle, high, node: node))
        high = middle
      } else {
        path.append(try root(low, middle, node: node))
        low = middle
      }
    }
    if low > 0 { path.append(try root(low, high, node: node)) }
    return path.reversed()
  }

  /// The root over leaves `start..<end`, folded from the full subtrees that it consists of.
  static func root<Failure: Error>(
    _ start: UInt64, _ end: UInt64, node: (Int, UInt64) throws(Failure) -> SHA256Digest
  ) throws(Failure) -> SHA256Digest {
    var pieces: [SHA256Digest] = []
    var position = start
    while position < end {
      let room = 63 - (end - position).leadingZeroBitCount
      let level = min(room, position.trailingZeroBitCount)
      pieces.append(try node(level, position >> UInt64(level)))
      position += 1 << UInt64(level)
    }
    guard var result = pieces.popLast() else { return MerkleTree.emptyRoot }
    while let left = pieces.popLast() { result = MerkleTree.nodeHash(left, result) }
    return result
  }

  /// The largest power of two below `count`, which is at least 2.
  private static func split(_ count: UInt64) -> UInt64 {
    1 << UInt64(63 - (count - 1).leadingZeroBitCount)
  }
}
