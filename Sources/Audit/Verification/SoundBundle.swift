#if canImport(Glibc)
  internal import Glibc
#else
  internal import Darwin
#endif
internal import Signing

/// The quick pass over a bundle: one comparison, one hash and no allocation an entry.
///
/// It only recognises a bundle in which everything is as it must be, hash for hash as in its tile. Whatever else it
/// meets it gives up, and `BundleScan` finds out what is wrong.
struct SoundBundle {
  private let origin: String
  /// What each entry begins with.
  private let opening: [UInt8]
  private let allowedGap: Int64

  init(origin: String, allowedGap: Int64) {
    self.origin = origin
    self.allowedGap = allowedGap
    opening = Array("audit/v1\n\(origin)\n".utf8)
  }

  /// Reads the entries from `result.index * 256` on, as many as the tile has hashes.
  ///
  /// - Parameters:
  ///   - bytes: the bundle, unchanged afterwards.
  ///   - tile: 32 bytes an entry.
  ///   - width: how many entries there must be.
  ///   - result: gets what the bundle holds; only when the answer is true.
  /// - Returns: whether the bundle is sound, and ends where its last entry does.
  func read(_ bytes: inout [UInt8], tile: [UInt8], width: Int, _ result: inout BundleResult) -> Bool {
    guard let first = firstPrevious(bytes) else { return false }
    var found = BundleResult(index: result.index, allowedGap: allowedGap)
    found.firstPrevious = first
    found.leaves.reserveCapacity(width)
    // All offsets below are compared with the buffer's length before they are used.
    let sound = unsafe bytes.withUnsafeMutableBytes { buffer in
      unsafe run(buffer, width: width, after: first, &found)
    }
    guard sound, found.leaves.count == width, Self.equal(found.leaves, tile) else { return false }
    found.findings = result.findings
    result = found
    return true
  }

  /// The hash that the first entry names: nobody else can know it here.
  private func firstPrevious(_ bytes: [UInt8]) -> SHA256Digest? {
    guard let start = bytes.dropFirst(2 + opening.count).firstIndex(of: 0x0a), start + 45 < bytes.count else {
      return nil
    }
    return StrictBase64.decode(utf8: bytes[start + 1..<start + 45], .standard).flatMap { SHA256Digest($0) }
  }

  @unsafe private func run(
    _ buffer: UnsafeMutableRawBufferPointer, width: Int, after first: SHA256Digest, _ found: inout BundleResult
  ) -> Bool {
    guard let base = buffer.baseAddress else { return false }
    let count = buffer.count
    var header = ExpectedHeader(opening)
    var previous = first
    var position = 0
    for offset in 0..<width {
      let sequence = found.index * 256 + UInt64(offset)
      guard position + 2 <= count else { return false }
      let start = position + 2
      let end = unsafe start + (Int(buffer[position]) << 8 | Int(buffer[position + 1]))
      header.set(sequence, previous)
      guard end <= count, end - start > header.count, unsafe header.begins(base + start) else { return false }
      let entry = unsafe UnsafeRawBufferPointer(rebasing: buffer[start..<end])
      guard let (time, body) = unsafe Self.lines(entry, after: header.count) else { return false }
      if let last = found.lastTime {
        guard time >= last else { return false }
        found.pace.add(gap: time - last, at: sequence)
      } else {
        found.firstTime = time
      }
      found.lastTime = time
      unsafe note(UnsafeRawBufferPointer(rebasing: entry[body..<entry.count - 1]), sequence, &found)
      previous = unsafe Self.leafHash(buffer, start..<end)
      found.leaves.append(previous)
      position = end
    }
    found.entries = UInt64(width)
    found.end = position
    return true
  }

  /// The time's value and where the body begins: the last two lines, which end with the entry.
  @unsafe private static func lines(_ entry: UnsafeRawBufferPointer, after header: Int) -> (Int64, Int)? {
    var position = header
    var time: Int64 = 0
    while position < entry.count, unsafe entry[position] != 0x0a {
      let digit = unsafe Int64(entry[position]) - 0x30
      guard (0...9).contains(digit), position == header || time > 0 else { return nil }
      let (product, overflow) = time.multipliedReportingOverflow(by: 10)
      let (sum, carry) = product.addingReportingOverflow(digit)
      guard !overflow, !carry else { return nil }
      time = sum
      position += 1
    }
    let body = position + 1
    // The body has a byte, and the only newline from its beginning on is the entry's last byte.
    guard position > header, body + 1 < entry.count, let base = entry.baseAddress,
      let newline = unsafe memchr(base + body, 0x0a, entry.count - body),
      unsafe UnsafeRawPointer(newline) - base == entry.count - 1
    else { return nil }
    return (time, body)
  }

