import Audit
import Foundation
import Testing

@testable import dsar

@Suite("verifying a log offline")
struct LogVerificationTests {
  private let scratch: Scratch
  private var log: SampleLog

  init() throws {
    scratch = try Scratch()
    log = try SampleLog(archive: scratch.file("archive"))
    try log.appendErasure()
    try log.publish(upTo: 10)
  }

  private func verify(
    _ folder: String, keys: [NoteKey] = [], held: [SignedNote] = [], ledger: String? = nil
  ) throws -> LogVerdict {
    try LogVerification(folder: folder, keys: keys, held: held, ledger: ledger).run()
  }

  @Test("an archive and a tenant's folder in it are both understood")
  func folders() throws {
    for folder in [log.archive, log.archive + "/", log.folder, log.folder + "/"] {
      let verdict = try verify(folder, keys: [try log.key])
      #expect(verdict.isValid)
      #expect(verdict.keysWereGiven)
      #expect(verdict.comparedLedger)
      #expect(verdict.reports.map(\.entries) == [10])
      #expect(verdict.reports.map(\.erasures) == [1])
    }
  }

  @Test("the folder's own key shows consistency only")
  func ownKey() throws {
    for folder in [log.archive, log.folder] {
      let verdict = try verify(folder)
      #expect(verdict.isValid)
      #expect(!verdict.keysWereGiven)
      #expect(verdict.json["authorship"]?.string == "unproved")
    }
  }

