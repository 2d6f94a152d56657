internal import Signing

/// Reads a segment's files back and checks every one against the tree, before a manifest lists them.
///
/// What is wrong on the disk is found here, while the database still has the entries.
struct SegmentSealing {
  let reader: ArchiveReader
  let origin: LogOrigin
  /// All keys of the log, with which its exported checkpoints verify.
  let keys: [NoteKey]
  /// The published checkpoint; it covers the segment.
  let head: Checkpoint

  /// The manifest of the entries `first` to `end` - 1.
  ///
  /// - Throws: `.inconsistent`, `.missing`, `.malformed` or `.signature`, with the file at fault, and where it can be
  ///   told the entry.
  func manifest(
    number: UInt64, previous: SHA256Digest, first: UInt64, end: UInt64, time: Int64
  ) throws(AuditError) -> Manifest {
    var source = TileSource(reader: reader, size: head.size)
    var walk = try Walk(first: first, last: end, sizes: exported(first: first, end: end), origin: origin, &source)
    if first == 0, walk.isExported { try walk.add(checkpoint(walk)) }
    var files: [ManifestFile] = []
    for place in Manifest.places(first: first, end: end) {
      let bytes = try reader.content(place, size: head.size)
      let length: Int
      switch place.content {
      case .entries:
        length = try bundle(place, bytes, &walk, &source)
      case .hashes(let level):
        length = place.width * SHA256Digest.byteCount
        try tile(place, level, bytes.prefix(length), &source)
      }
      files.append(
        ManifestFile(place: place, length: length, hash: SHA256Digest.hash(Array(bytes.prefix(length)))))
    }
    try bind(walk, end, &source)
    return Manifest(
      origin: origin, number: number, previous: previous, first: first, end: end, time: time,
      checkpointCount: Int(walk.checkpoints.size), checkpointRoot: walk.checkpoints.root, files: files)
  }

  /// The exported checkpoints with `first` < size ≤ `end`, ascending; with that of size 0 where `first` is 0.
  func exported(first: UInt64, end: UInt64) throws(AuditError) -> [UInt64] {
    var sizes: [UInt64] = []
    try reader.files.list("checkpoints") { name, kind in
      guard kind == .regular, name.utf8.count == 20, let size = Decimal.padded(name) else { return }
      if size <= end, size > first || first == 0 { sizes.append(size) }
    }
    return sizes.sorted()
  }
}

extension SegmentSealing {
  /// Checks a bundle's entries against the leaf hashes, and those of the segment against the one before. Returns the
  /// length of its entries.
  private func bundle(
    _ place: TilePath, _ bytes: [UInt8], _ walk: inout Walk, _ source: inout TileSource
  ) throws(AuditError) -> Int {
    guard let ranges = EntryBundle.ranges(in: bytes, width: place.width), let end = ranges.last?.upperBound else {
      throw AuditError(.malformed, file: place.text)
    }
    let leaves = try source.hashes(level: 0, index: place.index)
    for (offset, range) in ranges.enumerated() {
      let sequence = place.index * 256 + UInt64(offset)
      let entry = Array(bytes[range])
      let leaf = MerkleTree.leafHash(entry)
      guard offset < leaves.count, leaf == leaves[offset] else {
        throw AuditError(.inconsistent, file: place.text, sequence: sequence)
      }
      guard sequence == walk.frontier.size else { continue }
      try walk.append(entry, leaf, place)
      if walk.isExported { try walk.add(checkpoint(walk)) }
    }
    return end
  }

  /// Checks a tile against the one that the tree is read from, and each of its hashes against the tile below.
  private func tile(
    _ place: TilePath, _ level: Int, _ bytes: ArraySlice<UInt8>, _ source: inout TileSource
  ) throws(AuditError) {
    let hashes = try source.hashes(level: level, index: place.index).prefix(place.width)
    guard bytes.count == place.width * SHA256Digest.byteCount, Tile.bytes(Array(hashes)).elementsEqual(bytes) else {
      throw AuditError(.inconsistent, file: place.text)
    }
    guard level > 0 else { return }
    for (offset, hash) in hashes.enumerated() {
      let below = try source.hashes(level: level - 1, index: place.index * 256 + UInt64(offset))
      guard below.count == TilePath.fullWidth, MerkleTree.root(of: below) == hash else {
        throw AuditError(.inconsistent, file: place.text)
      }
    }
  }

  /// The bytes of the exported checkpoint at the walk's place, which must be of this tree and by one of our keys.
  private func checkpoint(_ walk: borrowing Walk) throws(AuditError) -> [UInt8] {
    let name = ArchiveWriter.checkpointName(walk.frontier.size)
    guard let bytes = try reader.files.read(name, maximum: SignedNote.maximumBytes) else {
      throw AuditError(.missing, file: name)
    }
    do throws(AuditError) {
      let note = try SignedNote(parsing: bytes)
      try note.verified(by: keys)
      let expected = Checkpoint(origin: origin.text, size: walk.frontier.size, root: walk.frontier.root)
      guard try Checkpoint(parsing: note.body) == expected else { throw AuditError(.inconsistent) }
    } catch { throw AuditError(error.code, file: name, systemError: error.systemError) }
    return bytes
  }

  /// The entries that were walked hash to the same root as the tiles, and the tiles to the signed one.
  private func bind(_ walk: borrowing Walk, _ end: UInt64, _ source: inout TileSource) throws(AuditError) {
    for (size, expected) in [(end, walk.frontier.root), (head.size, head.root)] {
      let root = try ProofPath.root(0, size) { level, position throws(AuditError) in
        try source.node(level: level, position: position)
      }
      guard walk.frontier.size == end, root == expected else { throw AuditError(.inconsistent, file: "checkpoint") }
    }
  }
}

/// The way along a segment's entries, with the tree and the checkpoints that grow on it.
private struct Walk {
  private(set) var frontier: TreeFrontier
  private(set) var checkpoints = TreeFrontier()
  private let origin: LogOrigin
  private let last: UInt64
  private var previous: SHA256Digest
  private var sizes: ArraySlice<UInt64>

  init(
    first: UInt64, last: UInt64, sizes: [UInt64], origin: LogOrigin, _ source: inout TileSource
  ) throws(AuditError) {
    self.origin = origin
    self.last = last
    self.sizes = sizes[...]
    previous = first == 0 ? origin.genesis : try source.node(level: 0, position: first - 1)
    frontier = TreeFrontier()
    for level in (0..<64).reversed() where first >> UInt64(level) & 1 == 1 {
      let node = try source.node(level: level, position: frontier.size >> UInt64(level))
      frontier.append(subtree: node, level: level)
    }
  }

  /// Whether there is an exported checkpoint of this size that has not been added yet.
  var isExported: Bool { sizes.first == frontier.size }

  mutating func append(_ bytes: [UInt8], _ leaf: SHA256Digest, _ place: TilePath) throws(AuditError) {
    let sequence = frontier.size
    let entry: Entry
    do { entry = try Entry(parsing: bytes) } catch {
      throw AuditError(error.code, file: place.text, sequence: sequence)
    }
    guard entry.origin == origin, entry.sequence == sequence, entry.previous == previous, sequence < last else {
      throw AuditError(.inconsistent, file: place.text, sequence: sequence)
    }
    previous = leaf
    frontier.append(leaf)
  }

  mutating func add(_ checkpoint: [UInt8]) {
    checkpoints.append(MerkleTree.leafHash(checkpoint))
    sizes.removeFirst()
  }
}
