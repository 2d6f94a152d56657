internal import Signing

/// Where the reading of entries begins: at the beginning, or at the last full bundle before a checkpoint that the
/// auditor holds.
///
/// The hashes before come from the tiles. They are not believed: the held root has to come out of them, and the
/// signed root in the end.
struct TreeStart {
  /// How many entries are passed over, a multiple of 256.
  let size: UInt64
  var frontier = TreeFrontier()
  /// The hashes of each level's last tile above level 0.
  var levels: [[SHA256Digest]] = []
  /// The hash of the last entry that is passed over; `nil` at the beginning.
  var previous: SHA256Digest?

  /// The log's beginning.
  init() { size = 0 }

  /// The last full bundle at or before `held`, in a log of `size` entries.
  ///
  /// - Throws: `.missing`, `.malformed` for a tile; `.inconsistent` for one that is not what the tile above it says.
  init(held: UInt64, size: UInt64, reader: ArchiveReader) throws(AuditError) {
    self.size = held / 256 * 256
    guard self.size > 0 else { return }
    var source = TileSource(reader: reader, size: size)
    var count = self.size / 256
    while count > 0 {
      let hashes = count % 256 == 0 ? [] : try source.hashes(level: levels.count + 1, index: count / 256)
      guard hashes.count >= Int(count % 256) else { throw AuditError(.missing) }
      levels.append(Array(hashes.prefix(Int(count % 256))))
      count /= 256
    }
    for (level, hashes) in levels.enumerated().reversed() {
      for hash in hashes { frontier.append(subtree: hash, level: 8 * (level + 1)) }
    }
    let last = self.size / 256 - 1
    let leaves = try source.hashes(level: 0, index: last)
    let above = try source.hashes(level: 1, index: last / 256)
    guard last % 256 < UInt64(above.count), MerkleTree.root(of: leaves) == above[Int(last % 256)] else {
      throw AuditError(.inconsistent, file: TilePath.tile(level: 0, index: last).text)
    }
    previous = leaves.last
  }
}
