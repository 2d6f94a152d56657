// Safe and unchecked for the reasons given at `GuardedBytes`: one owner, and a pointer that only unsafe calls use.

/// Guarded memory for a short time: a slot of a slab, or an allocation of its own where no slab is given, its slots are
/// too small, or all are taken. Wiped when the owner goes.
@safe
struct WorkingMemory: ~Copyable, @unchecked Sendable {
  /// The first byte, aligned to 16 if `count` is a multiple of that. Valid as long as this value.
  @unsafe let start: UnsafeMutableRawPointer

  /// The slab and the slot of it, when the memory is one.
  private let slab: GuardedSlab?
  private let slot: Int
  /// The allocation, when the memory is one of its own.
  private let allocation: GuardedBytes?

  /// Takes `count` bytes, all zero.
  init(count: Int, in slab: GuardedSlab?) throws(VaultError) {
    try unsafe self.init(count: count, in: slab, onRelease: nil)
  }

  /// The same, for tests, with a witness that sees an allocation of its own after it was wiped.
  init(
    count: Int, in slab: GuardedSlab?, onRelease: (@Sendable (UnsafeRawBufferPointer) -> Void)?
  ) throws(VaultError) {
    if let taken = slab, count <= taken.slotBytes, let number = taken.take() {
      // The slot is this value's until it goes.
      unsafe start = taken.place(of: number)
      self.slab = taken
      slot = number
      allocation = nil
    } else {
      var memory = try unsafe GuardedBytes(count: count, onRelease: onRelease)
      // The pointer stays good as long as its owner, which goes together with this value.
      guard let start = unsafe memory.withUnsafeMutableBytes({ $0.baseAddress }) else {
        throw VaultError(.memory)
      }
      unsafe self.start = start
      self.slab = nil
      slot = 0
      allocation = consume memory
    }
  }

  deinit { slab?.giveBack(slot) }
}
