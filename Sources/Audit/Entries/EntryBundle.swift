/// The entries of one bundle in the form of c2sp.org/tlog-tiles: each behind its length, 16 bits big-endian.
enum EntryBundle {
  /// The longest file that a bundle of `width` entries can be.
  static func maximumBytes(width: Int) -> Int { width * (2 + Entry.maximumBytes) }

  static func append(_ entry: [UInt8], to bundle: inout [UInt8]) {
    bundle.append(UInt8(truncatingIfNeeded: entry.count >> 8))
    bundle.append(UInt8(truncatingIfNeeded: entry.count))
    bundle.append(contentsOf: entry)
  }

  /// Where the first `width` entries lie; `nil` when the bytes end before.
  static func ranges(in bundle: [UInt8], width: Int) -> [Range<Int>]? {
    var ranges: [Range<Int>] = []
    ranges.reserveCapacity(width)
    var position = 0
    while ranges.count < width {
      guard position + 2 <= bundle.count else { return nil }
      let length = Int(bundle[position]) << 8 | Int(bundle[position + 1])
      guard position + 2 + length <= bundle.count else { return nil }
      ranges.append(position + 2..<position + 2 + length)
      position += 2 + length
    }
    return ranges
  }
}
