#if canImport(Glibc)
  internal import Glibc
#else
  internal import Darwin
#endif
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
  var entries: UInt64 = 0
  var erasures: [ErasureEntry] = []
}

/// An `erasure.*` entry, as far as the ledger is concerned.
struct ErasureEntry: Sendable {
  let sequence: UInt64
  let completed: Bool
  let subject: UUIDBytes?
  let commitment: String?
}

/// Reads a bundle and its tile, hashes the entries, and checks each against the one before it.
///
/// Where entry and tile disagree, the next entry's `previous` tells which of them was changed.
struct BundleCheck: Sendable {
  let reader: ArchiveReader
  let origin: String
  let size: UInt64
  let superseded: Set<String>

  func check(_ index: UInt64) -> BundleResult {
    var result = BundleResult(index: index)
    let place = ArchiveReader.place(.entries(index: index), count: size)
    let tilePlace = ArchiveReader.place(.tile(level: 0, index: index), count: size)
    let tile = readTile(tilePlace, &result)
    do {
      let (bytes, found) = try reader.content(place)
      var scan = BundleScan(bytes: bytes, place: place, tile: tile, tilePath: tilePlace.text, origin: origin)
      scan.run(&result)
      if found == place, scan.end < bytes.count, result.entries == UInt64(place.width) {
        result.findings.append(Finding(.parsing, file: place.text, "bytes after its last entry"))
      }
      compareSuperseded(place, with: bytes, end: scan.end, &result)
    } catch {
      result.findings.append(Finding(error, file: place.text))
      result.leaves = tile ?? []
    }
    if let tile { compareSuperseded(tilePlace, with: Tile.bytes(tile), end: nil, &result) }
    if result.leaves.count == TilePath.fullWidth { result.root = MerkleTree.root(of: result.leaves) }
    return result
  }

  private func readTile(_ place: TilePath, _ result: inout BundleResult) -> [SHA256Digest]? {
    do throws(AuditError) {
      let (bytes, found) = try reader.content(place)
      guard bytes.count == found.width * SHA256Digest.byteCount else {
        throw AuditError(.malformed, file: found.text)
      }
      return Tile.hashes(bytes, width: place.width)
    } catch {
      result.findings.append(Finding(error, file: place.text))
      return nil
    }
  }

