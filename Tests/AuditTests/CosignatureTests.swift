import Signing
import Testing

@testable import Audit

@Suite("Cosignatures of witnesses")
struct CosignatureTests {
  static let body = "audit.example.com/t1\n3\nhN6c9W1O6gjnY37/c5aD2uMuTXTEuC9zZiS5sCkw7io=\n"
  static let name = "witness.example.com"

  static func key(_ seed: String = "audit-log witness test key") throws -> SigningKey {
    try SigningKey(ed25519Seed: SHA256Digest.hash(Array(seed.utf8)).bytes)
  }

  static func log() throws -> NoteSigner {
    NoteSigner(name: "audit.example.com/t1", key: try key("audit-log test key"))
  }

  @Test("key and line are those of the specification's worked example")
  func vector() throws {
    let key = try WitnessKey(name: Self.name, key: Self.key().publicKey)
    #expect(key.text == "witness.example.com+0e83f581+BCm8dVx8nX8szZI/vbgT4pm2x2E2ULO0TXIZQSY7oKE4")
    let cosignature = try Cosignature.sign(Self.body, by: Self.key(), name: Self.name, at: 1_767_139_300)
    let note = try SignedNote.signing(Self.body, by: Self.log()).adding([cosignature])
    let line =
      "— witness.example.com DoP1gQAAAABpVGfkTYNMZ0Cme2Z148M4hphpwfmNp7GeK4cjlK32lGGA2G6aNfsS8xEI3las5Bsj6Ww7GLlomRnz"
      + "ZRxLR8A6/ZbwCQ==\n"
    #expect(note.text.hasSuffix(line))
    let parsed = try SignedNote(parsing: note.text)
    #expect(try parsed.cosignatures(by: [key]) == [cosignature])
    #expect(try parsed.cosignatures(by: [key]).map(\.time) == [1_767_139_300])
    #expect(try parsed.verified(by: [Self.log().verifierKey()]).name == "audit.example.com/t1")
  }

  @Test("a witness's key reads back, and only in its exact form")
  func keys() throws {
    let key = try WitnessKey(name: Self.name, key: Self.key().publicKey)
    #expect(WitnessKey(key.text) == key)
    let asLog = try NoteKey(name: Self.name, key: Self.key().publicKey)
    #expect(NoteKey(key.text) == nil)
    #expect(WitnessKey(asLog.text) == nil)
    #expect(asLog.keyID != key.keyID)
    for text in ["", key.text + "\n", "x" + key.text, key.text.replacing("0e83f581", with: "0e83f580")] {
      #expect(WitnessKey(text) == nil)
    }
    let other = try SigningKey.generate(.es256)
    #expect(AuditError.code { _ = try WitnessKey(name: Self.name, key: other.publicKey) } == .unsuitableKey)
    #expect(AuditError.code { _ = try WitnessKey(name: "a+b", key: Self.key().publicKey) } == .unsuitableKey)
  }

  @Test("lines of the log and of unknown witnesses are ignored, several witnesses keep their order")
  func several() throws {
    let names = ["w1.example", "w2.example", "w3.example"]
    let cosignatures = try names.enumerated().map { index, name in
      try Cosignature.sign(Self.body, by: Self.key(name), name: name, at: UInt64(10 + index))
    }
    let garbage = NoteSignature(name: "w9.example", keyID: 7, value: [1, 2, 3])
    let note = try SignedNote.signing(Self.body, by: Self.log()).adding([garbage]).adding(cosignatures)
    let keys = try names.map { try WitnessKey(name: $0, key: Self.key($0).publicKey) }
    #expect(try note.cosignatures(by: keys) == cosignatures)
    #expect(try note.cosignatures(by: [keys[2], keys[0]]) == [cosignatures[0], cosignatures[2]])
    #expect(try note.cosignatures(by: []).isEmpty)
    #expect(try note.adding(cosignatures) == note)
    #expect(note.signatures.count == 5)
  }

  @Test("a known witness's line that does not verify is refused: another body, time, length or key")
  func spoiled() throws {
    let key = try WitnessKey(name: Self.name, key: Self.key().publicKey)
    let good = try Cosignature.sign(Self.body, by: Self.key(), name: Self.name, at: 5)
    let note = try SignedNote.signing(Self.body, by: Self.log())
    #expect(try note.adding([good]).cosignatures(by: [key]) == [good])
    for position in [0, 7, 8, 71] {
      var value = good.line.value
      value[position] ^= 1
      let line = NoteSignature(name: Self.name, keyID: key.keyID, value: value)
      #expect(AuditError.code { _ = try note.adding([line]).cosignatures(by: [key]) } == .signature)
    }
    for value in [Array(good.line.value.dropLast()), good.line.value + [0], good.signature] {
      let line = NoteSignature(name: Self.name, keyID: key.keyID, value: value)
      #expect(Cosignature(line) == nil)
      #expect(AuditError.code { _ = try note.adding([line]).cosignatures(by: [key]) } == .signature)
    }
    let moved = try SignedNote.signing(Self.body.replacing("\n3\n", with: "\n4\n"), by: Self.log()).adding([good])
    #expect(AuditError.code { _ = try moved.cosignatures(by: [key]) } == .signature)
    let stranger = try WitnessKey(name: Self.name, key: Self.key("other").publicKey)
    #expect(AuditError.code { try good.verify(Self.body, by: stranger) } == .signature)
  }

  @Test("a log's signature never counts as a cosignature, nor the other way round")
  func kinds() throws {
    let signer = NoteSigner(name: Self.name, key: try Self.key())
    let note = try SignedNote.signing(Self.body, by: signer)
    let witness = try WitnessKey(name: Self.name, key: Self.key().publicKey)
    #expect(try note.cosignatures(by: [witness]).isEmpty)
    let cosigned = try SignedNote(
      body: Self.body,
      signatures: [Cosignature.sign(Self.body, by: Self.key(), name: Self.name, at: 1).line])
    #expect(AuditError.code { try cosigned.verified(by: [signer.verifierKey()]) } == .signature)
  }

  @Test("only a checkpoint is ever cosigned", arguments: ["", "x\n", "a\n01\nx\n", body + "more\n"])
  func onlyCheckpoints(_ text: String) throws {
    #expect(
      AuditError.code { _ = try Cosignature.sign(text, by: Self.key(), name: Self.name, at: 1) } == .malformed)
  }

  @Test("the greatest time has its place in the line")
  func greatestTime() throws {
    let cosignature = try Cosignature.sign(Self.body, by: Self.key(), name: Self.name, at: .max)
    #expect(cosignature.line.value.prefix(8).elementsEqual(Array(repeating: 0xff, count: 8)))
    #expect(Cosignature(cosignature.line) == cosignature)
    try cosignature.verify(Self.body, by: WitnessKey(name: Self.name, key: Self.key().publicKey))
  }
}
