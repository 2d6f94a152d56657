import Signing
import Testing

@Suite("SHA-256")
struct DigestTests {
  static let vectors: [(String, String)] = [
    ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    (
      "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
    ),
    (
      String(repeating: "a", count: 1_000_000),
      "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
    ),
  ]

  @Test("the FIPS 180-4 examples come out", arguments: vectors)
  func published(message: String, digest: String) {
    #expect(SHA256Digest.hash(Array(message.utf8)).hex == digest)
  }

  @Test("a stream gives the same digest however the message is cut", arguments: [1, 3, 64, 65, 1000])
  func stream(piece: Int) {
    let message = (0..<1000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
    var stream = SHA256Stream()
    for start in Swift.stride(from: 0, to: message.count, by: piece) {
      stream.update(Array(message[start..<min(start + piece, message.count)]))
    }
    stream.update([])
    #expect(stream.finish() == SHA256Digest.hash(message))
  }

  @Test("an unused stream is the digest of nothing")
  func emptyStream() {
    let digest = SHA256Stream().finish()
    #expect(digest.hex == Self.vectors[0].1)
  }

  @Test("leaf and node prefixes give the transparency-log vectors")
  func prefixes() throws {
    #expect(
      SHA256Digest.hash(prefix: 0, Array("L123456".utf8)).hex
        == "395aa064aa4c29f7010acfe3f25db9485bbd4b91897b6ad7ad547639252b4d56")
    #expect(
      SHA256Digest.hash(prefix: 1, Array("N123N456".utf8)).hex
        == "aa217fe888e47007fa15edab33c2b492a722cb106c64667fc2b044444de66bbb")
    let left = SHA256Digest.hash([1])
    let right = SHA256Digest.hash([2])
    #expect(SHA256Digest.hash(prefix: 1, left, right) == .hash([1] + left.bytes + right.bytes))
    #expect(SHA256Digest.hash(prefix: 1, left, right) != .hash(prefix: 1, right, left))
  }

  @Test("a digest survives bytes and hexadecimal, and prints as hexadecimal")
  func forms() throws {
    let digest = SHA256Digest.hash(Array("abc".utf8))
    #expect(SHA256Digest(digest.bytes) == digest)
    #expect(SHA256Digest(hex: digest.hex) == digest)
    #expect("\(digest)" == Self.vectors[1].1)
    #expect(digest.base64 == "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=")
    #expect(digest.bytes.count == SHA256Digest.byteCount)
  }

  @Test("only 32 bytes make a digest", arguments: [0, 31, 33, 64])
  func lengths(count: Int) {
    #expect(SHA256Digest([UInt8](repeating: 7, count: count)) == nil)
    #expect(SHA256Digest(hex: String(repeating: "07", count: count)) == nil)
  }

  @Test("many tasks hashing at once don't disturb each other")
  func concurrent() async {
    await withTaskGroup(of: Bool.self) { group in
      for task in 0..<8 {
        group.addTask {
          let message = [UInt8](repeating: UInt8(task), count: 100)
          var stream = SHA256Stream()
          stream.update(message)
          let expected = stream.finish()
          return (0..<500).allSatisfy { _ in SHA256Digest.hash(message) == expected }
        }
      }
      for await same in group { #expect(same) }
    }
  }
}

@Suite("HMAC and constant-time comparison")
struct HMACTests {
  // RFC 4231 cases 1, 2 and 6, and the empty key.
  static let vectors: [([UInt8], String, String)] = [
    (
      [UInt8](repeating: 0x0B, count: 20), "Hi There",
      "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
    ),
    (
      Array("Jefe".utf8), "what do ya want for nothing?",
      "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    ),
    (
      [UInt8](repeating: 0xAA, count: 131), "Test Using Larger Than Block-Size Key - Hash Key First",
      "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
    ),
    ([], "", "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"),
  ]

  @Test("the RFC 4231 vectors come out", arguments: vectors)
  func published(key: [UInt8], message: String, tag: String) throws {
    #expect(try HMACSHA256.authenticate(Array(message.utf8), key: key) == hex(tag))
  }

  @Test("byte strings compare equal only when all bytes are")
  func comparison() {
    #expect(constantTimeEqual([], []))
    #expect(constantTimeEqual([1, 2, 3], [1, 2, 3]))
    #expect(!constantTimeEqual([1, 2, 3], [1, 2, 4]))
    #expect(!constantTimeEqual([0, 2, 3], [1, 2, 3]))
    #expect(!constantTimeEqual([1, 2], [1, 2, 3]))
  }
}
