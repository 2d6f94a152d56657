internal import Foundation

/// A UUID as two words: comparable and small, for the index of the erasure ledger.
struct UUIDBytes: Sendable, Hashable, Comparable {
  let high: UInt64
  let low: UInt64

  init(_ uuid: UUID) {
    // The tuple of sixteen bytes is a local copy.
    let words = unsafe withUnsafeBytes(of: uuid.uuid) { bytes in
      unsafe (bytes.loadUnaligned(as: UInt64.self), bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
    }
    high = UInt64(bigEndian: words.0)
    low = UInt64(bigEndian: words.1)
  }

  static func < (a: UUIDBytes, b: UUIDBytes) -> Bool { (a.high, a.low) < (b.high, b.low) }
}
