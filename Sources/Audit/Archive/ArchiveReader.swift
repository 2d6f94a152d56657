public import Signing

/// Reads one tenant's folder of the archive: single entries, hashes, and proofs made from the tiles.
///
/// Nothing read here is verified; a proof is, by whoever it is given to. `ArchiveVerifier` checks a whole
/// folder.
public struct ArchiveReader: Sendable {
  let files: any ArchiveSource

  /// Reads the log in `folder`, which holds `checkpoint` and `tile`.
  public init(folder: String) {
    self.init(source: ArchiveFolder(root: folder))
  }

  /// Reads the log from anywhere else.
  public init(source: any ArchiveSource) {
    files = source
  }

  /// The signed checkpoint as published, or `nil` before the first one. Its signature is not verified.
  public func checkpoint() throws(AuditError) -> SignedNote? {
    guard let bytes = try files.read("checkpoint", maximum: SignedNote.maximumBytes) else { return nil }
    do { return try SignedNote(parsing: bytes) } catch { throw AuditError(error.code, file: "checkpoint") }
  }

  /// The stored bytes of the entry at `sequence`, which a log of `size` entries must have.
  ///
  /// - Throws: `.outOfRange`, `.missing`, `.malformed`.
  public func entry(at sequence: UInt64, size: UInt64) throws(AuditError) -> [UInt8] {
    guard sequence < size else { throw AuditError(.outOfRange, sequence: sequence) }
    let place = Self.place(.entries(index: sequence / 256), count: size)
    let (bundle, _) = try content(place)
    let offset = Int(sequence % 256)
    guard let range = EntryBundle.ranges(in: bundle, width: offset + 1)?.last else {
      throw AuditError(.malformed, file: place.text, sequence: sequence)
    }
    return Array(bundle[range])
  }

  /// The stored bytes of the entry at `sequence` below the published checkpoint.
  public func entry(at sequence: UInt64) throws(AuditError) -> [UInt8] {
    try entry(at: sequence, size: publishedSize())
  }

  /// The leaf hash at `sequence`, from the tiles of a log of `size` entries.
  ///
  /// - Throws: `.outOfRange`, `.missing`.
  public func leafHash(at sequence: UInt64, size: UInt64) throws(AuditError) -> SHA256Digest {
    guard sequence < size else { throw AuditError(.outOfRange, sequence: sequence) }
    var source = TileSource(reader: self, size: size)
    return try source.node(level: 0, position: sequence)
  }

  /// The leaf hash at `sequence` below the published checkpoint.
  public func leafHash(at sequence: UInt64) throws(AuditError) -> SHA256Digest {
    try leafHash(at: sequence, size: publishedSize())
  }

  /// The path from the leaf at `index` to the root of the first `size` entries (RFC 9162 section 2.1.3.1).
  ///
  /// - Throws: `.outOfRange`, `.missing`.
  public func inclusionProof(index: UInt64, size: UInt64) throws(AuditError) -> [SHA256Digest] {
    guard index < size else { throw AuditError(.outOfRange, sequence: index) }
    var source = TileSource(reader: self, size: size)
    return try ProofPath.inclusion(index: index, size: size) { level, position throws(AuditError) in
      try source.node(level: level, position: position)
    }
  }

  /// The proof that the first `old` entries begin the first `new` ones (RFC 9162 section 2.1.4.1).
  ///
  /// - Throws: `.outOfRange`, `.missing`.
  public func consistencyProof(from old: UInt64, to new: UInt64) throws(AuditError) -> [SHA256Digest] {
    guard old <= new else { throw AuditError(.outOfRange) }
    var source = TileSource(reader: self, size: new)
    return try ProofPath.consistency(from: old, to: new) { level, position throws(AuditError) in
      try source.node(level: level, position: position)
    }
  }

  /// The root over the first `size` entries, from the tiles.
  func root(size: UInt64) throws(AuditError) -> SHA256Digest {
    var source = TileSource(reader: self, size: size)
    return try ProofPath.root(0, size) { level, position throws(AuditError) in
      try source.node(level: level, position: position)
    }
  }

