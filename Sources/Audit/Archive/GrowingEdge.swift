internal import Signing

/// The unfinished tiles at the right edge of a log, and what grows out of them.
///
/// It starts from the archive's own tiles, after checking them against the last checkpoint, and hands out
/// every tile and bundle that becomes full; `flush` hands out the partial ones that changed.
struct GrowingEdge {
  typealias Sink = (TilePath, [UInt8]) throws(AuditError) -> Void

  /// Places that became full: their partial tiles are superseded.
  private(set) var completed: [TilePath] = []
  private let origin: LogOrigin
  private let start: UInt64
  private var frontier = TreeFrontier()
  private var previous: SHA256Digest
  private var time: Int64 = 0
  /// Whether the last entry is `log.closed`: nothing comes behind it.
  private var isClosed = false
  private var bundle: [UInt8] = []
  /// The hashes of each level's last tile, and whether it has changed.
  private var levels: [(hashes: [SHA256Digest], changed: Bool)] = []

  var size: UInt64 { frontier.size }
  var root: SHA256Digest { frontier.root }

  init(reader: ArchiveReader, origin: LogOrigin, published: Checkpoint?) throws(AuditError) {
    self.origin = origin
    previous = origin.genesis
    start = published?.size ?? 0
    guard let published, published.size > 0 else {
      if let published, published.root != MerkleTree.emptyRoot { throw AuditError(.inconsistent) }
      return
    }
    var source = TileSource(reader: reader, size: published.size)
    var edge: [[SHA256Digest]] = []
    var count = published.size
    while count > 0 {
      edge.append(count % 256 == 0 ? [] : try source.hashes(level: edge.count, index: count / 256))
      count /= 256
    }
    for (level, hashes) in edge.enumerated().reversed() {
      for hash in hashes { frontier.append(subtree: hash, level: 8 * level) }
    }
    guard frontier.size == published.size, frontier.root == published.root else {
      throw AuditError(.inconsistent, file: "checkpoint")
    }
    levels = edge.map { ($0, false) }
    try readLast(reader, published.size, &source)
  }

  /// The partial bundle, and the last entry: what the next one is chained to.
  private mutating func readLast(
    _ reader: ArchiveReader, _ size: UInt64, _ source: inout TileSource
  ) throws(AuditError) {
    let last = size - 1
    previous = try source.node(level: 0, position: last)
    let bytes = try reader.entry(at: last, size: size)
    let entry = try Entry(parsing: bytes)
    guard entry.sequence == last, entry.origin == origin, MerkleTree.leafHash(bytes) == previous else {
      throw AuditError(.inconsistent, sequence: last)
    }
    time = entry.time
    isClosed = ClosingEntry.isOne(bytes)
    guard size % 256 != 0 else { return }
    let place = ArchiveReader.place(.entries(index: size / 256), count: size)
    let (found, _) = try reader.content(place)
    guard let end = EntryBundle.ranges(in: found, width: place.width)?.last?.upperBound else {
      throw AuditError(.malformed, file: place.text)
    }
    bundle = Array(found[..<end])
    let leaves = levels.first?.hashes ?? []
    for (range, leaf) in zip(EntryBundle.ranges(in: bundle, width: place.width) ?? [], leaves)
    where MerkleTree.leafHash(Array(bundle[range])) != leaf {
      throw AuditError(.inconsistent, file: place.text)
    }
  }

  /// Checks an entry against the one before it and adds it.
  mutating func append(_ bytes: [UInt8], _ sink: Sink) throws(AuditError) {
    let entry: Entry
    do { entry = try Entry(parsing: bytes) } catch { throw AuditError(error.code, sequence: size) }
    guard entry.origin == origin, entry.sequence == size, entry.previous == previous, entry.time >= time, !isClosed
    else { throw AuditError(.inconsistent, sequence: size) }
    let leaf = MerkleTree.leafHash(bytes)
    previous = leaf
    time = entry.time
    isClosed = ClosingEntry.isOne(bytes)
    EntryBundle.append(bytes, to: &bundle)
    frontier.append(leaf)
    if size % 256 == 0 {
      let place = TilePath.entries(index: size / 256 - 1)
      try sink(place, bundle)
      completed.append(place)
      bundle = []
    }
    try add(leaf, level: 0, sink)
  }

  /// Hands out the partial tiles and the partial bundle that have changed.
  mutating func flush(_ sink: Sink) throws(AuditError) {
    if size > start, size % 256 != 0 {
      try sink(.entries(index: size / 256, width: Int(size % 256)), bundle)
    }
    for level in levels.indices where levels[level].changed && !levels[level].hashes.isEmpty {
      let index = size >> (8 * UInt64(level + 1))
      let hashes = levels[level].hashes
      try sink(.tile(level: level, index: index, width: hashes.count), Tile.bytes(hashes))
    }
  }

  private mutating func add(_ hash: SHA256Digest, level: Int, _ sink: Sink) throws(AuditError) {
    if level == levels.count { levels.append(([], false)) }
    levels[level].hashes.append(hash)
    levels[level].changed = true
    guard levels[level].hashes.count == TilePath.fullWidth else { return }
    let hashes = levels[level].hashes
    let place = TilePath.tile(level: level, index: size >> (8 * UInt64(level + 1)) - 1)
    try sink(place, Tile.bytes(hashes))
    completed.append(place)
    levels[level].hashes = []
    try add(MerkleTree.root(of: hashes), level: level + 1, sink)
  }
}
