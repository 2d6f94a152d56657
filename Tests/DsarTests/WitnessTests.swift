import Audit
import Foundation
import Signing
import StrictJSON
import Synchronization
import Testing

@testable import dsar

@Suite("witnessing a log")
struct WitnessTests {
  private let house: WitnessHouse
  private var log: SampleLog

  init() throws {
    house = try WitnessHouse()
    log = try SampleLog(archive: house.scratch.file("archive"))
  }

  /// A log that shares nothing with the one witnessed but its name and its key.
  private func other(_ size: Int, sharing: Int = 0) throws -> SampleLog {
    var other = try SampleLog(archive: house.scratch.file("other-" + UUID().uuidString))
    for _ in 0..<sharing { try other.append() }
    try other.append(AuditRecord(action: .profileLocked))
    try other.publish(upTo: size)
    return other
  }

  // MARK: Signing

  @Test("the first checkpoint and every one that continues it are cosigned, and each once")
  mutating func rounds() async throws {
    try log.publish(upTo: 3)
    let first = try await house.round(log.route, keys: [try log.key])
    #expect(first == .cosigned(try #require(try log.writer.lastCheckpoint())))
    #expect(try await house.round(log.route) == .unchanged(try #require(try log.writer.lastCheckpoint())))
    try log.publish(upTo: 300)
    try await house.round(log.route)
    #expect(try house.sizes == [3, 300])
    for note in house.handedIn {
      let lines = try note.cosignatures(by: [try house.witness])
      #expect(lines.map(\.time) == [UInt64(WitnessHouse.time)])
      try note.verified(by: [try log.key])
      #expect(note.signatures.count == 2)
    }
  }

  @Test(
    "growth across the edges of tiles is followed",
    arguments: [[1, 2], [255, 256, 257], [256, 511, 512, 513], [0, 1, 700]])
  mutating func growth(sizes: [Int]) async throws {
    for size in sizes {
      try log.publish(upTo: size)
      try await house.round(log.route)
    }
    #expect(try house.sizes == sizes.map(UInt64.init))
  }

  @Test("what a path tells of the entries before is their root, for all sizes up to 70")
  func prefixes() {
    let leaves = (0..<70).map { MerkleTree.leafHash(Array("entry \($0)".utf8)) }
    for size in 1...70 {
      let tree = Array(leaves[..<size])
      for index in 0..<size {
        let path = MerkleTree.inclusionProof(index: UInt64(index), of: tree) ?? []
        let root = PrefixProof.root(before: UInt64(index), size: UInt64(size), path: path)
        #expect(root == MerkleTree.root(of: Array(leaves[..<index])), "\(index) in \(size)")
      }
    }
  }

  @Test("the folder is the user's alone and says what was signed")
  mutating func status() async throws {
    try log.publish(upTo: 3)
    try await house.round(log.route)
    for name in ["witness", "vkey", "checkpoint", "cosigned", "submitted", "lock"] {
      #expect(try house.scratch.mode("state/" + name) == 0o600)
    }
    #expect(try house.scratch.mode("state") == 0o700)
    let status = try WitnessStatus(house.state)
    #expect(status.conflict == nil)
    #expect(status.json["size"]?.integer == 3)
    #expect(status.json["origin"]?.string == log.origin.text)
    #expect(status.json["witness"]?.string == (try house.witness.text))
    #expect(status.json["cosigned_at"]?.string == "2025-12-31T16:53:20Z")
    #expect(status.json["submitted"]?.bool == true)
    #expect(status.json["conflict"]?.isNull == true)
  }

  // MARK: Interruptions

  @Test("what couldn't be handed in is handed in by the next round")
  mutating func handedInLater() async throws {
    try log.publish(upTo: 3)
    let route = log.route
    let failing = await failure {
      let service = try FakeService(house.identity) { request in
        request.method == "POST" ? .problem(503, "unavailable", "Later.") : try route(request)
      }
      _ = try await WitnessRound(
        remote: RemoteLog(client: try service.client()), state: house.state, key: house.key,
        name: WitnessHouse.name, keys: []
      ).run()
    }
    #expect(failing?.status == .refused)
    #expect(try house.state.checkpoint()?.head.size == 3)
    #expect(try WitnessStatus(house.state).json["submitted"]?.bool == false)
    try await house.round(log.route)
    #expect(try house.sizes == [3])
    #expect(try WitnessStatus(house.state).json["submitted"]?.bool == true)
  }

