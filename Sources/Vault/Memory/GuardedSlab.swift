import CSodium
import Synchronization

// Safe because a slot's pointer is handed out by a call that is itself marked unsafe. Unchecked because of the pointer:
// the free list gives each slot to one holder at a time.

/// Many small secrets in one guarded mapping, in slots of equal size: what ``GuardedBytes`` does for one secret at the
/// cost of four memory mappings and ten microseconds, this does for a slot in tens of nanoseconds.
///
/// The mapping is locked as a whole, once. Between slots there is no guard. A slot is wiped when it is given back.
@safe
final class GuardedSlab: @unchecked Sendable {
  /// The length of a slot, a multiple of 16, which is also the alignment of each.
  let slotBytes: Int
  /// How many slots there are.
  let capacity: Int
  /// Whether the system locked the memory; see ``GuardedBytes/isLocked``.
  let isLocked: Bool

  private let start: UnsafeMutableRawPointer
  private let free: Mutex<[Int]>
  private let onRelease: (@Sendable (UnsafeRawBufferPointer) -> Void)?

  /// Takes the memory of all slots at once. `slotBytes` is rounded up to a multiple of 16. Throws
  /// ``VaultError/Code/memory`` when the system has none left.
  convenience init(slots: Int, of slotBytes: Int) throws(VaultError) {
    try unsafe self.init(slots: slots, of: slotBytes, onRelease: nil)
  }

  /// The same, for tests, with a witness that sees a slot after it was wiped.
  init(
    slots: Int, of slotBytes: Int, onRelease: (@Sendable (UnsafeRawBufferPointer) -> Void)?
  ) throws(VaultError) {
    try Sodium.start()
    let slotBytes = (slotBytes + 15) & ~15
    let (count, isTooMuch) = slots.multipliedReportingOverflow(by: slotBytes)
    // The pointer is owned by this object alone from here to its `deinit`.
    guard slots > 0, slotBytes > 0, !isTooMuch, let start = unsafe sodium_malloc(count) else {
      throw VaultError(.memory)
    }
    unsafe self.start = start
    self.slotBytes = slotBytes
    self.capacity = slots
    unsafe self.onRelease = onRelease
    isLocked = unsafe sodium_mlock(start, count) == 0
    unsafe sodium_memzero(start, count)
    // The last one is taken first.
    free = Mutex(Array((0..<slots).reversed()))
  }

  deinit {
    // Whoever holds a slot holds this object, so none is in use.
    unsafe sodium_memzero(start, capacity * slotBytes)
    unsafe sodium_free(start)
  }

  /// How many slots are in use.
  var used: Int { capacity - free.withLock { $0.count } }

  /// Takes a slot, whose bytes are zero. Nil when none is free.
  func take() -> Int? { free.withLock { $0.popLast() } }

  /// Wipes a slot that was taken, and makes it free. Nothing may use its place afterwards.
  func giveBack(_ slot: Int) {
    // The slot is the caller's until the free list has it again.
    let place = unsafe place(of: slot)
    unsafe sodium_memzero(place, slotBytes)
    if let onRelease = unsafe onRelease { unsafe onRelease(UnsafeRawBufferPointer(start: place, count: slotBytes)) }
    free.withLock { $0.append(slot) }
  }

  /// Where a slot begins. Valid as long as this object and until the slot is given back.
  @unsafe func place(of slot: Int) -> UnsafeMutableRawPointer {
    precondition((0..<capacity).contains(slot))
    return unsafe start + slot * slotBytes
  }
}
