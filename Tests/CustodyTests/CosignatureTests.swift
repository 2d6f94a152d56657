import Audit
import Foundation
import Policies
import Signing
import StrictJSON
import Testing

@testable import Custody

@Suite("Cosignatures of witnesses")
struct CosignatureTests {
  /// A witness with a key of its own.
  private struct Witness {
    let name: String
    let key: SigningKey

    init(_ name: String) throws {
      self.name = name
      key = try SigningKey.generate(.ed25519)
    }

    var verifier: WitnessKey {
      get throws { try WitnessKey(name: name, key: key.publicKey) }
    }

    func cosign(_ note: SignedNote, at time: UInt64? = nil) throws -> SignedNote {
      let now = UInt64(Microseconds.now() / 1_000_000)
      return try note.adding([Cosignature.sign(note.body, by: key, name: name, at: time ?? now)])
    }
  }

  private func published(_ house: House) async throws -> SignedNote {
    _ = try await house.server.checkpointer.publish(house.tenant)
    return try #require(try house.reading.archive(of: house.tenant).checkpoint())
  }

  @Test("a known witness's is kept once, without an entry, and shown with its checkpoint and no other")
  func kept() async throws {
    try await withHouse { house in
      _ = try await house.profile()
      let witness = try Witness("witness.example.com")
      let note = try await published(house)
      let size = try Checkpoint(parsing: note.body).size
      let cosigned = try witness.cosign(note)
      let keys = [try witness.verifier]

      let (first, lines) = try await house.added {
        try await house.reading.witness(cosigned, by: keys, house.auditor)
      }
      #expect(first.new == 1)
      #expect(first.cosignatures.map(\.position.witness) == ["witness.example.com"])
      #expect(first.cosignatures.map(\.position.size) == [Int64(size)])
      // An entry would be another checkpoint to witness, and so on.
      #expect(lines.isEmpty)

      // The same again, and a later one of the same checkpoint: nothing new.
      let later = try witness.cosign(note, at: 1)
      for repeated in [cosigned, later] {
        let (again, more) = try await house.added {
          try await house.reading.witness(repeated, by: keys, house.auditor)
        }
        #expect(again.new == 0)
        #expect(more.isEmpty)
      }
      let shown = try #require(try await house.reading.checkpoint(house.auditor))
      #expect(shown == cosigned)
      try shown.verified(by: [try house.server.checkpointer.signer(of: house.tenant).verifierKey()])
      #expect(try shown.cosignatures(by: keys).count == 1)
      let receipt = try await house.reading.receipt(0, house.auditor)
      #expect(receipt.checkpoint == cosigned)

      // The next checkpoint has none.
      _ = try await house.profile()
      let next = try await published(house)
      #expect(next != note)
      let bare = try await house.reading.checkpoint(house.auditor)
      #expect(bare == next)
    }
  }