  @Test("another key, a flipped bit and a shortened log are found")
  func findings() throws {
    let other = try SampleLog(archive: scratch.file("other"), seed: 2)
    #expect(try verify(log.archive, keys: [try other.key]).reports[0].findings.map(\.check) == ["signature"])

    var longer = log
    let early = try #require(try log.writer.reader.checkpoint())
    try longer.publish(upTo: 20)
    let late = try #require(try longer.writer.reader.checkpoint())
    #expect(try verify(log.archive, keys: [try log.key], held: [early]).isValid)

    try FileManager.default.removeItem(atPath: log.folder + "/checkpoint")
    try Data(early.text.utf8).write(to: URL(fileURLWithPath: log.folder + "/checkpoint"))
    try FileManager.default.removeItem(atPath: log.folder + "/checkpoints/00000000000000000020")
    #expect(try verify(log.archive, keys: [try log.key]).isValid)
    let rolled = try verify(log.archive, keys: [try log.key], held: [late])
    #expect(rolled.reports[0].findings.map(\.check) == ["rollback"])

    let bundle = log.folder + "/tile/entries/000.p/10"
    var bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: bundle)))
    bytes[bytes.count - 10] ^= 1
    try FileManager.default.removeItem(atPath: bundle)
    try Data(bytes).write(to: URL(fileURLWithPath: bundle))
    let verdict = try verify(log.folder, keys: [try log.key])
    #expect(!verdict.isValid)
    #expect(verdict.reports[0].findings.contains { $0.file == "tile/entries/000.p/10" && $0.sequence == 9 })
  }

  @Test("erasures are compared with the ledger that is named, or lies beside; without one the verdict says so")
  func ledgers() throws {
    try scratch.write("empty", "")
    let verdict = try verify(log.folder, keys: [try log.key], ledger: scratch.file("empty"))
    #expect(verdict.reports[0].findings.map(\.check) == ["ledger"])
    try FileManager.default.removeItem(atPath: log.ledger)
    let without = try verify(log.folder, keys: [try log.key])
    #expect(without.isValid)
    #expect(!without.comparedLedger)
    #expect(try verify(log.archive, keys: [try log.key]).reports[0].findings.map(\.check) == ["ledger"])
  }

  @Test("an archive with two tenants gives a report for each")
  func twoTenants() throws {
    var second = try SampleLog(archive: log.archive, tenant: UUID())
    try second.publish(upTo: 4)
    let verdict = try verify(log.archive)
    #expect(verdict.isValid)
    #expect(verdict.reports.map(\.size).sorted() == [4, 10])
  }

  @Test("a folder without a log can't be verified")
  func nothing() async throws {
    #expect(
      await failure { _ = try verify("/nowhere/at-all") } == Failure(.refused, "there is no folder /nowhere/at-all"))
    try scratch.write("empty/readme", "")
    #expect(await failure { _ = try verify(scratch.file("empty")) }?.status == .refused)
  }

  @Test("an audit goes on from a checkpoint that was verified before, in one log and in an archive")
  func since() throws {
    let early = try #require(try log.writer.reader.checkpoint())
    var longer = log
    try longer.publish(upTo: 600)
    for folder in [log.archive, log.folder] {
      var verification = LogVerification(folder: folder, keys: [try log.key], held: [], ledger: nil)
      let middle = try #require(try longer.writer.reader.checkpoint())
      verification.since = [early]
      #expect(try verification.run().reports.map(\.entries) == [600])
      verification.since = [middle]
      let verdict = try verification.run()
      #expect(verdict.isValid)
      #expect(verdict.reports.map(\.skipped) == [512])
      #expect(verdict.reports.map(\.entries) == [88])
    }
  }

  @Test("the JSON verdict names the first failure: check, file and entry; a valid one has none")
  func firstFailure() throws {
    let valid = try verify(log.folder, keys: [try log.key]).json
    #expect(valid["first_failure"] == .null)
    #expect(valid["logs"]?.array?.first?["keys"]?.integer == 1)
    #expect(valid["logs"]?.array?.first?["notices"] == .array([]))
    let bundle = log.folder + "/tile/entries/000.p/10"
    var bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: bundle)))
    bytes[bytes.count - 10] ^= 1
    try FileManager.default.removeItem(atPath: bundle)
    try Data(bytes).write(to: URL(fileURLWithPath: bundle))
    let first = try #require(try verify(log.archive, keys: [try log.key]).json["first_failure"])
    #expect(first["check"]?.string == "leaf")
    #expect(first["file"]?.string == "tile/entries/000.p/10")
    #expect(first["sequence"]?.integer == 9)
  }

  @Test("too long a silence is a finding only when the auditor asks, by a clock that can be set")
  func interval() throws {
    var verification = LogVerification(folder: log.folder, keys: [try log.key], held: [], ledger: nil)
    verification.options.interval = 3600
    let last = try #require(try verification.run().reports[0].lastTime)
    verification.options.now = last + 3_600_000_000
    #expect(try verification.run().isValid)
    verification.options.now = last + 3_600_000_001
    #expect(try verification.run().reports[0].findings.map(\.check) == ["gap"])
  }

  @Test("a verifier key that is a link is never read, not even to find out whose log it is")
  func linkedKey() async throws {
    let key = try log.key
    let elsewhere = try scratch.write("elsewhere", key.text + "\n")
    try FileManager.default.removeItem(atPath: log.folder + "/vkey")
    try FileManager.default.createSymbolicLink(atPath: log.folder + "/vkey", withDestinationPath: elsewhere)
    #expect(await failure { _ = try verify(log.folder) }?.status == .refused)
    #expect(await failure { _ = try verify(log.archive) }?.status == .refused)
    #expect(try verify(log.folder, keys: [key]).reports[0].findings.map(\.check) == ["layout"])
  }

  @Test("keys come from the command line or from files, and nothing else passes for one")
  func keys() async throws {
    let key = try log.key
    let file = try scratch.write("keys", key.text + "\n")
    #expect(try VerifierKeys.read([key.text, "@" + file]) == [key, key])
    #expect(throws: (any Error).self) { try VerifierKeys.read(["nonsense"]) }
    try scratch.write("keys", "nonsense\n")
    #expect(await failure { _ = try VerifierKeys.read(["@" + file]) }?.status == .refused)
    try scratch.write("keys", "")
    #expect(await failure { _ = try VerifierKeys.read(["@" + file]) }?.status == .refused)
  }
}
