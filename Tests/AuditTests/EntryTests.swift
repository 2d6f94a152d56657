import Foundation
import Signing
import Testing

@testable import Audit

@Suite("Entries")
struct EntryTests {
  /// The three entries of the worked example in docs/audit-log-spec.md.
  static func example() throws -> [Entry] {
    let origin = try #require(LogOrigin("audit.example.com/t1"))
    var previous = origin.genesis
    return try (0..<3).map { index in
      let entry = try Entry(
        origin: origin, sequence: UInt64(index), previous: previous, time: 1_767_139_200_000_000 + Int64(index),
        body: Array("body-\(index)".utf8))
      previous = entry.leafHash
      return entry
    }
  }

  @Test("the worked example has the published leaves, root, key and signature")
  func workedExample() throws {
    let leaves = try Self.example().map(\.leafHash)
    #expect(
      leaves.map(\.hex) == [
        "268a8f7287cfa741f0fc3821513f4aeb37105b96080ec7d447e62dd2fd2bf4d0",
        "d77e367922b4f400eefdad0ad8041665fc866bc00f5d5c64d424031f1336de9b",
        "b31bfc88292802520e8b1744df799daedee636a774cf6a8690c0dd65dc766c2c",
      ])
    let root = MerkleTree.root(of: leaves)
    #expect(root.base64 == "hN6c9W1O6gjnY37/c5aD2uMuTXTEuC9zZiS5sCkw7io=")
    let signer = NoteSigner(name: "audit.example.com/t1", key: try SigningKey(ed25519Seed: TestLog.seed))
    #expect(
      try signer.verifierKey().text
        == "audit.example.com/t1+528ad3af+AYZvvxbxkfQcetgp7Nlir0/oVKRl/Ec6P9cKD6irCkVo")
    let note = try SignedNote.signing(
      Checkpoint(origin: "audit.example.com/t1", size: 3, root: root).text, by: signer)
    #expect(
      note.text == """
        audit.example.com/t1
        3
        hN6c9W1O6gjnY37/c5aD2uMuTXTEuC9zZiS5sCkw7io=

        — audit.example.com/t1 UorTr9K4/EFeFmeBZ44sR/eh8C/hs2nefeQG4WGTmHoQqK4rE8fdrI97IZbs3CLFSh5zI1Ly7pdJPof+pIIMDJXYgAo=

        """)
  }

  @Test("bytes are the six lines, and parse back to the same entry")
  func form() throws {
    let entry = try Self.example()[1]
    #expect(
      String(decoding: entry.bytes, as: UTF8.self)
        == "audit/v1\naudit.example.com/t1\n1\n\(entry.previous.base64)\n1767139200000001\nbody-1\n")
    #expect(try Entry(parsing: entry.bytes) == entry)
    #expect(try Entry(parsing: entry.bytes).bytes == entry.bytes)
  }

  @Test(
    "anything but the exact form is refused",
    arguments: [
      "", "\n", "audit/v1\n", "audit/v2\na\n0\nP\n1\nb\n", "audit/v1\n\n0\nP\n1\nb\n", "audit/v1\na b\n0\nP\n1\nb\n",
      "audit/v1\na+b\n0\nP\n1\nb\n", "audit/v1\na\n00\nP\n1\nb\n", "audit/v1\na\n+1\nP\n1\nb\n",
      "audit/v1\na\n-1\nP\n1\nb\n", "audit/v1\na\n\nP\n1\nb\n", "audit/v1\na\n18446744073709551616\nP\n1\nb\n",
      "audit/v1\na\n0\nQ\n1\nb\n", "audit/v1\na\n0\nPP\n1\nb\n", "audit/v1\na\n0\nP\n01\nb\n",
      "audit/v1\na\n0\nP\n9223372036854775808\nb\n", "audit/v1\na\n0\nP\n-1\nb\n", "audit/v1\na\n0\nP\n1\n\n",
      "audit/v1\na\n0\nP\n1\nb", "audit/v1\na\n0\nP\n1\nb\nc\n", "audit/v1\na\n0\nP\n1\nb\n\n",
      " audit/v1\na\n0\nP\n1\nb\n", "audit/v1\r\na\n0\nP\n1\nb\n",
    ])
  func refused(_ template: String) throws {
    let hash = MerkleTree.emptyRoot.base64
    let text = template.replacingOccurrences(of: "P", with: hash)
    #expect(AuditError.code { _ = try Entry(parsing: Array(text.utf8)) } == .malformed)
  }

  @Test("the template of the refused forms is itself accepted")
  func accepted() throws {
    let text = "audit/v1\na\n0\n\(MerkleTree.emptyRoot.base64)\n1\nb\n"
    #expect(try Entry(parsing: Array(text.utf8)).body == Array("b".utf8))
  }

  @Test("65,535 bytes are the most")
  func size() throws {
    let origin = try #require(LogOrigin("a"))
    func entry(_ count: Int) throws -> Entry {
      try Entry(
        origin: origin, sequence: 0, previous: origin.genesis, time: 0, body: Array(repeating: 0x78, count: count))
    }
    let overhead = try entry(1).bytes.count - 1
    let largest = try entry(65_535 - overhead)
    #expect(largest.bytes.count == Entry.maximumBytes)
    #expect(AuditError.code { _ = try entry(65_536 - overhead) } == .tooLarge)
    #expect(AuditError.code { _ = try Entry(parsing: largest.bytes + [0x0a]) } == .tooLarge)
  }

  @Test("the genesis of a log is the hash of its name")
  func genesis() throws {
    let origin = LogOrigin(host: "Audit.Example.com", tenant: TestLog.tenant)
    #expect(origin.text == "audit.example.com/11000000-0000-4000-8000-000000000001")
    #expect(origin.tenant == TestLog.tenant)
    #expect(origin.genesis == SHA256Digest.hash(Array("audit-genesis/v1\n\(origin.text)\n".utf8)))
    #expect(try #require(LogOrigin("audit.example.com/t1")).tenant == nil)
  }

  @Test(
    "names with spaces, plus signs or controls are no origins",
    arguments: ["", "a b", "a+b", "a\nb", "a\u{7f}", "a\u{2003}b", String(repeating: "a", count: 256)])
  func badOrigin(_ text: String) { #expect(LogOrigin(text) == nil) }
}