  @Test("a checkpoint is kept before it is signed")
  mutating func order() async throws {
    let file = house.state.folder + "/checkpoint"
    // The clock is asked for the time of the signature.
    let keptAtSigning = Mutex<[String]>([])
    for size in [3, 9] {
      try log.publish(upTo: size)
      try await house.round(log.route) {
        let kept = FileManager.default.contents(atPath: file).map { String(decoding: $0, as: UTF8.self) }
        keptAtSigning.withLock { $0.append(kept ?? "nothing") }
        return WitnessHouse.time
      }
    }
    let published = try log.writer.reader.checkpointSizes(above: 0).map {
      try log.writer.reader.checkpoint(size: $0).text
    }
    #expect(keptAtSigning.withLock { $0 } == published)
  }

  @Test("nothing is signed that couldn't be kept")
  mutating func unkept() async throws {
    try log.publish(upTo: 3)
    try house.scratch.write("state/vkey/in-the-way", "")
    #expect(await failure { try await house.round(log.route) }?.status == .refused)
    #expect(house.handedIn.isEmpty)
    #expect(!house.scratch.exists("state/cosigned"))
  }

  @Test("stopped between keeping and signing, it goes on from what it kept, and a shorter log is a rollback")
  mutating func stoppedBeforeSigning() async throws {
    try log.publish(upTo: 3)
    let early = log.route
    let archive = house.scratch.file("archive")
    let copy = house.scratch.file("early")
    try FileManager.default.copyItem(atPath: archive, toPath: copy)
    try log.publish(upTo: 9)
    let note = try #require(try log.writer.reader.checkpoint())
    try FileManager.default.createDirectory(atPath: house.state.folder, withIntermediateDirectories: true)
    try house.state.write(witness: try house.witness)
    try house.state.write(keys: try log.keys)
    try house.state.write(checkpoint: note)
    try await house.round(log.route)
    #expect(try house.sizes == [9])

    let shorter: FakeService.Route = { request in
      guard request.target == "/audit/checkpoint" else { return try early(request) }
      let path = copy + "/" + TestIdentity.tenant.uuidString.lowercased() + "/checkpoint"
      return .ok(Array(FileManager.default.contents(atPath: path) ?? Data()))
    }
    for _ in 1..<WitnessRound.shorterRounds {
      let failed = await failure { try await house.round(shorter) }
      #expect(failed?.line.hasPrefix("the log is shorter than before") == true)
    }
    #expect(await failure { try await house.round(shorter) }?.line.hasPrefix("rollback: ") == true)
  }

  @Test("two rounds don't run at once in one folder")
  mutating func locked() async throws {
    try log.publish(upTo: 3)
    let route = log.route
    let second = try await house.state.locked { await failure { try await house.round(route) } }
    #expect(second == Failure(.refused, "another witness is at work in \(house.state.folder)"))
    #expect(house.handedIn.isEmpty)
    try await house.round(route)
    #expect(try house.sizes == [3])
  }

  // MARK: Attacks

  @Test("a log that was rolled back ends the witnessing for good, with both notes as evidence")
  mutating func rollback() async throws {
    try log.publish(upTo: 9)
    let earlier = try log.checkpoint(size: 4, by: log.signers)
    try await house.round(log.route)
    let route = log.route
    let shorter: FakeService.Route = { $0.target == "/audit/checkpoint" ? .ok(earlier.text) : try route($0) }
    for _ in 1..<WitnessRound.shorterRounds {
      #expect(await failure { try await house.round(shorter) }?.status == .notValid)
      #expect(try house.state.conflict() == nil)
    }
    let failed = await failure { try await house.round(shorter) }
    #expect(failed == WitnessRound.ended(.rollback, house.state))
    #expect(failed?.status == .notValid)
    let conflict = try #require(try house.state.conflict())
    #expect(conflict.kind == .rollback)
    #expect(conflict.held == (try log.writer.reader.checkpoint()))
    #expect(conflict.shown == earlier)

    // Not even the right log gets a signature any more.
    try log.publish(upTo: 12)
    #expect(await failure { try await house.round(log.route) } == WitnessRound.ended(.rollback, house.state))
    #expect(try house.sizes == [9])
    #expect(try WitnessStatus(house.state).json["conflict"]?.string == "rollback")
  }

