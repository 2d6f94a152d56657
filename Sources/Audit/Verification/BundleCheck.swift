internal import Signing

/// What one bundle of entries and its level-0 tile amount to.
struct BundleResult: Sendable {
  let index: UInt64
  var findings: [Finding] = []
  /// The leaf hashes that the tree is built from; empty when neither entries nor tile could be read.
  var leaves: [SHA256Digest] = []
  /// The root over `leaves` of a full bundle.
  var root: SHA256Digest?
  /// What the tile holds for the last entry, when that differs from the entry's own hash.
  var lastStored: SHA256Digest?
  /// What the first entry names as the hash before it, and whether the tile disagrees with that entry.
  var firstPrevious: SHA256Digest?
  var firstDoubtful = false
  var firstTime: Int64?
  var lastTime: Int64?
  /// How many entries were read and hashed.
  var entries: UInt64 = 0
  /// How many were deleted at the end of their time.
  var expired: UInt64 = 0
  /// Where the last whole entry ends in the bundle.
  var end = 0
  var pace: EntryPace
  /// What the entries say that the verification has to know, in their order.
  private(set) var noted: [NotedEntry] = []

  init(index: UInt64, allowedGap: Int64) {
    self.index = index
    pace = EntryPace(allowed: allowedGap)
  }

  mutating func note(_ entry: NotedEntry) {
    noted.append(entry)
    if case .heartbeat(let seconds?) = entry.content { pace.promise(seconds: seconds) }
  }
}

/// Reads a bundle and its tile, hashes the entries, and checks each against the one before it.
struct BundleCheck: Sendable {
  let reader: ArchiveReader
  let origin: String
  let size: UInt64
  let superseded: Set<String>
  /// Entries before this number may be missing.
  let firstKept: UInt64
  /// In microseconds.
  let allowedGap: Int64

  func check(_ index: UInt64) -> BundleResult {
    var result = BundleResult(index: index, allowedGap: allowedGap)
    let place = ArchiveReader.place(.entries(index: index), count: size)
    let tilePlace = ArchiveReader.place(.tile(level: 0, index: index), count: size)
    let tile = readTile(tilePlace, &result)
    do {
      var (bytes, found) = try reader.content(place)
      let sound = SoundBundle(origin: origin, allowedGap: allowedGap)
      if let tile, sound.read(&bytes, tile: tile, width: place.width, &result) {
        // Everything is as it must be.
      } else {
        let hashes = tile.map { Tile.hashes($0, width: place.width) }
        let scan = BundleScan(bytes: bytes, place: place, tile: hashes, tilePath: tilePlace.text, origin: origin)
        scan.run(&result)
      }
      if found == place, result.end < bytes.count, result.entries == UInt64(place.width) {
        result.findings.append(Finding(.parsing, file: place.text, "bytes after its last entry"))
      }
      compareSuperseded(place, with: bytes, &result)
    } catch {
      result.leaves = tile.map { Tile.hashes($0, width: place.width) } ?? []
      if error.code == .missing, index * 256 + UInt64(place.width) <= firstKept {
        result.expired = UInt64(place.width)
      } else {
        result.findings.append(Finding(error, file: place.text))
      }
    }
    if let tile { compareSuperseded(tilePlace, with: tile, &result) }
    if result.leaves.count == TilePath.fullWidth { result.root = MerkleTree.root(of: result.leaves) }
    return result
  }

  /// The tile's bytes, at least as many as the log has hashes there.
  private func readTile(_ place: TilePath, _ result: inout BundleResult) -> [UInt8]? {
    do throws(AuditError) {
      let (bytes, found) = try reader.content(place)
      guard bytes.count == found.width * SHA256Digest.byteCount else {
        throw AuditError(.malformed, file: found.text)
      }
      return bytes
    } catch {
      result.findings.append(Finding(error, file: place.text))
      return nil
    }
  }

  /// Narrower partial files at the same place must be the beginning of this one.
  private func compareSuperseded(_ place: TilePath, with bytes: [UInt8], _ result: inout BundleResult) {
    guard superseded.contains(place.partials) else { return }
    result.findings += Superseded.findings(reader, place, bytes)
  }
}

/// The comparison of partial tiles and bundles with the wider ones that superseded them.
enum Superseded {
  static func findings(_ reader: ArchiveReader, _ place: TilePath, _ bytes: [UInt8]) -> [Finding] {
    var findings: [Finding] = []
    do {
      var widths: Set<Int> = []
      try reader.files.list(place.partials) { name, _ in
        if let width = Decimal.unsigned(name), width > 0, width < UInt64(place.width) { widths.insert(Int(width)) }
      }
      for width in widths.sorted() {
        let narrow = place.with(width: width)
        let expected: Int? =
          switch place.content {
          case .hashes: width * SHA256Digest.byteCount
          case .entries: EntryBundle.ranges(in: bytes, width: width)?.last?.upperBound
          }
        let found = try reader.files.read(narrow.text, maximum: EntryBundle.maximumBytes(width: width))
        guard let found, let expected, expected <= bytes.count else { continue }
        if found.count != expected || !bytes.starts(with: found) {
          findings.append(Finding(.tile, file: narrow.text, "not the beginning of the wider one"))
        }
      }
    } catch { findings.append(Finding(error, file: place.partials)) }
    return findings
  }
}
