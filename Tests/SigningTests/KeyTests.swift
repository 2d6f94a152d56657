import Foundation
import Signing
import Testing

@Suite("Keys")
struct KeyTests {
  /// The `y` of each point of small order, canonical (the two signs of x are tried in the test).
  static let smallOrder = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
  ]
  /// p, p + 1, and so on up to 2²⁵⁵ − 1: second spellings of small numbers.
  static let nonCanonical = [
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  ]

  @Test("an Ed25519 point of small order is refused, whatever its sign", arguments: smallOrder)
  func smallOrderRefused(point: String) throws {
    for sign: UInt8 in [0, 0x80] {
      var bytes = try hex(point)
      bytes[31] |= sign
      let error = #expect(throws: SigningError.self) { try VerifyingKey(ed25519: bytes) }
      #expect(error?.code == .smallOrderPoint)
    }
  }

  @Test("an Ed25519 key with a second spelling is refused, whatever its sign", arguments: nonCanonical)
  func nonCanonicalRefused(point: String) throws {
    for sign: UInt8 in [0, 0x80] {
      var bytes = try hex(point)
      bytes[31] |= sign
      let error = #expect(throws: SigningError.self) { try VerifyingKey(ed25519: bytes) }
      #expect(error?.code == .nonCanonicalPoint)
    }
  }

  @Test("an Ed25519 key of another length is refused", arguments: [0, 31, 33, 64])
  func ed25519Lengths(count: Int) {
    let bytes = [UInt8](repeating: 9, count: count)
    #expect(throws: SigningError.self) { try VerifyingKey(ed25519: bytes) }
    #expect(throws: SigningError.self) { try SigningKey(ed25519Seed: bytes) }
  }

  @Test("32 bytes that are no point verify nothing")
  func noPoint() throws {
    // y = 2 has no x on the curve.
    let key = try VerifyingKey(ed25519: [2] + [UInt8](repeating: 0, count: 31))
    #expect(!key.isValid(signature: [UInt8](repeating: 0, count: 64), over: []))
  }

  @Test("P-256 coordinates off the curve, out of range or at infinity are refused")
  func offCurve() throws {
    let x = try #require(StrictBase64.decode(SignatureTests.p256x, .url))
    let y = try #require(StrictBase64.decode(SignatureTests.p256y, .url))
    let zero = [UInt8](repeating: 0, count: 32)
    let prime = try hex("ffffffff00000001000000000000000000000000ffffffffffffffffffffffff")
    let ones = [UInt8](repeating: 0xFF, count: 32)
    var moved = y
    moved[31] ^= 1
    for (x, y) in [(y, x), (x, moved), (zero, zero), (x, zero), (prime, y), (x, prime), (ones, ones)] {
      let error = #expect(throws: SigningError.self) { try VerifyingKey(p256x: x, y: y) }
      #expect(error?.code == .notOnCurve)
    }
    #expect(try VerifyingKey(p256x: x, y: y).rawBytes == x + y)
  }

  @Test("P-256 coordinates of another length are refused, also when only a zero is missing")
  func p256Lengths() throws {
    let x = try #require(StrictBase64.decode(SignatureTests.p256x, .url))
    let y = try #require(StrictBase64.decode(SignatureTests.p256y, .url))
    for (x, y) in [([], []), (Array(x.dropLast()), y), ([0] + x, y), (x, [0] + y), (x, []), ([4] + x, y)] {
      let error = #expect(throws: SigningError.self) { try VerifyingKey(p256x: x, y: y) }
      #expect(error?.code == .malformedKey)
    }
  }

  @Test("a public key survives its PEM", arguments: SignatureAlgorithm.allCases)
  func publicPEM(algorithm: SignatureAlgorithm) throws {
    let key = try SigningKey.generate(algorithm).publicKey
    #expect(try VerifyingKey(subjectPublicKeyInfoPEM: key.pem()) == key)
    let windows = key.pem().replacingOccurrences(of: "\n", with: "\r\n")
    #expect(try VerifyingKey(subjectPublicKeyInfoPEM: windows + "\n\n") == key)
    #expect(Set([key, try VerifyingKey(subjectPublicKeyInfoPEM: key.pem())]).count == 1)
    #expect("\(key)" == "VerifyingKey(\(algorithm.rawValue) \(Hex.encode(key.rawBytes)))")
  }

  @Test("a public PEM with anything around, inside or cut off is refused", arguments: SignatureAlgorithm.allCases)
  func brokenPublicPEM(algorithm: SignatureAlgorithm) throws {
    let pem = try SigningKey.generate(algorithm).publicKey.pem()
    let broken = [
      "", "no key", "text\n" + pem, pem + "text", pem + pem, String(pem.dropLast(5)),
      pem.replacingOccurrences(of: "PUBLIC KEY", with: "PRIVATE KEY"),
      pem.replacingOccurrences(of: "-----\nM", with: "-----\n M"),
      pem.replacingOccurrences(of: "-----\nM", with: "-----\nProc-Type: 4,ENCRYPTED\n\nM"),
      pem.replacingOccurrences(of: "-----END", with: "AAAA\n-----END"),
    ]
    for text in broken {
      let error = #expect(throws: SigningError.self) { try VerifyingKey(subjectPublicKeyInfoPEM: text) }
      #expect(error?.code == .malformedKey)
    }
  }

  @Test("a small-order point is refused in PEM too")
  func smallOrderPEM() throws {
    let good = try SigningKey.generate(.ed25519).publicKey
    let prefix = StrictBase64.decode(good.pem().split(separator: "\n")[1], .standard)?.prefix(12)
    let der = try Array(#require(prefix)) + hex(Self.smallOrder[1])
    let pem = "-----BEGIN PUBLIC KEY-----\n\(StrictBase64.encode(der, .standard))\n-----END PUBLIC KEY-----\n"
    let error = #expect(throws: SigningError.self) { try VerifyingKey(subjectPublicKeyInfoPEM: pem) }
    #expect(error?.code == .smallOrderPoint)
  }

  @Test("a private key survives its PEM", arguments: SignatureAlgorithm.allCases)
  func privatePEM(algorithm: SignatureAlgorithm) throws {
    let key = try SigningKey.generate(algorithm)
    let copy = try SigningKey(pem: key.privatePEM())
    #expect(copy.publicKey == key.publicKey)
    #expect(try key.publicKey.isValid(signature: copy.signature(over: [1, 2]), over: [1, 2]))
  }

  @Test(
    "what is no PKCS#8 block is refused",
    arguments: [
      "", "-----BEGIN PRIVATE KEY-----", "-----BEGIN PRIVATE KEY-----\n!!!!\n-----END PRIVATE KEY-----\n",
      "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIA==\n-----END PRIVATE KEY-----\n", "\u{0}",
    ])
  func brokenPrivatePEM(text: String) {
    let error = #expect(throws: SigningError.self) { try SigningKey(pem: Array(text.utf8)) }
    #expect(error?.code == .malformedKey)
  }

  @Test("a private key beside another's public key is refused")
  func mismatched() throws {
    let pem = String(decoding: try SigningKey.generate(.es256).privatePEM(), as: UTF8.self)
    let body = pem.split(separator: "\n").dropFirst().dropLast().joined()
    let der = try #require(StrictBase64.decode(body, .standard))
    let foreign = try SigningKey.generate(.es256).publicKey.rawBytes
    let mixed = StrictBase64.encode(der.dropLast(64) + foreign, .standard)
    let text = "-----BEGIN PRIVATE KEY-----\n\(mixed)\n-----END PRIVATE KEY-----\n"
    let error = #expect(throws: SigningError.self) { try SigningKey(pem: Array(text.utf8)) }
    #expect(error?.code == .mismatchedPair)
  }

  @Test("a private key never prints more than its algorithm", arguments: SignatureAlgorithm.allCases)
  func printing(algorithm: SignatureAlgorithm) throws {
    let key = try SigningKey.generate(algorithm)
    var dumped = ""
    dump(key, to: &dumped)
    let name = "SigningKey(\(algorithm.rawValue))"
    #expect("\(key)" == name)
    #expect(String(reflecting: key) == name)
    #expect(!dumped.contains("0x"))
    #expect(dumped.split(separator: "\n").count == 1)
    #expect(Mirror(reflecting: key).children.isEmpty)
  }
}