  @Test("an old answer fails its round and no other one; only in a row are they a rollback")
  mutating func oldAnswers() async throws {
    try log.publish(upTo: 9)
    let earlier = try log.checkpoint(size: 4, by: log.signers).text
    try await house.round(log.route)
    for size in [9, 12, 300] {
      try log.publish(upTo: size)
      let route = log.route
      for count in 1..<WitnessRound.shorterRounds {
        let failed = await failure {
          try await house.round { $0.target == "/audit/checkpoint" ? .ok(earlier) : try route($0) }
        }
        #expect(failed?.status == .notValid)
        #expect(failed?.line.hasSuffix("for the \(count). of 3 rounds in a row; nothing is signed") == true)
        let status = try WitnessStatus(house.state)
        #expect(status.json["shorter_rounds"]?.integer == Int64(count))
        #expect(status.conflict == nil)
      }
      try await house.round(route)
      #expect(try WitnessStatus(house.state).json["shorter_rounds"]?.integer == 0)
    }
    #expect(try house.sizes == [9, 12, 300])
  }

  @Test("a log that is shorter and has other entries ends the witnessing at once, and the evidence proves it")
  mutating func shorterFork() async throws {
    try log.publish(upTo: 9)
    try await house.round(log.route)
    let forged = try other(7, sharing: 5).writer.reader.checkpoint()
    let note = try #require(forged)
    let route = log.route
    let shorter: FakeService.Route = { $0.target == "/audit/checkpoint" ? .ok(note.text) : try route($0) }
    #expect(await failure { try await house.round(shorter) } == WitnessRound.ended(.fork, house.state))
    let conflict = try #require(try house.state.conflict())
    #expect(conflict.shown == note)
    let receipt = try Receipt(parsing: String(conflict.proof.split(separator: "\n", maxSplits: 1)[1]))
    #expect(receipt.checkpoint == conflict.held)
    let past = PrefixProof.root(before: 7, size: 9, path: receipt.path)
    #expect(past == MerkleTree.root(of: log.entries[..<7].map(MerkleTree.leafHash)))
    #expect(past != (try Checkpoint(parsing: note.body).root))
    #expect(await failure { try await house.round(route) } == WitnessRound.ended(.fork, house.state))
  }

  @Test("a log put back to an older state, without the files of the longer one, is a rollback all the same")
  mutating func lostFiles() async throws {
    try log.publish(upTo: 300)
    try await house.round(log.route)
    var older = try SampleLog(archive: house.scratch.file("older"))
    try older.publish(upTo: 4)
    for _ in 1..<WitnessRound.shorterRounds {
      #expect(await failure { try await house.round(older.route) }?.line.hasPrefix("the log is shorter") == true)
    }
    #expect(await failure { try await house.round(older.route) } == WitnessRound.ended(.rollback, house.state))
  }

