import CSodium

// Safe because the pointer leaves only for the time of a closure whose buffer is itself marked unsafe.
// Unchecked because of the pointer: the struct cannot be copied, so the memory has one owner; a borrower only reads, and
// writing needs the exclusive access of `mutating`.

/// A secret's memory, with one owner: at the end of a page that is followed by an inaccessible one, locked against
/// swapping, left out of core dumps, and wiped when the owner goes.
///
/// The bytes are lent to a closure and never returned. Copying them out of it into an `Array`, `Data` or `String`
/// defeats the purpose: wiping one copy leaves the others.
///
/// Each one takes four memory mappings, of which Linux allows a process 65,530 (`vm.max_map_count`), so about 16,000
/// can live at once.
@safe
public struct GuardedBytes: ~Copyable, @unchecked Sendable {
  /// How many bytes there are.
  public let count: Int
  /// Whether the system locked the memory. False beyond the limit `RLIMIT_MEMLOCK`; the bytes can then be swapped.
  public let isLocked: Bool

  /// The first byte.
  private let start: UnsafeMutableRawPointer
  /// Sees the memory after it was wiped and before it is given back.
  private let onRelease: (@Sendable (UnsafeRawBufferPointer) -> Void)?

  /// Takes `count` bytes, all zero. Throws ``VaultError/Code/memory`` when the system has none left.
  public init(count: Int) throws(VaultError) {
    try unsafe self.init(count: count, onRelease: nil)
  }

  /// The same, for tests, with a witness of the wiping.
  init(count: Int, onRelease: (@Sendable (UnsafeRawBufferPointer) -> Void)?) throws(VaultError) {
    try Sodium.start()
    // The pointer is owned by this value alone from here to its `deinit`.
    guard count >= 0, let start = unsafe sodium_malloc(count) else { throw VaultError(.memory) }
    self.count = count
    unsafe self.start = start
    unsafe self.onRelease = onRelease
    // `sodium_malloc` tries to lock and ignores the answer; asking again is how one hears it.
    isLocked = unsafe sodium_mlock(start, count) == 0
    unsafe sodium_memzero(start, count)
  }

  deinit {
    // Nothing can borrow any more, and `sodium_free` is called once. It also unlocks, and ends the process when
    // something wrote outside of the bounds.
    unsafe sodium_memzero(start, count)
    if let onRelease = unsafe onRelease { unsafe onRelease(UnsafeRawBufferPointer(start: start, count: count)) }
    unsafe sodium_free(start)
  }

  /// Takes `count` bytes from the system's random generator.
  public static func random(count: Int) throws(VaultError) -> GuardedBytes {
    var bytes = try GuardedBytes(count: count)
    // The buffer is `count` bytes long for the time of the call.
    unsafe bytes.withUnsafeMutableBytes { buffer in
      if let start = buffer.baseAddress { unsafe randombytes_buf(start, buffer.count) }
    }
    return bytes
  }

  /// Lends the bytes for reading. The buffer is invalid once `body` returns.
  public borrowing func withUnsafeBytes<R: ~Copyable, E: Error>(
    _ body: (UnsafeRawBufferPointer) throws(E) -> R
  ) throws(E) -> R {
    // The memory lives as long as the borrowed owner.
    try unsafe body(UnsafeRawBufferPointer(start: start, count: count))
  }

  /// Lends the bytes for writing. The buffer is invalid once `body` returns.
  public mutating func withUnsafeMutableBytes<R: ~Copyable, E: Error>(
    _ body: (UnsafeMutableRawBufferPointer) throws(E) -> R
  ) throws(E) -> R {
    // The memory lives as long as the owner, to which this call has exclusive access.
    try unsafe body(UnsafeMutableRawBufferPointer(start: start, count: count))
  }
}
