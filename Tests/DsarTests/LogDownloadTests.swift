import Audit
import Foundation
import Signing
import Synchronization
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

  // MARK: Keys

  @Test("a log whose key was replaced is copied from any of its keys, and the copy names all", arguments: [0, 1, 2])
  func replacedKeys(given: Int) async throws {
    var log = try SampleLog(archive: scratch.file("archive"))
    try log.publish(upTo: 5)
    try log.rotate(seed: 3)
    try log.publish(upTo: 9)
    try log.rotate(seed: 4)
    try log.publish(upTo: 20)
    try log.publish(upTo: 300)
    let keys = try log.keys
    #expect(try await export(log, keys: [keys[given]]).checkpoint.size == 300)
    #expect(try held.verifierKeys() == keys)
    #expect(try verify(log).isValid)
  }

  @Test("a copy follows the replacement of the key, also when it wasn't there for the checkpoint that both signed")
  func followsReplacement() async throws {
    var log = try SampleLog(archive: scratch.file("archive"))
    try log.publish(upTo: 5)
    _ = try await export(log)
    try log.rotate(seed: 3)
    try log.publish(upTo: 9)
    try log.publish(upTo: 12)
    #expect(try await export(log).heldBefore == 5)
    try log.publish(upTo: 14)
    #expect(try await export(log).heldBefore == 12)
    #expect(try held.verifierKeys() == log.keys)
    #expect(try verify(log).isValid)
  }

  @Test("a key that no entry names, or that no checkpoint by the old one confirms, isn't believed")
  func inventedKey() async throws {
    var log = try SampleLog(archive: scratch.file("archive"))
    try log.publish(upTo: 5)
    _ = try await export(log)
    let old = try log.key
    let next = try SampleLog.signer(log.origin, 9)
    try log.publish(upTo: 8)
    let unnamed = try log.checkpoint(size: 8, by: [next]).text
    let keys = "\(old)\n\(try next.verifierKey())\n"
    var route = log.route
    func serve(_ note: String, _ keys: String, list: Bool) -> FakeService.Route {
      { [route] request in
        switch request.target.split(separator: "?")[0] {
        case "/audit/checkpoint": .ok(note)
        case "/audit/key": .ok(keys)
        case "/audit/checkpoints" where !list: .ok(#"{"items":[]}"#)
        default: try route(request)
        }
      }
    }
    let expected = Failure(.notValid, "the server's checkpoint is not signed by the key whose time it is")
    #expect(await failure { _ = try await export(log, route: serve(unnamed, keys, list: true)) } == expected)

    // Whoever stole nothing writes an announcement of their own, and signs with their own key alone.
    try log.rotate(seed: 9)
    try log.publish(upTo: 12)
    let named = try log.checkpoint(size: 12, by: [next]).text
    route = log.route
    let failure = await failure { _ = try await export(log, route: serve(named, keys, list: false)) }
    #expect(failure?.status == .notValid)
    #expect(failure?.line == "entry 8 names a new key, and no checkpoint by the old key confirms it")
    #expect(try held.checkpoint()?.body.contains("\n5\n") == true)
  }

  @Test("a retired key that was stolen signs nothing new")
  func retiredKey() async throws {
    var log = try SampleLog(archive: scratch.file("archive"))
    try log.publish(upTo: 5)
    try log.rotate(seed: 3)
    try log.publish(upTo: 9)
    _ = try await export(log)
    try log.publish(upTo: 12)
    let stolen = try log.checkpoint(size: 12, by: [log.signers[0]]).text
    let route = log.route
    let failure = await failure {
      _ = try await export(log) { $0.target == "/audit/checkpoint" ? .ok(stolen) : try route($0) }
    }
    #expect(failure == Failure(.notValid, "the server's checkpoint is not signed by the key whose time it is"))
    #expect(try await export(log).heldBefore == 9)
  }

  // MARK: Seals and retention

  @Test("manifests and every checkpoint that they count are copied, and later ones are added")
  func sealed() async throws {
    var log = try SampleLog(archive: scratch.file("archive"))
    for size in [2, 3, 5, 8, 13, 300] { try log.publish(upTo: size) }
    try log.seal()
    try log.publish(upTo: 310)
    _ = try await export(log)
    let tenant = TestIdentity.tenant.uuidString.lowercased()
    #expect(try scratch.contents("copy/\(tenant)/segments") == ["00000000000000000000"])
    #expect(
      try scratch.contents("copy/\(tenant)/checkpoints") == scratch.contents("archive/\(tenant)/checkpoints"))
    for name in try scratch.contents("copy/\(tenant)/checkpoints") {
      #expect(
        try scratch.text("copy/\(tenant)/checkpoints/\(name)")
          == scratch.text("archive/\(tenant)/checkpoints/\(name)"))
    }
    #expect(try verify(log).isValid)
    try log.publish(upTo: 320)
    try log.publish(upTo: 330)
    try log.seal()
    _ = try await export(log)
    #expect(try scratch.contents("copy/\(tenant)/segments").count == 2)
    #expect(try scratch.contents("copy/\(tenant)/checkpoints").count == 9)
    #expect(try verify(log).isValid)
  }

  @Test("a manifest that doesn't continue the one before is refused")
  func brokenSeals() async throws {
    var log = try SampleLog(archive: scratch.file("archive"))
    try log.publish(upTo: 10)
    try log.seal()
    _ = try await export(log)
    try log.publish(upTo: 20)
    let route = log.route
    let first = try scratch.text("archive/\(TestIdentity.tenant.uuidString.lowercased())/segments/00000000000000000000")
    let failure = await failure {
      _ = try await export(log) { $0.target.hasSuffix("/segments/00000000000000000001") ? .ok(first) : try route($0) }
    }
    #expect(failure?.status == .notValid)
    #expect(failure?.line.hasSuffix("doesn't continue the one before") == true)
  }

  @Test("from a service that doesn't list its checkpoints, no manifests are taken that count them")
  func withoutList() async throws {
    var log = try SampleLog(archive: scratch.file("archive"))
    try log.publish(upTo: 5)
    try log.publish(upTo: 9)
    try log.seal()
    let route = log.route
    _ = try await export(log) { request in
      request.target.hasPrefix("/audit/checkpoints?") ? .problem(404, "not-found", "No.") : try route(request)
    }
    let tenant = TestIdentity.tenant.uuidString.lowercased()
    #expect(!scratch.exists("copy/\(tenant)/segments"))
    #expect(try scratch.contents("copy/\(tenant)/checkpoints") == ["00000000000000000009"])
    _ = try await export(log)
    #expect(scratch.exists("copy/\(tenant)/segments/00000000000000000000"))
    #expect(try scratch.contents("copy/\(tenant)/checkpoints").count == 2)
    #expect(try verify(log).isValid)
  }

  @Test("a retention note that goes back is refused")
  func retentionGoesBack() async throws {
    var log = try SampleLog(archive: scratch.file("archive"))
    try log.publish(upTo: 600)
    try log.seal()
    let tenant = TestIdentity.tenant.uuidString.lowercased()
    try log.expire(before: 256)
    let early = try scratch.text("archive/\(tenant)/retention")
    try log.expire(before: 512)
    _ = try await export(log)
    let route = log.route
    let failure = await failure {
      _ = try await export(log) { $0.target == "/audit/retention" ? .ok(early) : try route($0) }
    }
    #expect(failure == Failure(.notValid, "the server's retention note goes back"))
  }

  @Test("entries that were deleted at the end of their time may be missing, and no others")
  func expired() async throws {
    var log = try SampleLog(archive: scratch.file("archive"))
    try log.publish(upTo: 600)
    try log.seal()
    try log.expire(before: 256)
    let route = log.route
    let without: FakeService.Route = { request in
      request.target == "/audit/retention" ? .problem(404, "not-found", "No.") : try route(request)
    }
    #expect(
      await failure { _ = try await export(log, route: without) }
        == Failure(.notValid, "the server lacks tile/entries/000, which its checkpoint covers"))
    _ = try await export(log)
    #expect(scratch.exists("copy/\(TestIdentity.tenant.uuidString.lowercased())/retention"))
    let verdict = try verify(log)
    #expect(verdict.reports.flatMap(\.findings) == [])
    #expect(verdict.reports.map(\.expired) == [256])
    #expect(
      await failure { _ = try await export(log, route: without) }
        == Failure(.notValid, "the server has no retention note any more"))
  }

  @Test("entries that are deleted while the log is copied: the checkpoint that covers their announcement is taken")
  func expiredMeanwhile() async throws {
    var log = try SampleLog(archive: scratch.file("archive"))
    try log.publish(upTo: 600)
    try log.seal()
    let tenant = TestIdentity.tenant.uuidString.lowercased()
    let early = try scratch.text("archive/\(tenant)/checkpoint")
    try log.expire(before: 512)
    let route = log.route
    let asked = Mutex(0)
    let outcome = try await export(log) { request in
      guard request.target == "/audit/checkpoint" else { return try route(request) }
      let isFirst = asked.withLock { count in
        count += 1
        return count == 1
      }
      return isFirst ? .ok(early) : try route(request)
    }
    #expect(asked.withLock { $0 } == 2)
    #expect(outcome.checkpoint.size == 601)
    #expect(!scratch.exists("copy/\(tenant)/tile/entries/002.p/88"))
    let verdict = try verify(log)
    #expect(verdict.reports.flatMap(\.findings) == [])
    #expect(verdict.reports.map(\.expired) == [512])
  }

  @Test("a retention note that no entry repeats is refused, and leaves nothing behind", arguments: [0, 300])
  func unannounced(heldSize: Int) async throws {
    var log = try SampleLog(archive: scratch.file("archive"))
    if heldSize > 0 {
      try log.publish(upTo: heldSize)
      _ = try await export(log)
    }
    try log.publish(upTo: 600)
    try log.seal()
    let early = try #require(try log.writer.reader.checkpoint()).text
    try log.expire(before: 256)
    let route = log.route
    let failure = await failure {
      _ = try await export(log) { $0.target == "/audit/checkpoint" ? .ok(early) : try route($0) }
    }
    #expect(
      failure == Failure(.notValid, "no entry that the server's checkpoint covers says what its retention note says"))
    let tenant = TestIdentity.tenant.uuidString.lowercased()
    #expect(!scratch.exists("copy/\(tenant)/retention"))
    #expect(scratch.exists("copy/\(tenant)/checkpoint") == (heldSize > 0))
    #expect(!scratch.exists("copy/\(tenant)/tile/entries/001"))
    if heldSize > 0 {
      let verdict = try verify(log)
      #expect(verdict.isValid)
      #expect(verdict.reports.map(\.size) == [300])
    }
  }

  @Test("an export that fails behind the retention note leaves the copy as it was, and the next one takes the note")
  func failsBehindRetention() async throws {
    var log = try SampleLog(archive: scratch.file("archive"))
    try log.publish(upTo: 600)
    try log.seal()
    _ = try await export(log)
    try log.expire(before: 256)
    let route = log.route
    let tenant = TestIdentity.tenant.uuidString.lowercased()
    let failed = await failure {
      _ = try await export(log) { request in
        request.target.hasPrefix("/audit/checkpoints?") ? .problem(503, "unavailable", "Later.") : try route(request)
      }
    }
    #expect(failed?.status == .refused)
    #expect(!scratch.exists("copy/\(tenant)/retention"))
    #expect(try verify(log).reports.map(\.findings) == [[]])
    #expect(try verify(log).reports.map(\.size) == [600])
    _ = try await export(log)
    #expect(scratch.exists("copy/\(tenant)/retention"))
    #expect(try verify(log).reports.map(\.findings) == [[]])
    #expect(try verify(log).reports.map(\.size) == [601])
  }

  @Test("witnesses' lines stay below the newest checkpoint, and out of those that manifests count")
  func witnesses() async throws {
    var log = try SampleLog(archive: scratch.file("archive"))
    try log.publish(upTo: 5)
    let note = try #require(try log.writer.reader.checkpoint())
    let line = try Cosignature.sign(note.body, by: try .generate(.ed25519), name: "witness.example", at: 1_767_139_300)
    let witnessed = try note.adding([line]).text
    let route = log.route
    _ = try await export(log) { $0.target == "/audit/checkpoint" ? .ok(witnessed) : try route($0) }
    let tenant = TestIdentity.tenant.uuidString.lowercased()
    #expect(try scratch.text("copy/\(tenant)/checkpoint") == witnessed)
    #expect(try scratch.text("copy/\(tenant)/checkpoints/00000000000000000005") == note.text)
    #expect(try verify(log).isValid)
  }
}
