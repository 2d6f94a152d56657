import Foundation
import Glibc

/// The rows of `vault.keys` in the text that `pg_restore` writes: one COPY, a line a row, tabs between columns.
///
/// PostgreSQL documentation, COPY, "Text Format": `\N` is NULL, a backslash in a value is doubled, `\.` ends the rows.
/// None of the columns that are read can hold anything else that would be escaped.
struct KeyRows {
  /// The text ended inside of the rows.
  struct CutOff: Error {}

  /// Whether the rows were there, and ended as they should.
  private(set) var hasEnded = false

  private let descriptor: CInt
  private var buffer = [UInt8](repeating: 0, count: 1 << 18)
  private var start = 0
  private var end = 0
  private var columns: Columns?
  private var fields: [Range<Int>] = []

  /// - Parameter descriptor: read from to its end; not closed.
  init(reading descriptor: CInt) { self.descriptor = descriptor }

  /// Places of the columns within a row.
  private struct Columns {
    var tenant = 0, kind = 0, id = 0, epoch = 0, wrapped = 0, commitment = 0, destroyedAt = 0
    var count = 0
  }

  /// The next key; nil at the end of the text.
  mutating func next() throws -> VaultDumpKey? {
    while let line = try nextLine() {
      if let columns {
        if isEnd(line) {
          self.columns = nil
          hasEnded = true
        } else {
          return try key(line, columns)
        }
      } else if buffer[line].starts(with: Self.copy) {
        if hasEnded { throw Self.malformed("a second list of keys") }
        columns = try Self.columns(of: String(decoding: buffer[line], as: UTF8.self))
      }
    }
    if columns != nil { throw CutOff() }
    return nil
  }

  private static let copy = Array("COPY vault.keys (".utf8)

  private static func columns(of line: String) throws(BackupError) -> Columns {
    let list = line.dropFirst(copy.count).prefix { $0 != ")" }
    let names = list.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
    func place(_ name: String) throws(BackupError) -> Int {
      guard let place = names.firstIndex(of: name) else { throw malformed("no column \(name)") }
      return place
    }
    guard line.hasSuffix(") FROM stdin;") else { throw malformed("an unknown COPY") }
    return Columns(
      tenant: try place("tenant_id"), kind: try place("kind"), id: try place("key_id"), epoch: try place("epoch"),
      wrapped: try place("wrapped"), commitment: try place("commitment"), destroyedAt: try place("destroyed_at"),
      count: names.count)
  }

  private mutating func key(_ line: Range<Int>, _ columns: Columns) throws(BackupError) -> VaultDumpKey {
    split(line)
    guard fields.count == columns.count else { throw Self.malformed("a row of \(fields.count) columns") }
    guard let tenant = uuid(fields[columns.tenant]), let id = uuid(fields[columns.id]) else {
      throw Self.malformed("an id that is no UUID")
    }
    guard let kind = integer(fields[columns.kind]), 1...4 ~= kind else { throw Self.malformed("an unknown kind") }
    guard let commitment = bytes(fields[columns.commitment]), commitment.count == 32 else {
      throw Self.malformed("a commitment that isn't 32 bytes")
    }
    if isNull(fields[columns.wrapped]), isNull(fields[columns.epoch]) {
      guard let destroyedAt = integer(fields[columns.destroyedAt]) else {
        throw Self.malformed("a key without its bytes")
      }
      return VaultDumpKey(
        tenant: tenant, kind: Int(kind), id: id, epoch: nil, wrapped: nil, commitment: commitment,
        destroyedAt: destroyedAt)
    }
    guard let epoch = integer(fields[columns.epoch]).flatMap(Int32.init(exactly:)), epoch > 0,
      let wrapped = bytes(fields[columns.wrapped]), !wrapped.isEmpty, isNull(fields[columns.destroyedAt])
    else { throw Self.malformed("a wrapped key that isn't one") }
    return VaultDumpKey(
      tenant: tenant, kind: Int(kind), id: id, epoch: epoch, wrapped: wrapped, commitment: commitment,
      destroyedAt: nil)
  }

  private static func malformed(_ what: String) -> BackupError {
    BackupError(.malformedKey, "the vault's dump has \(what)")
  }

  // MARK: Lines and columns