  @Test("lines by anybody else are ignored, and a note with none but those is refused")
  func strangers() async throws {
    try await withHouse { house in
      let known = try Witness("known.example.com")
      let stranger = try Witness("stranger.example.com")
      // The known name over a key of its own.
      let impostor = try Witness("known.example.com")
      let note = try await published(house)
      let keys = [try known.verifier]
      for witness in [stranger, impostor] {
        let cosigned = try witness.cosign(note)
        await #expect(throws: LogReadingError.unknownWitness) {
          try await house.reading.witness(cosigned, by: keys, house.auditor)
        }
      }
      await #expect(throws: LogReadingError.unknownWitness) {
        try await house.reading.witness(note, by: keys, house.auditor)
      }
      await #expect(throws: LogReadingError.unknownWitness) {
        try await house.reading.witness(note, by: [], house.auditor)
      }
      let both = try known.cosign(try stranger.cosign(note))
      let taken = try await house.reading.witness(both, by: keys, house.auditor)
      #expect(taken.new == 1)
      let shown = try #require(try await house.reading.checkpoint(house.auditor))
      #expect(shown.signatures.map(\.name) == [note.signatures[0].name, "known.example.com"])
    }
  }

  @Test("one that does not verify, or comes from the future, is refused, and what came with it is not kept")
  func invalid() async throws {
    try await withHouse { house in
      let witness = try Witness("witness.example.com")
      let second = try Witness("second.example.com")
      let note = try await published(house)
      let keys = [try witness.verifier, try second.verifier]
      let good = try witness.cosign(note).signatures[1]
      var bytes = good.value
      bytes[40] ^= 1
      let tampered = try second.cosign(note).adding([NoteSignature(name: good.name, keyID: good.keyID, value: bytes)])
      let shortened = try note.adding([
        NoteSignature(name: good.name, keyID: good.keyID, value: Array(good.value.dropLast()))
      ])
      let future = try witness.cosign(note, at: UInt64(Microseconds.now() / 1_000_000) + 3_600)
      let overflowing = try witness.cosign(note, at: .max)
      for refused in [tampered, shortened, future, overflowing] {
        await #expect(throws: LogReadingError.invalidCosignature) {
          try await house.reading.witness(refused, by: keys, house.auditor)
        }
      }
      let kept = try await house.number("SELECT count(*) FROM audit.cosignatures")
      #expect(kept == 0)
    }
  }

  @Test("only a checkpoint that this log has published can be witnessed")
  func checkpoints() async throws {
    try await withHouse { house in
      _ = try await house.profile()
      let witness = try Witness("witness.example.com")
      let keys = [try witness.verifier]
      let note = try await published(house)
      let head = try Checkpoint(parsing: note.body)
      let other = TenantID(UUID())
      _ = try await house.custody.createTenant(Tenant(id: other, kind: .merchant, name: "Other"))
      _ = try await house.server.checkpointer.publish(other)
      let theirs = try #require(try house.reading.archive(of: other).checkpoint())
      let signer = NoteSigner(name: "mine", key: witness.key)
      let bodies = [
        Checkpoint(origin: head.origin, size: head.size - 1, root: head.root).text,
        Checkpoint(origin: head.origin, size: head.size + 1, root: head.root).text,
        Checkpoint(origin: head.origin, size: head.size, root: MerkleTree.emptyRoot).text,
        Checkpoint(origin: head.origin, size: .max, root: head.root).text, theirs.body,
      ]
      for body in bodies {
        let cosigned = try witness.cosign(try SignedNote.signing(body, by: signer))
        await #expect(throws: LogReadingError.unknownCheckpoint) {
          try await house.reading.witness(cosigned, by: keys, house.auditor)
        }
      }
      let noCheckpoint = try SignedNote.signing("some text\n", by: signer)
      await #expect(throws: LogReadingError.unknownCheckpoint) {
        try await house.reading.witness(noCheckpoint, by: keys, house.auditor)
      }
      // Under no signature of the log: the body is the published one, and that is what was witnessed.
      let body = try SignedNote.signing(note.body, by: signer)
      let taken = try await house.reading.witness(try witness.cosign(body), by: keys, house.auditor)
      #expect(taken.new == 1)
    }
  }

  @Test("the list is paged, newest checkpoint first, through several witnesses of one checkpoint")
  func list() async throws {
    try await withHouse { house in
      let witnesses = try ["a.example.com", "b.example.com", "c.example.com"].map(Witness.init)
      let keys = try witnesses.map { try $0.verifier }
      var expected: [CosignaturePosition] = []
      for _ in 0..<3 {
        _ = try await house.profile()
        let note = try await published(house)
        var cosigned = note
        for witness in witnesses { cosigned = try witness.cosign(cosigned) }
        let taken = try await house.reading.witness(cosigned, by: keys, house.auditor)
        #expect(taken.new == 3)
        expected = taken.cosignatures.map(\.position).reversed() + expected
      }
      for limit in [1, 2, 4, 200] {
        var found: [CosignaturePosition] = []
        var position: CosignaturePosition?
        repeat {
          let page = try await house.reading.cosignatures(after: position, limit: limit, house.auditor)
          #expect(page.cosignatures.count <= limit)
          found += page.cosignatures.map(\.position)
          position = page.next
        } while position != nil
        #expect(found == expected)
      }
    }
  }

  @Test("twenty at once are one cosignature and one entry")
  func atOnce() async throws {
    try await withHouse { house in
      let witness = try Witness("witness.example.com")
      let keys = [try witness.verifier]
      let cosigned = try witness.cosign(try await published(house))
      let news = try await withThrowingTaskGroup(of: Int.self) { group in
        for _ in 0..<20 {
          group.addTask { try await house.reading.witness(cosigned, by: keys, house.auditor).new }
        }
        return try await group.reduce(0, +)
      }
      #expect(news == 1)
    }
  }
}

@Suite("The policy of witnesses")
struct WitnessPolicyTests {
  private static let key = "witness.example.com+0e83f581+BCm8dVx8nX8szZI/vbgT4pm2x2E2ULO0TXIZQSY7oKE4"

  @Test("a list of verifier keys is read in its order; none is none")
  func reading() throws {
    let text = #"{"schema":"witnesses/v1","witnesses":[{"key":"\#(Self.key)"}]}"#
    let policy = try WitnessPolicy(parsing: Array(text.utf8))
    #expect(policy.keys.map(\.text) == [Self.key])
    let empty = try WitnessPolicy(parsing: Array(#"{"schema":"witnesses/v1","witnesses":[]}"#.utf8))
    #expect(empty == .none)
  }

  @Test(
    "anything else is refused by its pointer",
    arguments: [
      (#"{"witnesses":[]}"#, "/schema required"),
      (#"{"schema":"witnesses/v2","witnesses":[]}"#, "/schema not_allowed"),
      (#"{"schema":"witnesses/v1"}"#, "/witnesses required"),
      (#"{"schema":"witnesses/v1","witnesses":["x"]}"#, "/witnesses/0 type"),
      (#"{"schema":"witnesses/v1","witnesses":[{"key":"x"}]}"#, "/witnesses/0/key format"),
      (
        #"{"schema":"witnesses/v1","witnesses":[{"key":"\#(key)"},{"key":"\#(key)"}]}"#,
        "/witnesses/1/key duplicate"
      ),
      // A log's key, not a witness's.
      (
        #"{"schema":"witnesses/v1","witnesses":[{"key":"audit.example.com/t1+528ad3af+AYZvvxbxkfQcetgp7Nlir0/oVKRl/Ec6P9cKD6irCkVo"}]}"#,
        "/witnesses/0/key format"
      ),
      (#"{"schema":"witnesses/v1","witnesses":[{"key":"\#(key)","name":"x"}]}"#, "/witnesses/0/name unknown"),
      (#"{"schema":"witnesses/v1","witnesses":[],"more":1}"#, "/more unknown"),
    ])
  func refused(text: String, fault: String) throws {
    let error = #expect(throws: FieldErrors.self) { try WitnessPolicy(parsing: Array(text.utf8)) }
    let faults = try #require(error).errors.map { "\($0.pointer) \($0.code)" }
    #expect(faults == [fault])
  }
}