  @Test("a fork ends the witnessing for good, whether it is as long or longer", arguments: [9, 12, 300])
  mutating func fork(size: Int) async throws {
    try log.publish(upTo: 9)
    try await house.round(log.route)
    let fork = try other(size, sharing: 5)
    #expect(await failure { try await house.round(fork.route) } == WitnessRound.ended(.fork, house.state))
    let conflict = try #require(try house.state.conflict())
    #expect(conflict.held == (try log.writer.reader.checkpoint()))
    #expect(conflict.shown == (try fork.writer.reader.checkpoint()))
    if size > 9 {
      // The proof is whole: a leaf, its path to the root shown, and beside the path another past than the one held.
      let lines = conflict.proof.split(separator: "\n", maxSplits: 1)
      let bytes = try #require(StrictBase64.decode(lines[0].dropFirst(5), .standard))
      let receipt = try Receipt(parsing: String(lines[1]))
      let head = try Checkpoint(parsing: receipt.checkpoint.body)
      let leaf = try #require(SHA256Digest(bytes))
      #expect(
        MerkleTree.verifyInclusion(leaf: leaf, index: 9, size: head.size, proof: receipt.path, root: head.root))
      let past = PrefixProof.root(before: 9, size: head.size, path: receipt.path)
      #expect(past == MerkleTree.root(of: fork.entries[..<9].map(MerkleTree.leafHash)))
      #expect(past != (try Checkpoint(parsing: conflict.held.body).root))
    }
    try log.publish(upTo: 400)
    #expect(await failure { try await house.round(log.route) } == WitnessRound.ended(.fork, house.state))
    #expect(try house.sizes == [9])
  }

  @Test("tiles that don't lead to the signed root get no signature, and are no evidence")
  mutating func wrongTiles() async throws {
    try log.publish(upTo: 9)
    try await house.round(log.route)
    try log.publish(upTo: 20)
    let route = log.route
    for spoil in [0, 9, 19] {
      let failed = await failure {
        try await house.round { request in
          var answer = try route(request)
          if request.target.hasPrefix("/audit/tile/0/") { answer.body[32 * spoil] ^= 1 }
          return answer
        }
      }
      #expect(failed == Failure(.notValid, "the server's tiles don't lead to its signed root; nothing is signed"))
    }
    #expect(try house.state.conflict() == nil)
    try await house.round(route)
    #expect(try house.sizes == [9, 20])
  }

  @Test("another key than the held or the given one gets no signature")
  mutating func keys() async throws {
    try log.publish(upTo: 3)
    let strange = try SampleLog(archive: house.scratch.file("strange"), seed: 2)
    #expect(
      await failure { try await house.round(log.route, keys: [try strange.key]) }
        == Failure(.notValid, "the server's verifier key is not the given one"))
    try await house.round(log.route, keys: [try log.key])
    var forged = strange
    try forged.publish(upTo: 9)
    #expect(
      await failure { try await house.round(forged.route) }
        == Failure(.notValid, "the server names another verifier key than the one that is held"))
    #expect(try house.sizes == [3])
    #expect(try house.state.conflict() == nil)
  }

  @Test("a replaced key is followed, wherever the witness was meanwhile")
  mutating func replacedKey() async throws {
    try log.publish(upTo: 3)
    try await house.round(log.route)
    try log.rotate(seed: 3)
    try log.publish(upTo: 6)
    try log.publish(upTo: 300)
    try await house.round(log.route)
    #expect(try house.state.keys() == log.keys)
    try log.rotate(seed: 4)
    try log.publish(upTo: 301)
    try await house.round(log.route)
    try log.publish(upTo: 310)
    try await house.round(log.route)
    #expect(try house.state.keys() == log.keys)
    #expect(try house.sizes == [3, 300, 301, 310])

    let stolen = try log.checkpoint(size: 310, by: [log.signers[0]])
    try log.publish(upTo: 320)
    let larger = try log.checkpoint(size: 320, by: [log.signers[1]])
    let route = log.route
    for note in [stolen, larger] {
      let failed = await failure {
        try await house.round { $0.target == "/audit/checkpoint" ? .ok(note.text) : try route($0) }
      }
      #expect(failed?.status == .notValid)
    }
    #expect(try house.state.conflict() == nil)
    #expect(try house.sizes == [3, 300, 301, 310])
  }

  @Test("the folder of another log, or of another witness, is refused")
  mutating func otherFolder() async throws {
    try log.publish(upTo: 3)
    try await house.round(log.route)
    let tenant = UUID()
    var second = try SampleLog(archive: house.scratch.file("second"), tenant: tenant)
    try second.publish(upTo: 5)
    let failed = await failure { try await house.round(second.route, tenant: tenant) }
    #expect(
      failed
        == Failure(
          .refused, "\(house.state.folder) belongs to the log \(log.origin), not to that of this session"))
    #expect(await failure { try await house.round(second.route) }?.line == "the checkpoint is of another log")
    try log.publish(upTo: 6)
    let renamed = await failure { try await house.round(log.route, name: "somebody.else") }
    #expect(renamed?.line.contains("belongs to another witness") == true)
    #expect(try house.sizes == [3])
  }

  @Test("a folder whose checkpoint was taken back or removed signs nothing")
  mutating func takenBack() async throws {
    try log.publish(upTo: 3)
    try await house.round(log.route)
    let early = try house.scratch.text("state/checkpoint")
    try log.publish(upTo: 9)
    try await house.round(log.route)
    let damaged = Failure(.refused, "\(house.state.folder)/checkpoint is damaged; nothing is signed")
    try house.scratch.write("state/checkpoint", early)
    #expect(await failure { try await house.round(log.route) } == damaged)
    try FileManager.default.removeItem(atPath: house.scratch.file("state/checkpoint"))
    #expect(await failure { try await house.round(log.route) } == damaged)
    #expect(try house.sizes == [3, 9])
  }

  // MARK: The program

  @Test("init makes a key that only its owner can read, prints the verifier key, and replaces nothing")
  func initialise() async throws {
    let scratch = house.scratch
    let made = try await DsarProcess.run(
      ["audit", "witness", "init", "--name", "w.example", "--key-file", "w.pem"], in: scratch)
    #expect(made.status == 0)
    #expect(try scratch.mode("w.pem") == 0o600)
    let key = try SigningKeyFile.load(from: scratch.file("w.pem"))
    #expect(made.output == (try WitnessKey(name: "w.example", key: key.publicKey).text) + "\n")
    let again = try await DsarProcess.run(
      ["audit", "witness", "init", "--name", "w.example", "--key-file", "w.pem"], in: scratch)
    #expect(again.status == 1)
    #expect(try SigningKeyFile.load(from: scratch.file("w.pem")).publicKey == key.publicKey)
    let wrong = try await DsarProcess.run(
      ["audit", "witness", "init", "--name", "two words", "--key-file", "x.pem"], in: scratch)
    #expect(wrong.status == 1)
    #expect(!scratch.exists("x.pem"))
  }

  @Test("run cosigns, status and list tell; a key that others can read is refused; a rollback ends with 2")
  mutating func commands() async throws {
    try log.publish(upTo: 5)
    let earlier = try log.checkpoint(size: 2, by: log.signers).text
    let scratch = house.scratch
    try scratch.write("w.pem", String(decoding: try house.key.privatePEM(), as: UTF8.self))
    let route = log.route
    let marker = scratch.file("roll-back")
    let server = try LoopbackServer(
      house.identity,
      try house.taking { request in
        if request.target.hasPrefix("/audit/cosignatures?") {
          return .ok(#"{"items":[{"size":5,"witness":"w.example","time":"2026-11-21T09:42:54Z"}],"next":null}"#)
        }
        let isBack = FileManager.default.fileExists(atPath: marker)
        return request.target == "/audit/checkpoint" && isBack ? .ok(earlier) : try route(request)
      })
    try scratch.write("token", try house.identity.token())
    try scratch.write("key.pem", String(decoding: try house.identity.key.privatePEM(), as: UTF8.self))
    let login = try await DsarProcess.run(
      ["login", "--server", server.origin, "--token-file", "token", "--key-file", "key.pem"], in: scratch)
    #expect(login.status == 0)

    let run = ["audit", "witness", "run", "--state", "state", "--key-file", "w.pem"]
    #expect(try await DsarProcess.run(run, in: scratch).status == 64)
    let named = run + ["--name", WitnessHouse.name, "--key", try log.key.text]
    try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: scratch.file("w.pem"))
    let exposed = try await DsarProcess.run(named, in: scratch)
    #expect(exposed.status == 1)
    #expect(exposed.notes.hasPrefix("dsar: the witness's key can't be used: "))
    #expect(house.handedIn.isEmpty)
    try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: scratch.file("w.pem"))

    let first = try await DsarProcess.run(named, in: scratch)
    #expect(first.status == 0)
    #expect(first.output.hasPrefix("cosigned \(log.origin) 5 "))
    #expect(first.notes.isEmpty)
    let second = try await DsarProcess.run(run + ["--once", "--json"], in: scratch)
    #expect(try JSONValue(parsing: Array(second.output.utf8))["outcome"]?.string == "unchanged")
    #expect(try house.sizes == [5])
    let status = try await DsarProcess.run(["audit", "witness", "status", "--state", "state", "--json"], in: scratch)
    #expect(status.status == 0)
    #expect(try JSONValue(parsing: Array(status.output.utf8))["size"]?.integer == 5)
    let list = try await DsarProcess.run(["audit", "witness", "list"], in: scratch)
    #expect(list.output == "SIZE  WITNESS    TIME\n5     w.example  2026-11-21T09:42:54Z\n")

    try scratch.write("roll-back", "")
    for _ in 1..<WitnessRound.shorterRounds {
      let stale = try await DsarProcess.run(run, in: scratch)
      #expect(stale.status == 2)
      #expect(stale.notes.hasPrefix("dsar: the log is shorter than before (2 entries, not 5)"))
      let status = ["audit", "witness", "status", "--state", "state"]
      #expect(try await DsarProcess.run(status, in: scratch).status == 0)
    }
    // Not even one that runs again and again goes on.
    let back = try await DsarProcess.run(run + ["--every", "1"], in: scratch)
    #expect(back.status == 2)
    #expect(back.notes.hasPrefix("dsar: rollback: "))
    #expect(try await DsarProcess.run(["audit", "witness", "status", "--state", "state"], in: scratch).status == 2)
    try FileManager.default.removeItem(atPath: marker)
    #expect(try await DsarProcess.run(run, in: scratch).status == 2)
  }
}
