import Foundation
import Testing

@testable import Audit

@Suite("The erasure ledger")
struct ErasureLedgerTests {
  let scratch: Scratch
  let path: String
  let ledger: ErasureLedger

  init() throws {
    scratch = try Scratch()
    path = scratch.path + "/archive/erasures/ledger"
    ledger = ErasureLedger(path: path)
  }

  static func record(_ number: UInt8, commitment: UInt8 = 0xc0) -> ErasureRecord {
    ErasureRecord(
      tenant: TestLog.tenant, subject: UUID(uuid: (number, 0, 0, 0, 0, 0, 0x40, 0, 0x80, 0, 0, 0, 0, 0, 0, 0)),
      commitment: Array(repeating: commitment, count: 32), time: 1_767_139_200_000_000)
  }

  private func text() throws -> String { try String(contentsOfFile: path, encoding: .utf8) }

  private func write(_ text: String) throws {
    try FileManager.default.createDirectory(
      atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
    try Data(text.utf8).write(to: URL(fileURLWithPath: path))
  }

  @Test("a line is written in the documented form, and read back")
  func form() throws {
    #expect(try ledger.records().isEmpty)
    #expect(try ledger.append(Self.record(1)))
    #expect(
      try text()
        == "erasure/v1 11000000-0000-4000-8000-000000000001 01000000-0000-4000-8000-000000000000 "
        + String(repeating: "c0", count: 32) + " 1767139200000000\n")
    #expect(try ledger.records() == [Self.record(1)])
    #expect(try ledger.contains(tenant: TestLog.tenant, subject: Self.record(1).subject))
    #expect(try !ledger.contains(tenant: TestLog.tenant, subject: Self.record(2).subject))
  }

  @Test("a subject is written once, whatever the repetition")
  func idempotent() throws {
    #expect(try ledger.append(Self.record(1)))
    #expect(try ledger.append(Self.record(2)))
    #expect(try !ledger.append(Self.record(1)))
    #expect(try ledger.records() == [Self.record(1), Self.record(2)])
  }

  @Test("the same subject with another key is refused")
  func otherKey() throws {
    try ledger.append(Self.record(1))
    #expect(AuditError.code { try ledger.append(Self.record(1, commitment: 0xc1)) } == .inconsistent)
    #expect(try ledger.records().count == 1)
  }

  @Test("a line that a crash cut short is skipped by readers and removed by the next append", arguments: [1, 60, 168])
  func torn(length: Int) throws {
    try ledger.append(Self.record(1))
    let whole = try text()
    try write(whole + String(whole.prefix(min(length, whole.utf8.count - 1))))
    #expect(try ledger.records() == [Self.record(1)])
    #expect(try ledger.append(Self.record(2)))
    #expect(try ledger.records() == [Self.record(1), Self.record(2)])
    #expect(try text().hasPrefix(whole + "erasure/v1 "))
  }

  @Test(
    "a damaged line is named, and nothing is appended after it",
    arguments: [
      "x\n", "\n", "erasure/v2 T S C 1\n", "erasure/v1 T S C\n", "erasure/v1 T S C 01\n", "erasure/v1 T S C -1\n",
      "erasure/v1 T S 00 1\n", "erasure/v1  T S C 1\n", "erasure/v1 T S C 1 \n", "erasure/v1 t S C 1\n",
    ])
  func damaged(_ template: String) throws {
    let line = template.replacing("T", with: TestLog.tenant.uuidString.lowercased())
      .replacing("S", with: Self.record(1).subject.uuidString.lowercased())
      .replacing("C", with: String(repeating: "ab", count: 32))
    try write(line)
    #expect(AuditError.code { _ = try ledger.records() } == .malformed)
    #expect(AuditError.code { _ = try ledger.append(Self.record(2)) } == .malformed)
    #expect(try text() == line)
  }

  @Test("a file without lines is refused, not read into memory")
  func endless() throws {
    try write(String(repeating: "x", count: 200_000))
    #expect(AuditError.code { _ = try ledger.records() } == .malformed)
  }

