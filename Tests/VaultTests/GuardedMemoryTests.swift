import Foundation
import Testing

@testable import Vault

@Suite("Guarded memory")
struct GuardedMemoryTests {
  @Test("new memory is zero, and keeps what is written")
  func reading() throws {
    var bytes = try GuardedBytes(count: 48)
    let before = bytes.withUnsafeBytes { Array($0) }
    bytes.withUnsafeMutableBytes { $0.copyBytes(from: 0..<48 as Range<UInt8>) }
    let after = bytes.withUnsafeBytes { Array($0) }
    let count = bytes.count
    #expect(before == [UInt8](repeating: 0, count: 48))
    #expect(after == Array(0..<48))
    #expect(count == 48)
  }

  @Test("an error thrown by the borrower comes out")
  func throwing() throws {
    var bytes = try GuardedBytes(count: 1)
    var caught: [VaultError.Code] = []
    do throws(VaultError) {
      try bytes.withUnsafeBytes { _ throws(VaultError) in throw VaultError(.keyLength) }
    } catch { caught.append(error.code) }
    do throws(VaultError) {
      try bytes.withUnsafeMutableBytes { _ throws(VaultError) in throw VaultError(.memory) }
    } catch { caught.append(error.code) }
    #expect(caught == [.keyLength, .memory])
  }

  @Test("random bytes differ from each other and from zero")
  func random() throws {
    let drawn = try (0..<50).map { _ in
      let bytes = try GuardedBytes.random(count: 32)
      return bytes.withUnsafeBytes { Array($0) }
    }
    #expect(Set(drawn + [[UInt8](repeating: 0, count: 32)]).count == 51)
  }

  @Test("writing past the end of a secret ends the process")
  func guardPage() async {
    await #expect(processExitsWith: .signal(SIGSEGV)) {
      var bytes = try GuardedBytes(count: 32)
      bytes.withUnsafeMutableBytes { buffer in
        let start = buffer.baseAddress
        start?.storeBytes(of: 1, toByteOffset: buffer.count, as: UInt8.self)
      }
    }
  }

  @Test("a length that cannot be had is refused", arguments: [-1, Int.max])
  func impossible(_ count: Int) {
    let error = #expect(throws: VaultError.self) { _ = try GuardedBytes(count: count).count }
    #expect(error?.code == .memory)
  }

  @Test("locking succeeds where the system allows a page to be locked, and is said to fail where it does not")
  func locking() async {
    // In a process of its own, where no other test locks memory.
    await #expect(processExitsWith: .success) {
      let locked = try GuardedBytes(count: 32).isLocked
      // Not every machine that runs the tests allows it, so ask it the same question by another way.
      let limit = try String(contentsOfFile: "/proc/self/limits", encoding: .utf8)
        .split(separator: "\n").first { $0.hasPrefix("Max locked memory") }
      let soft = try #require(limit?.split(separator: " ").dropFirst(3).first)
      if soft == "0" { #expect(!locked || geteuid() == 0) } else { #expect(locked) }
    }
  }

  @Test("memory is wiped before it is given back")
  func wiping() throws {
    let witness = Witness()
    do {
      var bytes = try GuardedBytes(count: 32, onRelease: { witness.see($0) })
      bytes.withUnsafeMutableBytes { $0.copyBytes(from: [UInt8](repeating: 0xAA, count: 32)) }
      let held = bytes.withUnsafeBytes { Array($0) }
      #expect(held == [UInt8](repeating: 0xAA, count: 32))
      #expect(witness.releases.isEmpty)
    }
    #expect(witness.releases == [[UInt8](repeating: 0, count: 32)])
  }

  @Test("a key's memory is wiped when its last reference goes, not before")
  func keyWiping() throws {
    let witness = Witness()
    var references = [
      try DataKey(onRelease: { witness.see($0) }) { (root: UnsafeMutableRawBufferPointer) throws(VaultError) in
        root.copyBytes(from: [UInt8](repeating: 0xAA, count: 32))
      }
    ]
    references.append(references[0])
    references.removeFirst()
    #expect(witness.releases.isEmpty)
    #expect(try references[0].open(references[0].seal([1], at: .vector), at: .vector) == [1])
    references.removeFirst()
    #expect(witness.releases.count == 1)
    #expect(witness.releases.first?.contains { $0 != 0 } == false)
    #expect(witness.releases.first.map { $0.count > 32 } == true)
  }

  @Test("a key that could not be filled leaves nothing behind")
  func failedFilling() {
    let witness = Witness()
    #expect(throws: VaultError(.notOpened)) {
      try DataKey(onRelease: { witness.see($0) }) { (root: UnsafeMutableRawBufferPointer) throws(VaultError) in
        root.copyBytes(from: [UInt8](repeating: 0xAA, count: 16))
        throw VaultError(.notOpened)
      }
    }
    #expect(witness.releases.map { $0.allSatisfy { $0 == 0 } } == [true])
  }
}

@Suite("Slabs")
struct GuardedSlabTests {
  private func bytes(of slot: Int, in slab: GuardedSlab) -> [UInt8] {
    Array(UnsafeRawBufferPointer(start: slab.place(of: slot), count: slab.slotBytes))
  }

  private func fill(_ slot: Int, of slab: GuardedSlab, with byte: UInt8) {
    UnsafeMutableRawBufferPointer(start: slab.place(of: slot), count: slab.slotBytes)
      .copyBytes(from: [UInt8](repeating: byte, count: slab.slotBytes))
  }

