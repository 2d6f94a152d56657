internal import Signing

/// The careful pass over a bundle's entries, line by line: it says what is wrong, and where.
///
/// Where entry and tile disagree, the next entry's `previous` tells which of them was changed.
struct BundleScan {
  private let bytes: [UInt8]
  private let place: TilePath
  private let tile: [SHA256Digest]?
  private let tilePath: String
  private let origin: String

  init(bytes: [UInt8], place: TilePath, tile: [SHA256Digest]?, tilePath: String, origin: String) {
    self.bytes = bytes
    self.place = place
    self.tile = tile
    self.tilePath = tilePath
    self.origin = origin
  }

  func run(_ result: inout BundleResult) {
    result.leaves.reserveCapacity(place.width)
    let first = place.index * 256
    // The hash that the tile holds for the entry before, when that entry's own hash is another.
    var doubt: SHA256Digest?
    for offset in 0..<place.width {
      let sequence = first + UInt64(offset)
      guard let range = nextRange(after: result.end) else {
        result.findings.append(
          Finding(.parsing, file: place.text, sequence: sequence, "the bundle ends inside an entry"))
        if let stored = doubt { settle(offset, stored, nil, &result) }
        if let tile { result.leaves += tile[offset...] } else { result.leaves = [] }
        return
      }
      result.end = range.upperBound
      let entry = Array(bytes[range])
      let leaf = MerkleTree.leafHash(entry)
      let stored = tile.map { $0[offset] }
      let doubtful = stored.map { $0 != leaf } ?? false
      let facts = examine(entry, sequence)
      if offset == 0 {
        result.firstPrevious = facts.previous
        result.firstDoubtful = doubtful
        result.firstTime = facts.time
      } else {
        if let stored = doubt { settle(offset, stored, facts.previous, &result) }
        if !doubtful, let claimed = facts.previous, claimed != result.leaves.last {
          report(.chain, sequence, "does not name the hash of the entry before it", &result)
        }
        if !doubtful, let time = facts.time, let before = result.lastTime {
          if time < before { report(.time, sequence, "earlier than the entry before it", &result) }
          result.pace.add(gap: max(0, time - before), at: sequence)
        }
      }
      if !doubtful, let fault = facts.fault { report(fault.0, sequence, fault.1, &result) }
      doubt = doubtful ? stored : nil
      if let time = facts.time, !doubtful || result.lastTime == nil { result.lastTime = time }
      if let noted = facts.noted { result.note(noted) }
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

  private func nextRange(after end: Int) -> Range<Int>? {
    guard end + 2 <= bytes.count else { return nil }
    let length = Int(bytes[end]) << 8 | Int(bytes[end + 1])
    guard end + 2 + length <= bytes.count else { return nil }
    return end + 2..<end + 2 + length
  }

  private struct Facts {
    var previous: SHA256Digest?
    var time: Int64?
    var fault: (Finding.Check, String)?
    var noted: NotedEntry?
  }

  private func examine(_ bytes: [UInt8], _ sequence: UInt64) -> Facts {
    guard let entry = try? Entry(parsing: bytes) else { return Facts(fault: (.parsing, "not an entry")) }
    var facts = Facts(previous: entry.previous, time: entry.time)
    if entry.origin.text != origin {
      facts.fault = (.origin, "belongs to another log")
    } else if entry.sequence != sequence {
      facts.fault = (.sequence, "its number is not its place")
    }
    facts.noted = NotedEntry(body: entry.body, sequence: sequence, origin: origin)
    return facts
  }
}
