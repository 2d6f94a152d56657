import Signing
import Testing

@testable import Audit

@Suite("Signed notes, their keys, and checkpoints")
struct SignedNoteTests {
  static func signer(_ name: String = "log.example/a", seed: UInt8 = 1) throws -> NoteSigner {
    NoteSigner(name: name, key: try SigningKey(ed25519Seed: Array(repeating: seed, count: 32)))
  }

  @Test("a note parses back to itself, and its signature verifies")
  func roundTrip() throws {
    let note = try SignedNote.signing("one\n\ntwo\n", by: Self.signer())
    let parsed = try SignedNote(parsing: note.text)
    #expect(parsed == note)
    #expect(parsed.body == "one\n\ntwo\n")
    #expect(try parsed.verified(by: [Self.signer().verifierKey()]).name == "log.example/a")
  }

  @Test("a note of a published log splits at its last empty line")
  func published() throws {
    let text = """
      Ognuno sta solo sul cuor della terra
      trafitto da un raggio di sole:

      ed è subito sera.

      — quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=

      """
    let note = try SignedNote(parsing: text)
    #expect(note.body.hasSuffix(":\n\ned è subito sera.\n"))
    #expect(note.signatures.map(\.keyID) == [0x367b_a04b])
    #expect(note.text == text)
  }

  @Test("unknown signers are ignored, even with a known name or a known id")
  func unknownSigners() throws {
    let signer = try Self.signer()
    let key = try signer.verifierKey()
    let own = try signer.signature(over: Array("x\n".utf8))
    let garbage = Array(repeating: UInt8(7), count: 80)
    let others = (0..<20).map { NoteSignature(name: "w\($0).example", keyID: UInt32($0), value: garbage) }
    let borrowed = [
      NoteSignature(name: own.name, keyID: own.keyID ^ 1, value: garbage),
      NoteSignature(name: "other.example", keyID: own.keyID, value: garbage),
    ]
    let note = try SignedNote(body: "x\n", signatures: others + borrowed + [own])
    #expect(try SignedNote(parsing: note.text).verified(by: [key]) == own)
    let without = try SignedNote(body: "x\n", signatures: others + borrowed)
    #expect(AuditError.code { try without.verified(by: [key]) } == .signature)
  }

  @Test("a known key's line that does not verify spoils the note")
  func spoiled() throws {
    let first = try Self.signer()
    let second = try Self.signer(seed: 2)
    let good = try first.signature(over: Array("x\n".utf8))
    let bad = try second.signature(over: Array("y\n".utf8))
    let note = try SignedNote(body: "x\n", signatures: [good, bad])
    #expect(
      AuditError.code { try note.verified(by: [first.verifierKey(), second.verifierKey()]) } == .signature)
    #expect(try note.verified(by: [first.verifierKey()]) == good)
  }

  @Test(
    "malformed notes are refused",
    arguments: [
      "", "\n", "x", "x\n", "x\n\n", "x\n\n\n", "x\n\n— a\n", "x\n\n— a AAAAAAAA", "x\n\n- a AAAAAAAA\n",
      "x\n\n—  AAAAAAAA\n", "x\n\n— a+b AAAAAAAA\n", "x\n\n— a AAAA\n", "x\n\n— a AAAAAAA\n", "x\n\n— a AAAAAAB=\n",
      "x\n\n— a AAAAAAAA \n", "x\r\n\n— a AAAAAAAA\n", "x\u{1}\n\n— a AAAAAAAA\n", "x\n\n— a AAAAAAAA\n\n",
      "x\n\n— a AAAAAAAA\ny\n",
    ])
  func malformed(_ text: String) {
    #expect(AuditError.code { _ = try SignedNote(parsing: text) } == .malformed)
  }

  @Test("notes beyond the limits, or not UTF-8, are refused")
  func limits() throws {
    let line = NoteSignature(name: "a", keyID: 1, value: [1])
    #expect(
      AuditError.code { _ = try SignedNote(body: "x\n", signatures: Array(repeating: line, count: 65)) } == .tooLarge)
    let long = "x\n\n" + String(repeating: "— a AAAAAAAA\n", count: 65)
    #expect(AuditError.code { _ = try SignedNote(parsing: long) } == .tooLarge)
    let body = String(repeating: "x", count: 65_536) + "\n"
    #expect(AuditError.code { _ = try SignedNote(body: body, signatures: [line]) } == .tooLarge)
    #expect(AuditError.code { _ = try SignedNote(parsing: Array((body).utf8)) } == .tooLarge)
    #expect(AuditError.code { _ = try SignedNote(parsing: [0xff, 0x0a, 0x0a]) } == .malformed)
  }

  @Test("a verifier key reads back, and only in its exact form")
  func keys() throws {
    let key = try Self.signer().verifierKey()
    #expect(NoteKey(key.text) == key)
    #expect(key.algorithm == 0x01)
    let parts = key.text.split(separator: "+", maxSplits: 2).map(String.init)
    let refused = [
      "", parts[0], "\(parts[0])+\(parts[1])", "x\(key.text)", key.text + "\n", "\(parts[0])+00000000+\(parts[2])",
      "\(parts[0])+\(parts[1].uppercased() == parts[1] ? "0" : parts[1].uppercased())+\(parts[2])",
      "\(parts[0])+\(parts[1])+" + StrictBase64.encode([0x04] + key.key.rawBytes, .standard),
      "\(parts[0])+\(parts[1])+" + StrictBase64.encode([0x01] + key.key.rawBytes.dropLast(), .standard),
    ]
    for text in refused { #expect(NoteKey(text) == nil) }
  }

  @Test("a key of another kind, or a name with a plus sign, cannot sign notes")
  func unsuitable() throws {
    let other = NoteSigner(name: "a", key: try SigningKey.generate(.es256))
    #expect(AuditError.code { _ = try other.verifierKey() } == .unsuitableKey)
    #expect(AuditError.code { _ = try SignedNote.signing("x\n", by: other) } == .unsuitableKey)
    #expect(AuditError.code { _ = try Self.signer("a+b").verifierKey() } == .unsuitableKey)
  }

  @Test("a checkpoint reads back from its three lines")
  func checkpoint() throws {
    let text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    let checkpoint = try Checkpoint(parsing: text)
    #expect(checkpoint.size == 20_852_163)
    #expect(checkpoint.origin == "example.com/behind-the-sofa")
    #expect(checkpoint.text == text)
  }

  @Test(
    "other lines are no checkpoint",
    arguments: [
      "", "a\n1\n", "a\n1\nH", "a\n01\nH\n", "a\n-1\nH\n", "a\n1\nH\nmore\n", "\n1\nH\n", "a b\n1\nH\n", "a\n1\nAAAA\n",
      "a\n1\nH\n\n", "a\n\nH\n", "a\n1 \nH\n",
    ])
  func notCheckpoint(_ template: String) {
    let text = template.replacing("H", with: MerkleTree.emptyRoot.base64)
    #expect(AuditError.code { _ = try Checkpoint(parsing: text) } == .malformed)
  }
}
