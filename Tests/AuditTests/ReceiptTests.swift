import Foundation
import Signing
import Testing

@testable import Audit

@Suite("Receipts")
struct ReceiptTests {
  let scratch: Scratch
  let log: TestLog
  let receipt: Receipt

  init() throws {
    scratch = try Scratch()
    var log = try TestLog(in: scratch)
    try log.publish(upTo: 6)
    receipt = try log.writer.inclusionReceipt(sequence: 5)
    self.log = log
  }

  @Test("the text is the published form")
  func form() throws {
    let lines = receipt.text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    #expect(lines[0] == "c2sp.org/tlog-proof@v1")
    #expect(lines[1] == "index 5")
    #expect(Array(lines[2..<4]) == receipt.path.map(\.base64))
    #expect(lines[4].isEmpty)
    #expect(lines[5...].joined(separator: "\n") == receipt.checkpoint.text)
    #expect(try Receipt(parsing: receipt.text) == receipt)
  }

  @Test("another entry, place, path, key or log is refused")
  func refused() throws {
    let entry = log.entries[5]
    let key = try log.signer.verifierKey()
    #expect(try receipt.verify(entry: entry, key: key).size == 6)
    #expect(AuditError.code { try receipt.verify(entry: log.entries[4], key: key) } == .inconsistent)
    var edited = entry
    edited[edited.count - 3] ^= 1
    #expect(AuditError.code { try receipt.verify(entry: edited, key: key) } == .inconsistent)
    let moved = Receipt(index: 4, path: receipt.path, checkpoint: receipt.checkpoint)
    #expect(AuditError.code { try moved.verify(entry: entry, key: key) } == .inconsistent)
    let short = Receipt(index: 5, path: Array(receipt.path.dropLast()), checkpoint: receipt.checkpoint)
    #expect(AuditError.code { try short.verify(entry: entry, key: key) } == .inconsistent)
    let other = try SignedNoteTests.signer().verifierKey()
    #expect(AuditError.code { try receipt.verify(entry: entry, key: other) } == .signature)
  }

  @Test("every flipped bit of a receipt is noticed")
  func flips() throws {
    let key = try log.signer.verifierKey()
    let bytes = Array(receipt.text.utf8)
    for position in bytes.indices {
      var copy = bytes
      copy[position] ^= 1 << (position % 8)
      let code = AuditError.code {
        guard let text = String(validating: copy, as: UTF8.self) else { throw AuditError(.malformed) }
        try Receipt(parsing: text).verify(entry: log.entries[5], key: key)
      }
      #expect(code != nil, "byte \(position)")
    }
  }

  @Test(
    "malformed texts are refused",
    arguments: [
      "", "c2sp.org/tlog-proof@v1\n", "c2sp.org/tlog-proof@v2\nindex 5\n\nN", "c2sp.org/tlog-proof@v1\nindex 05\n\nN",
      "c2sp.org/tlog-proof@v1\nextra AA==\nindex 5\n\nN", "c2sp.org/tlog-proof@v1\nindex 5\nAAAA\n\nN",
      "c2sp.org/tlog-proof@v1\nindex 5\n", "c2sp.org/tlog-proof@v1\nindex 5\n\n", "c2sp.org/tlog-proof@v1\nindex 5\nN",
      "c2sp.org/tlog-proof@v1\r\nindex 5\n\nN",
    ])
  func malformed(_ template: String) {
    let text = template.replacing("N", with: receipt.checkpoint.text)
    #expect(AuditError.code { _ = try Receipt(parsing: text) } == .malformed)
  }
}