  @Test("slots are zero, apart from each other, aligned, and as many as were asked for", arguments: [16, 32, 40, 640])
  func slots(_ length: Int) throws {
    let slab = try GuardedSlab(slots: 9, of: length)
    let taken = (0..<9).compactMap { _ in slab.take() }
    #expect(Set(taken) == Set(0..<9))
    #expect(slab.take() == nil)
    #expect(slab.slotBytes == (length + 15) / 16 * 16)
    for slot in taken {
      #expect(bytes(of: slot, in: slab) == [UInt8](repeating: 0, count: slab.slotBytes))
      #expect(UInt(bitPattern: slab.place(of: slot)) % 16 == 0)
      fill(slot, of: slab, with: UInt8(slot + 1))
    }
    for slot in taken { #expect(Set(bytes(of: slot, in: slab)) == [UInt8(slot + 1)]) }
  }

  @Test("a slot is wiped at once when it is given back, and no other is")
  func wiping() throws {
    let witness = Witness()
    let slab = try GuardedSlab(slots: 2, of: 32, onRelease: { witness.see($0) })
    let (one, two) = try (#require(slab.take()), #require(slab.take()))
    fill(one, of: slab, with: 0xAA)
    fill(two, of: slab, with: 0xBB)
    #expect(slab.used == 2)
    slab.giveBack(one)
    #expect(slab.used == 1)
    #expect(witness.releases == [[UInt8](repeating: 0, count: 32)])
    #expect(bytes(of: one, in: slab) == [UInt8](repeating: 0, count: 32))
    #expect(bytes(of: two, in: slab) == [UInt8](repeating: 0xBB, count: 32))
    #expect(slab.take() == one)
  }

  @Test(
    "a slab that cannot be had is refused", arguments: [(0, 32), (-1, 32), (4, 0), (Int.max, 32), (1 << 40, 1 << 20)])
  func impossible(_ slots: Int, _ length: Int) {
    #expect(throws: VaultError(.memory)) { try GuardedSlab(slots: slots, of: length) }
  }

  @Test("writing past the end of the last slot ends the process")
  func guardPage() async {
    await #expect(processExitsWith: .signal(SIGSEGV)) {
      let slab = try GuardedSlab(slots: 4, of: 32)
      slab.place(of: 3).storeBytes(of: 1, toByteOffset: 32, as: UInt8.self)
    }
  }

  @Test("keys in a slab are wiped with their last reference, and keys beyond it have memory of their own")
  func keys() throws {
    let witness = Witness()
    let slab = try GuardedSlab(slots: 2, of: SealingKey.memoryBytes, onRelease: { witness.see($0) })
    var keys = try (0..<3).map { _ in try DataKey.random(in: slab) }
    #expect(slab.used == 2)
    for key in keys { #expect(try key.open(key.seal([7], at: .vector), at: .vector) == [7]) }
    keys.removeFirst()
    #expect(slab.used == 1)
    keys.removeAll()
    #expect(slab.used == 0)
    #expect(witness.releases.map { $0.allSatisfy { $0 == 0 } } == [true, true])
    #expect(witness.releases.map(\.count) == [SealingKey.memoryBytes, SealingKey.memoryBytes])
  }

  @Test("a key that could not be filled gives its slot back, wiped")
  func failedFilling() throws {
    let witness = Witness()
    let slab = try GuardedSlab(slots: 1, of: SealingKey.memoryBytes, onRelease: { witness.see($0) })
    #expect(throws: VaultError(.notOpened)) {
      try DataKey(in: slab) { (root: UnsafeMutableRawBufferPointer) throws(VaultError) in
        root.copyBytes(from: [UInt8](repeating: 0xAA, count: 32))
        throw VaultError(.notOpened)
      }
    }
    #expect(slab.used == 0)
    #expect(witness.releases.map { $0.allSatisfy { $0 == 0 } } == [true])
  }

  @Test("many tasks that take and give back never hold the same slot")
  func concurrency() async throws {
    let slab = try GuardedSlab(slots: 8, of: 16)
    let clashes = await withTaskGroup(of: Int.self) { group in
      for number in 1...4 as ClosedRange<UInt8> {
        group.addTask {
          var clashes = 0
          for _ in 0..<5000 {
            guard let slot = slab.take() else { continue }
            let place = UnsafeMutableRawBufferPointer(start: slab.place(of: slot), count: 16)
            if !place.allSatisfy({ $0 == 0 }) { clashes += 1 }
            place.copyBytes(from: [UInt8](repeating: number, count: 16))
            if !place.allSatisfy({ $0 == number }) { clashes += 1 }
            slab.giveBack(slot)
          }
          return clashes
        }
      }
      return await group.reduce(0, +)
    }
    #expect(clashes == 0)
    #expect(slab.used == 0)
  }
}

@Suite("Process")
struct ProcessTests {
  @Test("a hardened process has no core files and cannot be dumped")
  func hardening() async {
    await #expect(processExitsWith: .success) {
      let undone = ProcessHardening.apply()
      let limits = try String(contentsOfFile: "/proc/self/limits", encoding: .utf8)
      let core = try #require(limits.split(separator: "\n").first { $0.hasPrefix("Max core file size") })
      #expect(core.split(separator: " ").dropFirst(4).prefix(2) == ["0", "0"])
      #expect(!ProcessHardening.allowsDumps)
      #expect(undone.allSatisfy { $0.contains("locked") })
    }
  }

  @Test("libsodium starts as often as it is asked to")
  func start() throws {
    try Sodium.start()
    try Sodium.start()
  }
}