@Suite("Agreement with the openssl command")
struct AgreementTests {
  @Test("Ed25519: each verifies what the other signed")
  func ed25519() async throws {
    try await OpenSSLCommand.with { openssl in
      let message = Array("agreed".utf8)
      try openssl.write(message, "message")
      #expect(try await openssl.run("genpkey", "-algorithm", "ed25519", "-out", "key.pem") == 0)
      #expect(try await openssl.run("pkey", "-in", "key.pem", "-pubout", "-out", "pub.pem") == 0)
      let key = try SigningKey(pem: openssl.read("key.pem"))
      #expect(try key.publicKey.pem() == openssl.text("pub.pem"))
      #expect(try key.privatePEM() == openssl.read("key.pem"))
      #expect(
        try await openssl.run(
          "pkeyutl", "-sign", "-inkey", "key.pem", "-rawin", "-in", "message", "-out", "theirs") == 0)
      #expect(try key.signature(over: message) == openssl.read("theirs"))
      let theirs = try VerifyingKey(subjectPublicKeyInfoPEM: openssl.text("pub.pem"))
      #expect(try theirs.isValid(signature: openssl.read("theirs"), over: message))

      let ours = try SigningKey.generate(.ed25519)
      try openssl.write(Array(ours.publicKey.pem().utf8), "ours.pem")
      try openssl.write(ours.signature(over: message), "ours")
      #expect(
        try await openssl.run(
          "pkeyutl", "-verify", "-pubin", "-inkey", "ours.pem", "-rawin", "-in", "message", "-sigfile", "ours")
          == 0)
    }
  }

  @Test("ES256: each verifies what the other signed, in DER")
  func es256() async throws {
    try await OpenSSLCommand.with { openssl in
      let message = Array("agreed".utf8)
      try openssl.write(message, "message")
      #expect(
        try await openssl.run(
          "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", "key.pem") == 0)
      #expect(try await openssl.run("pkey", "-in", "key.pem", "-pubout", "-out", "pub.pem") == 0)
      let key = try SigningKey(pem: openssl.read("key.pem"))
      #expect(key.algorithm == .es256)
      #expect(try key.publicKey.pem() == openssl.text("pub.pem"))
      #expect(try await openssl.run("dgst", "-sha256", "-sign", "key.pem", "-out", "theirs", "message") == 0)
      let theirs = try raw(der: openssl.read("theirs"))
      #expect(key.publicKey.isValid(signature: theirs, over: message))

      let ours = try SigningKey.generate(.es256)
      try openssl.write(Array(ours.publicKey.pem().utf8), "ours.pem")
      try openssl.write(der(raw: ours.signature(over: message)), "ours")
      #expect(
        try await openssl.run("dgst", "-sha256", "-verify", "ours.pem", "-signature", "ours", "message") == 0)
    }
  }

  @Test(
    "private keys of other kinds and forms are refused",
    arguments: [
      (["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"], SigningError.Code.unsupportedAlgorithm),
      (["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"], .unsupportedAlgorithm),
      (["genpkey", "-algorithm", "X25519"], .unsupportedAlgorithm),
      (["genpkey", "-algorithm", "ed448"], .unsupportedAlgorithm),
      (["ecparam", "-name", "prime256v1", "-genkey", "-noout"], .malformedKey),
      (["genpkey", "-algorithm", "ed25519", "-aes128", "-pass", "pass:x"], .malformedKey),
    ])
  func refused(command: [String], code: SigningError.Code) async throws {
    try await OpenSSLCommand.with { openssl in
      #expect(try await openssl.run(command + ["-out", "key.pem"]) == 0)
      let pem = try openssl.read("key.pem")
      let error = #expect(throws: SigningError.self) { try SigningKey(pem: pem) }
      #expect(error?.code == code)
    }
  }

  @Test(
    "public keys of other kinds, compressed and hybrid points are refused",
    arguments: [
      (
        ["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"], [], SigningError.Code.unsupportedAlgorithm
      ),
      (["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"], [], .unsupportedAlgorithm),
      (["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"], ["compressed"], .unsupportedAlgorithm),
      (["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"], ["hybrid"], .unsupportedAlgorithm),
    ])
  func publicRefused(command: [String], form: [String], code: SigningError.Code) async throws {
    try await OpenSSLCommand.with { openssl in
      #expect(try await openssl.run(command + ["-out", "key.pem"]) == 0)
      let conversion = form.flatMap { ["-ec_conv_form", $0] }
      #expect(try await openssl.run(["pkey", "-in", "key.pem", "-pubout", "-out", "pub.pem"] + conversion) == 0)
      let pem = try openssl.text("pub.pem")
      let error = #expect(throws: SigningError.self) { try VerifyingKey(subjectPublicKeyInfoPEM: pem) }
      #expect(error?.code == code)
    }
  }

  /// DER of r ‖ s, written for the test alone.
  private func der(raw: [UInt8]) -> [UInt8] {
    let numbers = [Array(raw.prefix(32)), Array(raw.suffix(32))].flatMap { bytes -> [UInt8] in
      var bytes = Array(bytes.drop { $0 == 0 })
      if bytes[0] > 0x7F { bytes = [0] + bytes }
      return [2, UInt8(bytes.count)] + bytes
    }
    return [0x30, UInt8(numbers.count)] + numbers
  }

  /// r ‖ s of DER, written for the test alone.
  private func raw(der: [UInt8]) -> [UInt8] {
    let lengthOfR = Int(der[3])
    let r = der[4..<4 + lengthOfR]
    let s = der[(6 + lengthOfR)...]
    return [r, s].flatMap { number -> [UInt8] in
      let bytes = number.drop { $0 == 0 }
      return [UInt8](repeating: 0, count: 32 - bytes.count) + bytes
    }
  }
}
