import Signing
import Testing

@Suite("Signatures")
struct SignatureTests {
  /// RFC 8032 §7.1, tests 1 to 3: seed, public key, message, signature.
  static let rfc8032 = [
    (
      "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
      "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
      "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
    ),
    (
      "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
      "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
      "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    ),
    (
      "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
      "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
      "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
    ),
  ]

  @Test("the RFC 8032 vectors sign and verify", arguments: rfc8032)
  func ed25519(seed: String, publicKey: String, message: String, signature: String) throws {
    let key = try SigningKey(ed25519Seed: hex(seed))
    #expect(try key.publicKey.rawBytes == hex(publicKey))
    #expect(try key.signature(over: hex(message)) == hex(signature))
    let verifier = try VerifyingKey(ed25519: hex(publicKey))
    #expect(verifier == key.publicKey)
    #expect(try verifier.isValid(signature: hex(signature), over: hex(message)))
  }

  @Test("the RFC 8037 JOSE example verifies")
  func rfc8037() throws {
    let x = try #require(StrictBase64.decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", .url))
    let signature = try #require(
      StrictBase64.decode(
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg", .url))
    let input = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc"
    #expect(try VerifyingKey(ed25519: x).isValid(signature: signature, over: Array(input.utf8)))
  }

  static let p256x = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"
  static let p256y = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"

  @Test("the RFC 7515 ES256 example verifies, and fails with r and s exchanged")
  func rfc7515() throws {
    let x = try #require(StrictBase64.decode(Self.p256x, .url))
    let y = try #require(StrictBase64.decode(Self.p256y, .url))
    let signature = try #require(
      StrictBase64.decode(
        "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q", .url))
    let input = Array(
      "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
        .utf8)
    let key = try VerifyingKey(p256x: x, y: y)
    #expect(key.rawBytes == x + y)
    #expect(key.algorithm == .es256)
    #expect(key.isValid(signature: signature, over: input))
    #expect(!key.isValid(signature: Array(signature.suffix(32) + signature.prefix(32)), over: input))
  }

  @Test("a fresh key's signatures verify, and only over the signed bytes", arguments: SignatureAlgorithm.allCases)
  func fresh(algorithm: SignatureAlgorithm) throws {
    let key = try SigningKey.generate(algorithm)
    #expect(key.algorithm == algorithm)
    #expect(key.publicKey.algorithm == algorithm)
    // Repeated, because a short r or s comes up once in 128 times and has its own encoding.
    for round in 0..<300 {
      let message = Array("message \(round)".utf8)
      let signature = try key.signature(over: message)
      #expect(signature.count == 64)
      #expect(key.publicKey.isValid(signature: signature, over: message))
      #expect(!key.publicKey.isValid(signature: signature, over: message + [0]))
    }
    let other = try SigningKey.generate(algorithm)
    #expect(other.publicKey != key.publicKey)
    #expect(try !other.publicKey.isValid(signature: key.signature(over: [1]), over: [1]))
  }

  @Test("an empty message is signed and verified", arguments: SignatureAlgorithm.allCases)
  func empty(algorithm: SignatureAlgorithm) throws {
    let key = try SigningKey.generate(algorithm)
    let signature = try key.signature(over: [])
    #expect(key.publicKey.isValid(signature: signature, over: []))
    #expect(!key.publicKey.isValid(signature: signature, over: [0]))
  }

  @Test("every flipped bit of a signature is noticed", arguments: SignatureAlgorithm.allCases)
  func flips(algorithm: SignatureAlgorithm) throws {
    let key = try SigningKey.generate(algorithm)
    let message = Array("a message".utf8)
    let signature = try key.signature(over: message)
    for bit in 0..<512 {
      var changed = signature
      changed[bit / 8] ^= 1 << (bit % 8)
      let valid = key.publicKey.isValid(signature: changed, over: message)
      #expect(!valid, "bit \(bit)")
    }
  }

  @Test("a signature of another length is not valid", arguments: SignatureAlgorithm.allCases)
  func lengths(algorithm: SignatureAlgorithm) throws {
    let key = try SigningKey.generate(algorithm)
    let signature = try key.signature(over: [1])
    for wrong in [[], Array(signature.dropLast()), signature + [0], [0] + signature] {
      #expect(!key.publicKey.isValid(signature: wrong, over: [1]))
    }
  }

  @Test(
    "r and s outside 1 … n−1 are not valid",
    arguments: [
      String(repeating: "00", count: 32), String(repeating: "ff", count: 32),
      "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",
    ])
  func scalars(scalar: String) throws {
    let key = try SigningKey.generate(.es256)
    let signature = try key.signature(over: [1])
    #expect(try !key.publicKey.isValid(signature: hex(scalar) + signature.suffix(32), over: [1]))
    #expect(try !key.publicKey.isValid(signature: signature.prefix(32) + hex(scalar), over: [1]))
    #expect(try !key.publicKey.isValid(signature: hex(scalar) + hex(scalar), over: [1]))
  }

  @Test("an Ed25519 S that has the group order added is not valid")
  func malleable() throws {
    let (_, publicKey, message, text) = Self.rfc8032[1]
    var signature = try hex(text)
    // S + L, little-endian (RFC 8032 §5.1.7 demands S < L).
    let order = try hex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010")
    var carry = 0
    for index in 0..<32 {
      let sum = Int(signature[32 + index]) + Int(order[index]) + carry
      signature[32 + index] = UInt8(sum & 0xFF)
      carry = sum >> 8
    }
    #expect(carry == 0)
    #expect(try !VerifyingKey(ed25519: hex(publicKey)).isValid(signature: signature, over: hex(message)))
  }

  @Test("one key serves many tasks at once", arguments: SignatureAlgorithm.allCases)
  func concurrent(algorithm: SignatureAlgorithm) async throws {
    let key = try SigningKey.generate(algorithm)
    try await withThrowingTaskGroup(of: Bool.self) { group in
      for task in 0..<8 {
        group.addTask {
          let message = [UInt8(task)]
          for _ in 0..<20 {
            let signature = try key.signature(over: message)
            guard key.publicKey.isValid(signature: signature, over: message) else { return false }
          }
          return true
        }
      }
      for try await valid in group { #expect(valid) }
    }
  }
}
