import Foundation
import Signing

/// Where a list of the log goes on: opaque to callers. It belongs to one list, one tenant and one set of conditions;
/// with any other it is refused.
struct PositionCursor {
  /// Which list.
  enum List: UInt8 {
    case entries = 2
    case accesses = 3
    case cosignatures = 4
  }

  private let prefix: [UInt8]

  /// Cursors of that list, for that tenant and those conditions.
  init(_ list: List, tenant: UUID, conditions: String = "") {
    let scope = SHA256Digest.hash(Array("\(tenant.text)\n\(conditions)".utf8))
    prefix = [list.rawValue] + scope.bytes.prefix(8)
  }

  /// The text of a cursor to that position.
  func text(_ position: [UInt8]) -> String { StrictBase64.encode(prefix + position, .url) }

  /// The position of a cursor; nil for a foreign one, and for what is none.
  func position(_ text: String) -> [UInt8]? {
    guard let bytes = StrictBase64.decode(text, .url), bytes.starts(with: prefix) else { return nil }
    return Array(bytes.dropFirst(prefix.count))
  }
}

extension Int64 {
  /// Eight bytes, big-endian.
  var bigEndianBytes: [UInt8] { (0..<8).map { UInt8(truncatingIfNeeded: self >> (56 - 8 * Int64($0))) } }

  /// Reads eight bytes of a number that isn't negative.
  init?(bigEndianBytes bytes: some Collection<UInt8>) {
    guard bytes.count == 8 else { return nil }
    let value = bytes.reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    guard let exact = Int64(exactly: value) else { return nil }
    self = exact
  }
}
