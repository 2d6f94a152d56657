import Testing

@testable import Vault

@Suite("Ciphers")
struct CipherTests {
  @Test("a published vector seals to its ciphertext and opens again", arguments: Vectors.all.published)
  func publishedVector(_ vector: Vectors.Published) throws {
    let suite = try #require(Suite(rawValue: vector.suite))
    guard suite.isAvailable else { return }
    var expanded = try GuardedBytes(count: suite.expandedBytes)
    let result = try expanded.withUnsafeMutableBytes { expanded in
      let key = try #require(expanded.baseAddress)
      return try vector.key.bytes.withUnsafeBytes { root in
        suite.expand(try #require(root.baseAddress), into: key)
        return try vector.nonce.bytes.withUnsafeBytes { nonce in
          try vector.data.bytes.withUnsafeBytes { data in
            let nonce = try #require(nonce.baseAddress)
            var sealed = [UInt8](repeating: 0, count: vector.plaintext.bytes.count + Suite.tagBytes)
            let didSeal = try sealed.withUnsafeMutableBytes { output in
              let output = try #require(output.baseAddress)
              return vector.plaintext.bytes.withUnsafeBytes {
                suite.encrypt($0, associatedData: data, nonce: nonce, expandedKey: key, into: output)
              }
            }
            var opened = [UInt8](repeating: 0, count: vector.plaintext.bytes.count)
            let didOpen = opened.withUnsafeMutableBytes { output in
              sealed.withUnsafeBytes {
                suite.decrypt(
                  $0, associatedData: data, nonce: nonce, expandedKey: key, into: output.baseAddress)
              }
            }
            return (didSeal, sealed, didOpen, opened)
          }
        }
      }
    }
    #expect(result.0)
    #expect(result.1 == vector.sealed.bytes)
    #expect(result.2)
    #expect(result.3 == vector.plaintext.bytes)
  }

  @Test("a ciphertext shorter than its tag does not reach the cipher", arguments: Suite.allCases)
  func shorterThanTheTag(_ suite: Suite) throws {
    let short = [UInt8](repeating: 0, count: Suite.tagBytes - 1)
    let opened = short.withUnsafeBytes { bytes in
      bytes.baseAddress.map {
        suite.decrypt(
          bytes, associatedData: UnsafeRawBufferPointer(start: nil, count: 0), nonce: $0, expandedKey: $0, into: nil)
      }
    }
    #expect(opened == false)
  }

  @Test("XChaCha runs on every CPU, and the preferred suite on this one")
  func availability() {
    #expect(Suite.xchacha20poly1305.isAvailable)
    #expect(Suite.preferred.isAvailable)
    #expect(Suite.preferred == (Suite.aes256gcm.isAvailable ? .aes256gcm : .xchacha20poly1305))
  }
}
