import Foundation
import Signing
import Testing

@testable import Audit

@Suite("Verifying that a log was not silent for too long", .longWork)
struct VerifierGapTests {
  static let second: Int64 = 1_000_000
  let scratch: Scratch
  var log: TestLog

  init() throws {
    scratch = try Scratch()
    log = try TestLog(in: scratch)
  }

  /// Appends entries at these seconds; a heartbeat where it promises something.
  private mutating func append(_ times: [(Int64, promise: Int64?)]) throws {
    for (time, promise) in times {
      let record =
        promise.map { AuditRecord(action: .logHeartbeat, codes: ["interval": String($0)]) }
        ?? AuditRecord(action: .profileUpdated)
      try log.append(body: record.body(), time: time * Self.second)
    }
    try log.writer.publish(Array(log.entries[Int(try log.writer.lastCheckpoint()?.size ?? 0)...]))
  }

  private func verify(interval: Int64? = nil, now: Int64) throws -> VerificationReport {
    var options = VerifierOptions()
    options.interval = interval
    options.now = now * Self.second
    return ArchiveVerifier(folder: log.folder, keys: try log.keys, options: options).verify()
  }

  @Test("entries further apart than the auditor allows are findings; without a limit the widest gap is told")
  mutating func interval() throws {
    try append([(100, nil), (110, nil), (150, nil), (155, nil)])
    let free = try verify(now: 10_000)
    #expect(free.findings == [])
    #expect(free.notices == [])
    #expect(free.widestGap == 40 * Self.second)
    #expect(free.widestGapEnd == 2)
    #expect(free.lastTime == 155 * Self.second)
    #expect(try verify(interval: 40, now: 160).findings == [])
    let findings = try verify(interval: 39, now: 160).findings
    #expect(findings.map(\.check) == ["gap"])
    #expect(findings.first?.sequence == 2)
  }

  @Test("a last entry that is too old for the auditor's clock is a finding, an earlier clock none")
  mutating func lastEntry() throws {
    try append([(100, nil), (110, nil)])
    #expect(try verify(interval: 20, now: 130).findings == [])
    let findings = try verify(interval: 20, now: 131).findings
    #expect(findings.map(\.check) == ["gap"])
    #expect(findings.first?.sequence == 1)
    #expect(try verify(interval: 20, now: 5).findings == [])
  }

  @Test("a gap between two bundles counts, whichever thread read them")
  mutating func acrossBundles() throws {
    try append((0..<256).map { (Int64($0), nil) } + [(1000, nil)])
    let report = try verify(interval: 100, now: 1000)
    #expect(report.findings.map(\.check) == ["gap"])
    #expect(report.findings.first?.sequence == 256)
    #expect(report.widestGapEnd == 256)
  }

  @Test("a heartbeat's broken promise is a notice: twice its interval, from that entry to the next heartbeat")
  mutating func promises() throws {
    try append([(0, nil), (500, 10), (520, nil), (540, 100), (740, nil), (941, nil)])
    let report = try verify(now: 950)
    #expect(report.findings == [])
    #expect(report.notices.map { $0.prefix(7) } == ["entry 5"])
    #expect(try verify(now: 2000).notices.count == 2)
  }

  @Test("a promise reaches beyond its bundle")
  mutating func promiseAcrossBundles() throws {
    try append((0..<255).map { (Int64($0), nil) } + [(255, 5), (300, nil), (301, nil)])
    #expect(try verify(now: 301).notices.map { $0.prefix(9) } == ["entry 256"])
  }

  @Test("the careful pass measures the same gaps as the quick one")
  mutating func carefulPass() throws {
    try append([(0, nil), (500, 10), (521, nil), (540, nil)])
    let quick = try verify(interval: 30, now: 540)
    var tile = try log.read("tile/0/000.p/4")
    tile[0] ^= 1
    try log.write("tile/0/000.p/4", tile)
    let careful = try verify(interval: 30, now: 540)
    #expect(careful.findings.map(\.check).filter { $0 == "gap" } == quick.findings.map(\.check))
    #expect(careful.notices == quick.notices)
    #expect(careful.widestGap == quick.widestGap)
  }
}
