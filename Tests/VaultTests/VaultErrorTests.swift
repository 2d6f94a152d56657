import Foundation
import Testing

@testable import Vault

@Suite("Errors of the vault")
struct VaultErrorTests {
  @Test("each code has a line of its own")
  func codes() {
    let lines = VaultError.Code.allCases.map { VaultError($0).description }
    #expect(Set(lines).count == VaultError.Code.allCases.count)
    #expect(lines.allSatisfy { !$0.isEmpty && !$0.contains("\n") })
  }

  @Test("each fault of a keyring file has a line of its own, with the path")
  func faults() {
    let lines = VaultError.KeyringFault.allCases.map {
      VaultError(.keyringMalformed, path: "/etc/lethe/keyring", fault: $0).description
    }
    #expect(Set(lines).count == VaultError.KeyringFault.allCases.count)
    #expect(lines.allSatisfy { $0.hasSuffix(", at /etc/lethe/keyring") && !$0.contains("\n") })
  }

  @Test("a failed system call is told with its number")
  func systemError() {
    #expect(
      VaultError(.keyringIO, path: "/k", systemError: 13).description
        == "the file system refused the keyring, at /k, errno 13")
  }
}

@Suite("Documents")
struct DocumentTests {
  private func text(of name: String) throws -> String {
    let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    return try String(contentsOf: root.appending(path: "docs/\(name)"), encoding: .utf8)
      .replacing("\n    ", with: "")
  }

  @Test("the worked examples in docs/envelope.md are the vectors")
  func envelopes() throws {
    let document = try text(of: "envelope.md")
    let vectors = Vectors.all
    var expected = [vectors.inputs.root, vectors.inputs.epochRoot, vectors.inputs.tenantRoot, vectors.commitment]
    expected += vectors.envelopes.flatMap { [$0.subkey, $0.nonce, $0.data, $0.envelope] }
    expected += [vectors.wrappings[0].data, vectors.wrappings[0].blob]
    expected += [vectors.indexKey.epochSubkey, vectors.indexKey.tenantSubkey, vectors.indexKey.key]
    expected += (vectors.tags + vectors.keyTags).filter { !$0.value.isEmpty }.map(\.tag)
    expected += [vectors.keyTagSubkey]
    for hex in expected { #expect(document.contains(hex.text)) }
  }

  @Test("docs/keyring.md shows the vector and names every fault")
  func keyring() throws {
    let document = try text(of: "keyring.md")
    let seal = Vectors.all.seal
    for hex in [Vectors.all.keyrings[0].file, seal.salt, seal.key, seal.nonce, seal.files[0]] {
      #expect(document.contains(hex.text))
    }
    #expect(document.contains(seal.passphrase))
    for fault in VaultError.KeyringFault.allCases { #expect(document.contains("`\(fault.rawValue)`")) }
    let elsewhere: [VaultError.Code] = [
      .notOpened, .unknownEpoch, .suiteUnavailable, .commitmentMismatch, .keyLength, .library, .memory,
    ]
    for code in VaultError.Code.allCases where !elsewhere.contains(code) {
      #expect(document.contains("`\(code.rawValue)`"))
    }
  }
}