  /// How wide the tile at this place is in a log with `count` hashes at its level.
  static func place(_ full: TilePath, count: UInt64) -> TilePath {
    full.index < count / 256 ? full : full.with(width: max(1, Int(count % 256)))
  }

  /// The bytes at `place`; when a partial tile has given way to the full one, that one's.
  func content(_ place: TilePath) throws(AuditError) -> (bytes: [UInt8], found: TilePath) {
    if let bytes = try read(place) { return (bytes, place) }
    let full = place.with(width: TilePath.fullWidth)
    if !place.isFull, let bytes = try read(full) { return (bytes, full) }
    throw AuditError(.missing, file: place.text)
  }

  /// The bytes at `place`, or of a wider file that supersedes it in a log of `size` entries.
  func content(_ place: TilePath, size: UInt64) throws(AuditError) -> [UInt8] {
    if let bytes = try read(place) { return bytes }
    let level: UInt64 =
      switch place.content {
      case .hashes(let level): UInt64(level)
      case .entries: 0
      }
    let full = place.with(width: TilePath.fullWidth)
    let now = Self.place(full, count: size >> (8 * level))
    do throws(AuditError) { return try content(now).bytes } catch {
      throw error.code == .missing ? AuditError(.missing, file: place.text) : error
    }
  }

  private func read(_ place: TilePath) throws(AuditError) -> [UInt8]? {
    let maximum =
      switch place.content {
      case .hashes: place.width * SHA256Digest.byteCount
      case .entries: EntryBundle.maximumBytes(width: place.width)
      }
    return try files.read(place.text, maximum: maximum)
  }

  private func publishedSize() throws(AuditError) -> UInt64 {
    guard let note = try checkpoint() else { throw AuditError(.missing, file: "checkpoint") }
    return try Checkpoint(parsing: note.body).size
  }
}

/// Node hashes of a tree of `size` leaves out of its tiles, each tile read once.
struct TileSource {
  private let reader: ArchiveReader
  private let size: UInt64
  private var tiles: [TilePath: [SHA256Digest]] = [:]

  init(reader: ArchiveReader, size: UInt64) {
    self.reader = reader
    self.size = size
  }

  /// The root of the full subtree over leaves `position << level ..< (position + 1) << level`.
  mutating func node(level: Int, position: UInt64) throws(AuditError) -> SHA256Digest {
    let tileLevel = level / 8
    let height = UInt64(level % 8)
    let first = position << height
    let tile = try hashes(level: tileLevel, index: first / 256)
    let start = Int(first % 256)
    let end = start + 1 << Int(height)
    guard end <= tile.count else { throw AuditError(.outOfRange) }
    return MerkleTree.root(of: tile[start..<end])
  }

  /// The hashes of one tile, as many as a log of this size has there.
  mutating func hashes(level: Int, index: UInt64) throws(AuditError) -> [SHA256Digest] {
    let count = size >> (8 * UInt64(level))
    let place = ArchiveReader.place(.tile(level: level, index: index), count: count)
    if let known = tiles[place] { return known }
    let (bytes, found) = try reader.content(place)
    guard bytes.count == found.width * SHA256Digest.byteCount else {
      throw AuditError(.malformed, file: found.text)
    }
    let hashes = Tile.hashes(bytes, width: place.width)
    tiles[place] = hashes
    return hashes
  }
}

/// A tile's bytes: its hashes, one behind the other.
enum Tile {
  static func hashes(_ bytes: [UInt8], width: Int) -> [SHA256Digest] {
    (0..<width).compactMap { SHA256Digest(Array(bytes[32 * $0..<32 * $0 + 32])) }
  }

  static func bytes(_ hashes: [SHA256Digest]) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(hashes.count * SHA256Digest.byteCount)
    for hash in hashes { bytes.append(contentsOf: hash.bytes) }
    return bytes
  }
}
