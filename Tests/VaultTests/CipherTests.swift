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

  @Test("a published vector with any bit of its tag turned does not open", arguments: Vectors.all.published)
  func publishedVectorWithOtherTag(_ vector: Vectors.Published) throws {
    let suite = try #require(Suite(rawValue: vector.suite))
    guard suite.isAvailable else { return }
    var expanded = try GuardedBytes(count: suite.expandedBytes)
    let opened = try expanded.withUnsafeMutableBytes { expanded in
      let key = try #require(expanded.baseAddress)
      vector.key.bytes.withUnsafeBytes { root in
        if let root = root.baseAddress { suite.expand(root, into: key) }
      }
      return try (0..<Suite.tagBytes * 8).filter { bit in
        var sealed = vector.sealed.bytes
        sealed[sealed.count - Suite.tagBytes + bit / 8] ^= 1 << (bit % 8)
        var output = [UInt8](repeating: 0, count: vector.plaintext.bytes.count)
        return try sealed.withUnsafeBytes { sealed in
          try vector.data.bytes.withUnsafeBytes { data in
            try vector.nonce.bytes.withUnsafeBytes { nonce in
              let nonce = try #require(nonce.baseAddress)
              return output.withUnsafeMutableBytes {
                suite.decrypt(sealed, associatedData: data, nonce: nonce, expandedKey: key, into: $0.baseAddress)
              }
            }
          }
        }
      }
    }
    #expect(opened == [])
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

  @Test("a suite has the name of a configuration, and no other")
  func names() {
    #expect(Suite.allCases.map(\.name) == ["aes-256-gcm", "xchacha20-poly1305"])
    for suite in Suite.allCases { #expect(Suite(name: suite.name) == suite) }
    for name in ["", "aes", "AES-256-GCM", "aes-256-gcm ", "chacha20-poly1305"] { #expect(Suite(name: name) == nil) }
  }

  @Test("XChaCha runs on every CPU, and the preferred suite on this one")
  func availability() {
    #expect(Suite.xchacha20poly1305.isAvailable)
    #expect(Suite.preferred.isAvailable)
    #expect(Suite.preferred == (Suite.aes256gcm.isAvailable ? .aes256gcm : .xchacha20poly1305))
  }
}