  @Test("a link in the ledger's place is refused")
  func link() throws {
    try write("")
    try FileManager.default.moveItem(atPath: path, toPath: path + "-elsewhere")
    try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: path + "-elsewhere")
    #expect(AuditError.code { _ = try ledger.records() } == .notRegular)
    #expect(AuditError.code { _ = try ledger.append(Self.record(1)) } == .notRegular)
  }

  @Test("a record without 32 bytes of commitment has no line")
  func commitment() {
    let record = ErasureRecord(tenant: TestLog.tenant, subject: TestLog.tenant, commitment: [1], time: 0)
    #expect(AuditError.code { _ = try ledger.append(record) } == .malformed)
  }

  @Test("a thousand lines are read back in order")
  func many() throws {
    var records: [ErasureRecord] = []
    for number in 0..<1000 {
      let high = UInt8(number / 256)
      let low = UInt8(number % 256)
      let subject = UUID(uuid: (0, high, low, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0))
      let commitment = [UInt8](repeating: low, count: 32)
      records.append(
        ErasureRecord(tenant: TestLog.tenant, subject: subject, commitment: commitment, time: Int64(number)))
    }
    try write(records.compactMap(\.line).joined())
    #expect(try ledger.records() == records)
    #expect(try !ledger.append(records[999]))
  }

  // MARK: Batches

  @Test("a batch is written in its order, each subject once, and repeating it adds nothing")
  func batch() throws {
    try ledger.append(Self.record(2))
    let batch = [Self.record(3), Self.record(2), Self.record(1), Self.record(3)]
    #expect(try ledger.append(contentsOf: batch) == 2)
    #expect(try ledger.records() == [Self.record(2), Self.record(3), Self.record(1)])
    #expect(try ledger.append(contentsOf: batch) == 0)
    #expect(try ledger.append(contentsOf: []) == 0)
    #expect(try ledger.records().count == 3)
  }

  @Test("a batch with one record that can't be written is not written at all")
  func wholeBatch() throws {
    try ledger.append(Self.record(1))
    let before = try text()
    let short = ErasureRecord(tenant: TestLog.tenant, subject: TestLog.tenant, commitment: [1], time: 0)
    #expect(AuditError.code { try ledger.append(contentsOf: [Self.record(2), short]) } == .malformed)
    let otherKey = [Self.record(2), Self.record(1, commitment: 0xc1)]
    #expect(AuditError.code { try ledger.append(contentsOf: otherKey) } == .inconsistent)
    let twoKeys = [Self.record(2), Self.record(2, commitment: 0xc1)]
    #expect(AuditError.code { try ledger.append(contentsOf: twoKeys) } == .inconsistent)
    #expect(try text() == before)
  }

  @Test("a write that the disk cuts short leaves nothing behind, and succeeds once there is room")
  func cutShort() async {
    await #expect(processExitsWith: .success) {
      let tests = try ErasureLedgerTests()
      try tests.ledger.append(Self.record(1))
      let before = try tests.text()
      // The second of the next three lines ends beyond what a file of this process may have.
      signal(SIGXFSZ, SIG_IGN)
      var limit = rlimit()
      getrlimit(__rlimit_resource_t(1), &limit)
      let usual = limit
      limit.rlim_cur = rlim_t(before.utf8.count * 5 / 2)
      try #require(setrlimit(__rlimit_resource_t(1), &limit) == 0)
      let batch = [Self.record(2), Self.record(3), Self.record(4)]
      let code = AuditError.code { try tests.ledger.append(contentsOf: batch) }
      let left = try tests.text()
      limit = usual
      try #require(setrlimit(__rlimit_resource_t(1), &limit) == 0)
      try #require(code == .inputOutput)
      try #require(left == before)
      try #require(try tests.ledger.append(contentsOf: batch) == 3)
      let records = try tests.ledger.records()
      try #require(records == [1, 2, 3, 4].map { Self.record($0) })
    }
  }

  @Test("a full disk is named as such", arguments: [(ENOSPC, true), (EDQUOT, true), (EIO, false)])
  func fullDisk(number: Int32, full: Bool) {
    let error = AuditError(.inputOutput, file: "erasures/ledger", systemError: number)
    #expect(error.isOutOfSpace == full)
    #expect(error.description.hasPrefix("no space left on the disk, file erasures/ledger") == full)
  }

  // MARK: What is known of the file

  @Test("lines that were read once are not read again, and a new ledger reads them")
  func readOnce() throws {
    try ledger.append(Self.record(1))
    try ledger.append(Self.record(2))
    // Damaged where it lies: the same file, as long as before, its last line in place.
    try overwrite("erasure/v9" + (try text()).dropFirst(10))
    #expect(try ledger.append(Self.record(3)))
    #expect(try !ledger.append(Self.record(1)))
    let other = ErasureLedger(path: path)
    #expect(AuditError.code { try other.append(Self.record(4)) } == .malformed)
  }

  @Test("what another process appends is known before the next line is written")
  func twoWriters() throws {
    let copy = ledger
    let other = ErasureLedger(path: path)
    #expect(try ledger.append(Self.record(1)))
    #expect(try other.append(contentsOf: [Self.record(2), Self.record(3)]) == 2)
    #expect(try !ledger.append(Self.record(3)))
    #expect(try !copy.append(Self.record(2)))
    #expect(try ledger.append(Self.record(4)))
    #expect(try !other.append(Self.record(4)))
    #expect(try other.contains(tenant: TestLog.tenant, subject: Self.record(4).subject))
    #expect(try ledger.records() == [1, 2, 3, 4].map { Self.record($0) })
  }

  @Test("a line that another process left torn after ours is removed by the next append")
  func tornLater() throws {
    try ledger.append(Self.record(1))
    let whole = try text()
    try overwrite(whole + "erasure/v1 11000000")
    #expect(try ledger.append(Self.record(2)))
    #expect(try ledger.records() == [Self.record(1), Self.record(2)])
  }

  enum Replacement: CaseIterable { case otherFile, cut, sameLength, longer }

  @Test("a file that was replaced or cut is read again from its beginning", arguments: Replacement.allCases)
  func replaced(_ replacement: Replacement) throws {
    try ledger.append(contentsOf: [Self.record(1), Self.record(2)])
    let lines = try [1, 3, 4, 5].map { try #require(Self.record($0).line) }
    switch replacement {
    case .otherFile:
      try FileManager.default.removeItem(atPath: path)
      try write(lines[0] + lines[1] + lines[2])
    case .cut: try overwrite(lines[0])
    case .sameLength: try overwrite(lines[0] + lines[1])
    case .longer: try overwrite(lines.joined())
    }
    #expect(try !ledger.append(Self.record(1)))
    #expect(try ledger.append(Self.record(2)))
    #expect(try ledger.records().last == Self.record(2))
    #expect(try ledger.contains(tenant: TestLog.tenant, subject: Self.record(3).subject) == (replacement != .cut))
  }

  @Test("many writers at once, of this process and of others, write each subject once")
  func concurrently() async throws {
    let ledgers = [ledger, ledger, ErasureLedger(path: path), ErasureLedger(path: path)]
    let added = try await withThrowingTaskGroup(of: Int.self) { group in
      for ledger in ledgers {
        group.addTask {
          var added = 0
          for number in UInt8(1)...40 where try ledger.append(Self.record(number)) { added += 1 }
          return added
        }
      }
      return try await group.reduce(0, +)
    }
    #expect(added == 40)
    #expect(Set(try ledger.records().map(\.subject)).count == 40)
    #expect(try ledger.records().count == 40)
  }

  /// Writes into the file that is there, which stays the same file.
  private func overwrite(_ text: String) throws {
    let file = try #require(FileHandle(forWritingAtPath: path))
    try file.truncate(atOffset: 0)
    try file.write(contentsOf: Data(text.utf8))
    try file.close()
  }
}
