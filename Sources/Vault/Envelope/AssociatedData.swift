import Foundation

/// What a sealed value is bound to: parts, each after its length in two bytes, big-endian. Built on the stack.
struct AssociatedData {
  /// The longest that is ever built, a field's, takes 77 bytes.
  private static let room = 80

  private var bytes = InlineArray<80, UInt8>(repeating: 0)
  private var count = 0

  /// Begins with the name of what is sealed, so that no two kinds of value are bound alike. At most 30 bytes.
  @inline(__always)
  init(domain: StaticString) {
    let length = domain.utf8CodeUnitCount
    store(UInt16(truncatingIfNeeded: length).bigEndian)
    precondition(count + length <= Self.room)
    var span = bytes.mutableSpan
    let count = count
    // The name is a constant of the program, and its end was compared with the room's.
    unsafe span.withUnsafeMutableBytes { room in
      if let start = room.baseAddress { unsafe (start + count).copyMemory(from: domain.utf8Start, byteCount: length) }
    }
    self.count += length
  }

  @inline(__always)
  mutating func append(part: UUID) {
    store(UInt16(16).bigEndian)
    // The tuple is the sixteen bytes of the id in their written order.
    store(part.uuid)
  }

  @inline(__always)
  mutating func append<Number: FixedWidthInteger & BitwiseCopyable>(part: Number) {
    store(UInt16(truncatingIfNeeded: MemoryLayout<Number>.size).bigEndian)
    store(part.bigEndian)
  }

  /// Lends the bytes.
  @inline(__always)
  borrowing func withUnsafeBytes<R: ~Copyable, E: Error>(
    _ body: (UnsafeRawBufferPointer) throws(E) -> R
  ) throws(E) -> R {
    let count = count
    // The span covers this value's own bytes, of which the first `count` are filled.
    return try unsafe bytes.span.withUnsafeBytes { (all: UnsafeRawBufferPointer) throws(E) -> R in
      try unsafe body(UnsafeRawBufferPointer(start: all.baseAddress, count: count))
    }
  }

  /// Appends a value's bytes as they are in memory, in one store.
  @inline(__always)
  private mutating func store<Value: BitwiseCopyable>(_ value: Value) {
    let size = MemoryLayout<Value>.size
    precondition(count + size <= Self.room)
    var span = bytes.mutableSpan
    let count = count
    // Inside the room, as was just checked.
    unsafe span.withUnsafeMutableBytes { unsafe $0.storeBytes(of: value, toByteOffset: count, as: Value.self) }
    self.count += size
  }
}
