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
}