  /// Narrower partial files at the same place must be the beginning of this one.
  private func compareSuperseded(
    _ place: TilePath, with bytes: [UInt8], end: Int?, _ result: inout BundleResult
  ) {
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

/// One pass over a bundle's entries.
private struct BundleScan {
  private var bytes: [UInt8]
  private let place: TilePath
  private let tile: [SHA256Digest]?
  private let tilePath: String
  private let origin: String
  private let opening: [UInt8]
  private var header: [UInt8] = []
  /// Where the last whole entry ends.
  private(set) var end = 0

  init(bytes: [UInt8], place: TilePath, tile: [SHA256Digest]?, tilePath: String, origin: String) {
    self.bytes = bytes
    self.place = place
    self.tile = tile
    self.tilePath = tilePath
    self.origin = origin
    opening = Array("audit/v1\n\(origin)\n".utf8)
    header.reserveCapacity(opening.count + 80)
  }

  mutating func run(_ result: inout BundleResult) {
    result.leaves.reserveCapacity(place.width)
    let first = place.index * 256
    // The hash that the tile holds for the entry before, when that entry's own hash is another.
    var doubt: SHA256Digest?
    for offset in 0..<place.width {
      let sequence = first + UInt64(offset)
      guard let range = nextRange() else {
        result.findings.append(
          Finding(.parsing, file: place.text, sequence: sequence, "the bundle ends inside an entry"))
        if let stored = doubt { settle(offset, stored, nil, &result) }
        if let tile { result.leaves += tile[offset...] } else { result.leaves = [] }
        return
      }
      let leaf = leafHash(range)
      let stored = tile.map { $0[offset] }
      let doubtful = stored.map { $0 != leaf } ?? false
      let facts = examine(range, sequence, after: offset == 0 ? nil : result.leaves.last)
      if offset == 0 {
        result.firstPrevious = facts.previous
        result.firstDoubtful = doubtful
        result.firstTime = facts.time
      } else {
        if let stored = doubt { settle(offset, stored, facts.previous, &result) }
        if !doubtful, let claimed = facts.previous, claimed != result.leaves.last {
          report(.chain, sequence, "does not name the hash of the entry before it", &result)
        }
        if !doubtful, let time = facts.time, let before = result.lastTime, time < before {
          report(.time, sequence, "earlier than the entry before it", &result)
        }
      }
      if !doubtful, let fault = facts.fault { report(fault.0, sequence, fault.1, &result) }
      doubt = doubtful ? stored : nil
      if let time = facts.time, !doubtful || result.lastTime == nil { result.lastTime = time }
      if let erasure = facts.erasure { result.erasures.append(erasure) }
      result.leaves.append(leaf)
      result.entries += 1
    }
    result.lastStored = doubt
  }

  /// Decides whether the entry before `offset` or its hash in the tile was changed.
  private func settle(
    _ offset: Int, _ stored: SHA256Digest, _ claimed: SHA256Digest?, _ result: inout BundleResult
  ) {
    let before = place.index * 256 + UInt64(offset) - 1
    if claimed == result.leaves[offset - 1] {
      result.findings.append(
        Finding(.tile, file: tilePath, sequence: before, "its hash is not that of the entry"))
    } else {
      if claimed == stored { result.leaves[offset - 1] = stored }
      report(.leaf, before, "its hash is not the one in the tile", &result)
    }
  }

  private func report(_ check: Finding.Check, _ sequence: UInt64, _ text: String, _ result: inout BundleResult) {
    result.findings.append(Finding(check, file: place.text, sequence: sequence, text))
  }

  private mutating func nextRange() -> Range<Int>? {
    guard end + 2 <= bytes.count else { return nil }
    let length = Int(bytes[end]) << 8 | Int(bytes[end + 1])
    guard end + 2 + length <= bytes.count else { return nil }
    defer { end += 2 + length }
    return end + 2..<end + 2 + length
  }

  private struct Facts {
    var previous: SHA256Digest?
    var time: Int64?
    var fault: (Finding.Check, String)?
    var erasure: ErasureEntry?
  }

  /// Checks an entry's lines: against the ones expected after `previous` in one comparison, or one by one.
  private mutating func examine(_ range: Range<Int>, _ sequence: UInt64, after previous: SHA256Digest?) -> Facts {
    if let previous, let body = matchExpected(range, sequence, previous) {
      return Facts(previous: previous, time: body.time, erasure: erasure(range, body.start, sequence))
    }
    guard let entry = try? Entry(parsing: Array(bytes[range])) else {
      return Facts(fault: (.parsing, "not an entry"))
    }
    var facts = Facts(previous: entry.previous, time: entry.time)
    if entry.origin.text != origin {
      facts.fault = (.origin, "belongs to another log")
    } else if entry.sequence != sequence {
      facts.fault = (.sequence, "its number is not its place")
    }
    facts.erasure = erasure(range, range.upperBound - 1 - entry.body.count, sequence)
    return facts
  }

  private mutating func matchExpected(
    _ range: Range<Int>, _ sequence: UInt64, _ previous: SHA256Digest
  ) -> (time: Int64, start: Int)? {
    header.removeAll(keepingCapacity: true)
    header += opening
    header += String(sequence).utf8
    header.append(0x0a)
    appendBase64(previous.bytes)
    header.append(0x0a)
    guard range.count > header.count, bytes[range.upperBound - 1] == 0x0a else { return nil }
    // Both arrays outlive the call, and the entry is longer than the header.
    let equal = unsafe bytes.withUnsafeBytes { entry in
      unsafe header.withUnsafeBytes { expected in
        guard let a = entry.baseAddress, let b = expected.baseAddress else { return false }
        return unsafe memcmp(a + range.lowerBound, b, expected.count) == 0
      }
    }
    guard equal, let line = newline(range.lowerBound + header.count, range.upperBound),
      let time = Decimal.unsigned(bytes[range.lowerBound + header.count..<line]).flatMap(Int64.init(exactly:)),
      newline(line + 1, range.upperBound) == range.upperBound - 1, line + 2 < range.upperBound
    else { return nil }
    return (time, line + 1)
  }

  /// The 44 characters of a hash, without making a string of them for every entry.
  private mutating func appendBase64(_ hash: [UInt8]) {
    let alphabet = Self.alphabet
    for start in stride(from: 0, to: 30, by: 3) {
      let group = Int(hash[start]) << 16 | Int(hash[start + 1]) << 8 | Int(hash[start + 2])
      header.append(alphabet[group >> 18])
      header.append(alphabet[group >> 12 & 63])
      header.append(alphabet[group >> 6 & 63])
      header.append(alphabet[group & 63])
    }
    let group = Int(hash[30]) << 10 | Int(hash[31]) << 2
    header.append(alphabet[group >> 12])
    header.append(alphabet[group >> 6 & 63])
    header.append(alphabet[group & 63])
    header.append(UInt8(ascii: "="))
  }

  private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

  private func newline(_ start: Int, _ end: Int) -> Int? {
    guard start < end else { return nil }
    // The bounds lie in the array, which outlives the call.
    return unsafe bytes.withUnsafeBytes { buffer in
      guard let base = buffer.baseAddress, let found = unsafe memchr(base + start, 0x0a, end - start) else {
        return nil
      }
      return unsafe UnsafeRawPointer(found) - base
    }
  }

  /// Canonical JSON sorts `action` first, so a body tells in its first bytes whether it is an erasure.
  private func erasure(_ range: Range<Int>, _ start: Int, _ sequence: UInt64) -> ErasureEntry? {
    let body = bytes[start..<range.upperBound - 1]
    guard body.starts(with: #"{"action":"erasure."#.utf8), let record = try? AuditRecord(body: Array(body)) else {
      return nil
    }
    return ErasureEntry(
      sequence: sequence, completed: record.action == .erasureCompleted,
      subject: record.subject.map(UUIDBytes.init), commitment: record.codes["key_commitment"])
  }

  /// SHA-256(0x00 ‖ entry) without copying the entry: the low byte of its length stands before it and
  /// lends its place to the prefix.
  private mutating func leafHash(_ range: Range<Int>) -> SHA256Digest {
    let before = range.lowerBound - 1
    let kept = bytes[before]
    bytes[before] = 0x00
    defer { bytes[before] = kept }
    // The range lies in the array, which outlives the call.
    return unsafe bytes.withUnsafeBytes { buffer in
      unsafe SHA256Digest.hash(UnsafeRawBufferPointer(rebasing: buffer[before..<range.upperBound]))
    }
  }
}
