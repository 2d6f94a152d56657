import Audit
import Foundation
import Signing
import Testing

@testable import dsar

@Suite("copying a log")
struct LogDownloadTests {
  private let scratch: Scratch
  private let identity: TestIdentity
  private let held: HeldLog

  init() throws {
    scratch = try Scratch()
    identity = try TestIdentity()
    held = HeldLog(archive: scratch.file("copy"), tenant: TestIdentity.tenant)
  }

  private func export(
    _ log: SampleLog, keys: [NoteKey] = [], again: Bool = false, route: FakeService.Route? = nil
  ) async throws -> LogDownload.Outcome {
    let service = try FakeService(identity, route ?? log.route)
    try held.prepare(force: false)
    return try await LogDownload(
      client: try service.client(), log: held, keys: keys, again: again, progress: { _, _ in }
    ).run()
  }

  private func verify(_ log: SampleLog) throws -> LogVerdict {
    try LogVerification(folder: scratch.file("copy"), keys: [try log.key], held: [], ledger: nil).run()
  }

  @Test("a new copy has the archive's layout and passes every check", arguments: [3, 256, 300])
  func fresh(count: Int) async throws {
    var log = try SampleLog(archive: scratch.file("archive"))
    try log.appendErasure()
    try log.publish(upTo: count)
    let outcome = try await export(log)
    #expect(outcome.checkpoint.size == UInt64(count))
    #expect(outcome.heldBefore == nil)
    #expect(outcome.files == TilePlan.places(size: UInt64(count)).count)
    let verdict = try verify(log)
    #expect(verdict.isValid)
    #expect(verdict.reports.map(\.entries) == [UInt64(count)])
    #expect(verdict.reports.map(\.erasures) == [1])
    #expect(verdict.comparedLedger)
    let tenant = TestIdentity.tenant.uuidString.lowercased()
    #expect(
      try scratch.contents("copy/\(tenant)").filter { !$0.contains("/") }
        == ["checkpoint", "checkpoints", "tile", "vkey"])
    #expect(try scratch.text("copy/erasures/ledger") == scratch.text("archive/erasures/ledger"))
  }

  @Test("an export goes on from what is held, and narrower tiles go")
  func incremental() async throws {
    var log = try SampleLog(archive: scratch.file("archive"))
    try log.publish(upTo: 100)
    _ = try await export(log)
    try log.publish(upTo: 300)
    let outcome = try await export(log)
    #expect(outcome.heldBefore == 100)
    #expect(outcome.files == 5)
    let tenant = TestIdentity.tenant.uuidString.lowercased()
    #expect(
      try scratch.contents("copy/\(tenant)").filter { $0.contains(".p/") }
        == ["tile/0/001.p/44", "tile/1/000.p/1", "tile/entries/001.p/44"])
    #expect(try !scratch.contents("copy/\(tenant)").contains("tile/0/000.p"))
    let verdict = try verify(log)
    #expect(verdict.isValid)
    #expect(verdict.reports.map(\.checkpoints) == [2])
    #expect(try await export(log).files == 0)
  }

  @Test("a partial tile that gave way to the full one meanwhile is replaced by it")
  func overtaken() async throws {
    var log = try SampleLog(archive: scratch.file("archive"))
    try log.publish(upTo: 200)
    let old = try Data(contentsOf: URL(fileURLWithPath: log.folder + "/checkpoint"))
    try log.publish(upTo: 256)
    let route = log.route
    let outcome = try await export(log) { request in
      request.target == "/audit/checkpoint" ? .ok(Array(old)) : try route(request)
    }
    #expect(outcome.checkpoint.size == 200)
    let tenant = TestIdentity.tenant.uuidString.lowercased()
    #expect(scratch.exists("copy/\(tenant)/tile/entries/000"))
    let verdict = try verify(log)
    #expect(verdict.isValid)
    #expect(verdict.reports.map(\.unpublished) == [2])
  }

  @Test("a log that was cut off is refused with status 2, and the copy stays as it was")
  func rollback() async throws {
    var log = try SampleLog(archive: scratch.file("archive"))
    try log.publish(upTo: 50)
    let old = try Data(contentsOf: URL(fileURLWithPath: log.folder + "/checkpoint"))
    try log.publish(upTo: 60)
    _ = try await export(log)
    let route = log.route
    let failure = await failure {
      _ = try await export(log) { request in
        request.target == "/audit/checkpoint" ? .ok(Array(old)) : try route(request)
      }
    }
    #expect(failure == Failure(.notValid, "rollback: 60 entries are held, the server shows 50"))
    let verdict = try verify(log)
    #expect(verdict.isValid)
    #expect(verdict.reports.map(\.size) == [60])
  }

  @Test("a log that was rewritten is refused, longer or as long, and the copy stays as it was", arguments: [60, 300])
  func fork(size: Int) async throws {
    var log = try SampleLog(archive: scratch.file("archive"))
    try log.publish(upTo: 60)
    _ = try await export(log)
    var other = try SampleLog(archive: scratch.file("other"))
    try other.append(AuditRecord(action: .profileLocked))
    try other.publish(upTo: size)
    let failure = await failure { _ = try await export(other) }
    #expect(failure?.status == .notValid)
    #expect(failure?.line.hasPrefix("fork: ") == true)
    let verdict = try verify(log)
    #expect(verdict.isValid)
    #expect(verdict.reports.map(\.size) == [60])
    #expect(verdict.reports.map(\.unpublished) == [0])

    try log.publish(upTo: 310)
    #expect(try await export(log).heldBefore == 60)
    #expect(try verify(log).isValid)
  }

  @Test("another key than the held or the given one is refused")
  func keys() async throws {
    var log = try SampleLog(archive: scratch.file("archive"))
    try log.publish(upTo: 5)
    let other = try SampleLog(archive: scratch.file("other"), seed: 2)
    #expect(
      await failure { _ = try await export(log, keys: [try other.key]) }
        == Failure(.notValid, "the server's verifier key is not the given one"))
    _ = try await export(log, keys: [try other.key, try log.key])
    var forged = other
    try forged.publish(upTo: 9)
    #expect(
      await failure { _ = try await export(forged) }
        == Failure(.notValid, "the server names another verifier key than the one that is held"))
  }

  @Test("another tenant's log is refused")
  func otherTenant() async throws {
    var log = try SampleLog(archive: scratch.file("archive"), tenant: UUID())
    try log.publish(upTo: 5)
    #expect(await failure { _ = try await export(log) } == Failure(.notValid, "the checkpoint is of another log"))
  }

  @Test("a missing or short file that the checkpoint covers is refused with status 2", arguments: [true, false])
  func incomplete(missing: Bool) async throws {
    var log = try SampleLog(archive: scratch.file("archive"))
    try log.publish(upTo: 20)
    let route = log.route
    let failure = await failure {
      _ = try await export(log) { request in
        guard request.target.hasPrefix("/audit/tile/0/") else { return try route(request) }
        return missing ? .problem(404, "not-found", "No.") : .ok([1, 2, 3])
      }
    }
    #expect(failure?.status == .notValid)
    #expect(!scratch.exists("copy/\(TestIdentity.tenant.uuidString.lowercased())/checkpoint"))
  }

  @Test("tiles that don't lead to the signed root are not accepted")
  func wrongTiles() async throws {
    var log = try SampleLog(archive: scratch.file("archive"))
    try log.publish(upTo: 20)
    let route = log.route
    let failure = await failure {
      _ = try await export(log) { request in
        var answer = try route(request)
        if request.target.hasPrefix("/audit/tile/0/") { answer.body[40] ^= 1 }
        return answer
      }
    }
    #expect(failure == Failure(.notValid, "the downloaded files don't lead to the signed root"))
  }

  @Test("a ledger that lost a line, is damaged or speaks of others is refused")
  func ledgers() async throws {
    var log = try SampleLog(archive: scratch.file("archive"))
    try log.appendErasure()
    try log.publish(upTo: 5)
    _ = try await export(log)
    let route = log.route
    let line = try scratch.text("archive/erasures/ledger")
    let tenant = TestIdentity.tenant.uuidString.lowercased()
    let foreign = line.replacing(tenant, with: UUID().uuidString.lowercased())
    for (text, message) in [
      ("", "the erasure ledger doesn't continue the one that is held"),
      (line + "damaged\n", "the server's erasure ledger: not in the prescribed form, file erasures/ledger:2"),
      (line + foreign, "the erasure ledger has another tenant's lines"),
    ] {
      let failure = await failure {
        _ = try await export(log) { request in
          request.target == "/audit/ledger" ? .ok(text) : try route(request)
        }
      }
      #expect(failure == Failure(.notValid, message))
      #expect(try scratch.text("copy/erasures/ledger") == line)
    }
  }

  @Test("a log without a checkpoint is no log yet")
  func empty() async throws {
    let log = try SampleLog(archive: scratch.file("archive"))
    let failure = await failure { _ = try await export(log) }
    #expect(failure?.status == .refused)
    #expect(failure?.line.hasPrefix("the log has no checkpoint yet") == true)
  }

  @Test("a folder with something else in it is left alone, unless forced")
  func foreignFolder() async throws {
    try scratch.write("copy/thesis.txt", "")
    #expect(await failure { try held.prepare(force: false) }?.status == .refused)
    try held.prepare(force: true)
  }

  @Test("forced, what no held checkpoint covers is downloaded again; what one covers is not touched")
  func again() async throws {
    var log = try SampleLog(archive: scratch.file("archive"))
    try log.publish(upTo: 300)
    _ = try await export(log)
    #expect(try await export(log, again: true).files == 0)
    let tenant = TestIdentity.tenant.uuidString.lowercased()
    try FileManager.default.removeItem(atPath: scratch.file("copy/\(tenant)/checkpoint"))
    #expect(try await export(log).files == 0)
    try FileManager.default.removeItem(atPath: scratch.file("copy/\(tenant)/checkpoint"))
    #expect(try await export(log, again: true).files == 5)
    #expect(try verify(log).isValid)
  }
}