  /// Where the next line lies in the buffer, without its line feed, until the next call.
  private mutating func nextLine() throws -> Range<Int>? {
    var searched = start
    while true {
      if let feed = buffer[searched..<end].firstIndex(of: UInt8(ascii: "\n")) {
        defer { start = feed + 1 }
        return start..<feed
      }
      searched = end - start
      if start > 0 {
        buffer.replaceSubrange(0..<(end - start), with: Array(buffer[start..<end]))
        end -= start
        start = 0
      }
      guard end < buffer.count else { throw Self.malformed("a line that is too long") }
      let (place, room) = (end, buffer.count - end)
      // Reads at most as many bytes as are left behind `place`.
      let count = unsafe buffer.withUnsafeMutableBytes { bytes in
        unsafe read(descriptor, bytes.baseAddress.map { unsafe $0 + place }, room)
      }
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw BackupError(.failed, "can't read from pg_restore (errno \(errno))") }
      if count == 0 {
        guard start == end else { throw CutOff() }
        return nil
      }
      end += count
    }
  }

  private func isEnd(_ line: Range<Int>) -> Bool {
    line.count == 2 && buffer[line.lowerBound] == Self.backslash && buffer[line.lowerBound + 1] == UInt8(ascii: ".")
  }

  private mutating func split(_ line: Range<Int>) {
    fields.removeAll(keepingCapacity: true)
    var first = line.lowerBound
    for place in line where buffer[place] == UInt8(ascii: "\t") {
      fields.append(first..<place)
      first = place + 1
    }
    fields.append(first..<line.upperBound)
  }

  // MARK: Values

  private static let backslash = UInt8(ascii: "\\")

  private func isNull(_ field: Range<Int>) -> Bool {
    field.count == 2 && buffer[field.lowerBound] == Self.backslash && buffer[field.lowerBound + 1] == UInt8(ascii: "N")
  }

  /// Decimal digits with an optional minus, no more than an Int64 holds.
  private func integer(_ field: Range<Int>) -> Int64? {
    let isNegative = !field.isEmpty && buffer[field.lowerBound] == UInt8(ascii: "-")
    let digits = isNegative ? field.dropFirst() : field
    guard !digits.isEmpty else { return nil }
    var value: Int64 = 0
    for place in digits {
      let digit = buffer[place]
      guard UInt8(ascii: "0")...UInt8(ascii: "9") ~= digit else { return nil }
      let (tenfold, isTooLarge) = value.multipliedReportingOverflow(by: 10)
      let (sum, overflows) = tenfold.subtractingReportingOverflow(Int64(digit - UInt8(ascii: "0")))
      guard !isTooLarge, !overflows else { return nil }
      value = sum
    }
    // Counted downwards, because the smallest number has no positive twin.
    if isNegative { return value }
    return value == Int64.min ? nil : -value
  }

  /// 36 characters in lower case, as PostgreSQL writes them.
  private func uuid(_ field: Range<Int>) -> UUID? {
    guard field.count == 36 else { return nil }
    var halves: (UInt64, UInt64) = (0, 0)
    for offset in 0..<36 {
      let character = buffer[field.lowerBound + offset]
      if offset == 8 || offset == 13 || offset == 18 || offset == 23 {
        guard character == UInt8(ascii: "-") else { return nil }
        continue
      }
      guard let digit = Self.hexadecimal(character) else { return nil }
      // Sixteen digits, and two hyphens, come before the second half.
      if offset < 18 {
        halves.0 = halves.0 << 4 | UInt64(digit)
      } else {
        halves.1 = halves.1 << 4 | UInt64(digit)
      }
    }
    func byte(_ half: UInt64, _ index: UInt64) -> UInt8 { UInt8(truncatingIfNeeded: half >> (56 - 8 * index)) }
    let (a, b) = halves
    return UUID(
      uuid: (
        byte(a, 0), byte(a, 1), byte(a, 2), byte(a, 3), byte(a, 4), byte(a, 5), byte(a, 6), byte(a, 7), byte(b, 0),
        byte(b, 1), byte(b, 2), byte(b, 3), byte(b, 4), byte(b, 5), byte(b, 6), byte(b, 7)
      ))
  }

  /// `\\x` and two lower-case digits a byte.
  private func bytes(_ field: Range<Int>) -> [UInt8]? {
    let first = field.lowerBound
    guard field.count >= 3, field.count.isMultiple(of: 2) == false, buffer[first] == Self.backslash,
      buffer[first + 1] == Self.backslash, buffer[first + 2] == UInt8(ascii: "x")
    else { return nil }
    var bytes: [UInt8] = []
    bytes.reserveCapacity((field.count - 3) / 2)
    for place in stride(from: first + 3, to: field.upperBound, by: 2) {
      guard let high = Self.hexadecimal(buffer[place]), let low = Self.hexadecimal(buffer[place + 1]) else {
        return nil
      }
      bytes.append(high << 4 | low)
    }
    return bytes
  }

  private static func hexadecimal(_ digit: UInt8) -> UInt8? {
    switch digit {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
    default: nil
    }
  }
}