  /// Looks at the few bodies that say something about erasures or about the log.
  @unsafe private func note(_ body: UnsafeRawBufferPointer, _ sequence: UInt64, _ found: inout BundleResult) {
    let position = NotedEntry.opening.count
    guard body.count > position else { return }
    let initial = unsafe body[position]
    guard initial == NotedEntry.initials.0 || initial == NotedEntry.initials.1,
      let entry = NotedEntry(body: unsafe Array(body), sequence: sequence, origin: origin)
    else { return }
    found.note(entry)
  }

  /// SHA-256(0x00 ‖ entry) without copying the entry: the low byte of its length stands before it and lends its place
  /// to the prefix.
  @unsafe private static func leafHash(_ buffer: UnsafeMutableRawBufferPointer, _ range: Range<Int>) -> SHA256Digest {
    let before = range.lowerBound - 1
    let kept = unsafe buffer[before]
    unsafe buffer[before] = 0x00
    defer { unsafe buffer[before] = kept }
    return unsafe SHA256Digest.hash(UnsafeRawBufferPointer(rebasing: buffer[before..<range.upperBound]))
  }

  /// Whether the tile has exactly these hashes. A digest is its 32 bytes in memory order, nothing else.
  private static func equal(_ leaves: [SHA256Digest], _ tile: [UInt8]) -> Bool {
    let length = leaves.count * SHA256Digest.byteCount
    guard MemoryLayout<SHA256Digest>.stride == SHA256Digest.byteCount, tile.count >= length else { return false }
    // Both arrays outlive the call and have `length` bytes.
    return unsafe leaves.withUnsafeBytes { ours in
      unsafe tile.withUnsafeBytes { theirs in
        guard let a = ours.baseAddress, let b = theirs.baseAddress else { return length == 0 }
        return unsafe memcmp(a, b, length) == 0
      }
    }
  }
}

/// The first four lines that an entry must have, made anew for each entry in the same memory.
private struct ExpectedHeader {
  private var bytes: [UInt8]
  private let start: Int
  /// How many digits the number before had: the hash stands behind them.
  private var digits = 0

  var count: Int { bytes.count }

  init(_ opening: [UInt8]) {
    bytes = opening
    start = opening.count
    bytes.reserveCapacity(start + 20 + 1 + 44 + 1)
  }

  mutating func set(_ sequence: UInt64, _ previous: SHA256Digest) {
    var length = 1
    var rest = sequence / 10
    while rest > 0 {
      length += 1
      rest /= 10
    }
    if length != digits {
      digits = length
      bytes.removeLast(bytes.count - start)
      bytes.append(contentsOf: repeatElement(0x0a, count: length + 46))
    }
    rest = sequence
    for position in stride(from: start + length - 1, through: start, by: -1) {
      bytes[position] = 0x30 + UInt8(truncatingIfNeeded: rest % 10)
      rest /= 10
    }
    write(previous, at: start + length + 1)
  }

  /// Whether the memory, which has `count` bytes at least, begins with these lines.
  @unsafe func begins(_ other: UnsafeRawPointer) -> Bool {
    unsafe bytes.withUnsafeBytes { unsafe $0.baseAddress.map { unsafe memcmp($0, other, bytes.count) == 0 } ?? false }
  }

  /// The 44 characters of a hash, without making a string of them for every entry.
  private mutating func write(_ digest: SHA256Digest, at start: Int) {
    let alphabet = Self.alphabet
    // A digest is its 32 bytes in memory order; reads stay below 32, and the array has 44 bytes from `start` on.
    unsafe withUnsafeBytes(of: digest) { hash in
      unsafe bytes.withUnsafeMutableBytes { text in
        unsafe alphabet.withUnsafeBytes { letters in
          var position = start
          for index in stride(from: 0, to: 30, by: 3) {
            let group = unsafe Int(hash[index]) << 16 | Int(hash[index + 1]) << 8 | Int(hash[index + 2])
            unsafe text[position] = letters[group >> 18]
            unsafe text[position + 1] = letters[group >> 12 & 63]
            unsafe text[position + 2] = letters[group >> 6 & 63]
            unsafe text[position + 3] = letters[group & 63]
            position += 4
          }
          let group = unsafe Int(hash[30]) << 10 | Int(hash[31]) << 2
          unsafe text[position] = letters[group >> 12]
          unsafe text[position + 1] = letters[group >> 6 & 63]
          unsafe text[position + 2] = letters[group & 63]
          unsafe text[position + 3] = UInt8(ascii: "=")
        }
      }
    }
  }

  private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
}
