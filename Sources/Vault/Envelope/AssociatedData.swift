import Foundation

/// What a sealed value is bound to: parts, each after its length in two bytes, big-endian. Built on the stack.
struct AssociatedData {
  /// The longest that is ever built, a field's, takes 77 bytes.
  private var bytes = InlineArray<80, UInt8>(repeating: 0)
  private var count = 0

  /// Begins with the name of what is sealed, so that no two kinds of value are bound alike.
  init(domain: StaticString) {
    // The buffer is a constant of the program.
    domain.withUTF8Buffer { name in
      append(length: name.count)
      for index in name.indices { unsafe append(name[index]) }
    }
  }

  mutating func append(part: UUID) {
    append(length: 16)
    // The tuple is the sixteen bytes of the id in their written order.
    unsafe Swift.withUnsafeBytes(of: part.uuid) { id in
      for index in id.indices { unsafe append(id[index]) }
    }
  }

  mutating func append<Number: FixedWidthInteger>(part: Number) {
    append(length: Number.bitWidth / 8)
    append(bigEndian: part)
  }

  /// Lends the bytes.
  borrowing func withUnsafeBytes<R: ~Copyable, E: Error>(
    _ body: (UnsafeRawBufferPointer) throws(E) -> R
  ) throws(E) -> R {
    let count = count
    // The span covers this value's own bytes, of which the first `count` are filled.
    return try unsafe bytes.span.withUnsafeBytes { (all: UnsafeRawBufferPointer) throws(E) -> R in
      try unsafe body(UnsafeRawBufferPointer(rebasing: all[..<count]))
    }
  }

  private mutating func append(length: Int) { append(bigEndian: UInt16(length)) }

  private mutating func append<Number: FixedWidthInteger>(bigEndian number: Number) {
    for shift in stride(from: Number.bitWidth - 8, through: 0, by: -8) {
      append(UInt8(truncatingIfNeeded: number >> shift))
    }
  }

  private mutating func append(_ byte: UInt8) {
    bytes[count] = byte
    count += 1
  }
}
