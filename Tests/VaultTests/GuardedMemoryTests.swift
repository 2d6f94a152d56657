import Foundation
import Synchronization
import Testing

@testable import Vault

@Suite("Guarded memory")
struct GuardedMemoryTests {
  /// What the memory holds when it is given back.
  private final class Witness: Sendable {
    private let seen = Mutex<[[UInt8]]>([])
    var releases: [[UInt8]] { seen.withLock { $0 } }
    func see(_ bytes: UnsafeRawBufferPointer) { seen.withLock { $0.append(Array(bytes)) } }
  }

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

  @Test("locking succeeds where the system allows a page to be locked")
  func locking() throws {
    let locked = try GuardedBytes(count: 32).isLocked
    // Not every machine that runs the tests allows it, so ask it the same question by another way.
    let limit = try String(contentsOfFile: "/proc/self/limits", encoding: .utf8)
      .split(separator: "\n").first { $0.hasPrefix("Max locked memory") }
    let soft = try #require(limit?.split(separator: " ").dropFirst(3).first)
    if soft == "0" { #expect(!locked || geteuid() == 0) } else { #expect(locked) }
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
