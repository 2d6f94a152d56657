import COpenSSL

/// A public key that verifies signatures of one algorithm.
///
/// Immutable after construction; every construction passes the same checks, so holding one means that its point is
/// acceptable. Safe to use: the pointer inside has one owner and can't be reached. Any number of threads may verify with one key at once: each call has a context of its own.
@safe public final class VerifyingKey: Sendable, Hashable, CustomStringConvertible {
  /// The one algorithm of this key; a signature of the other is never valid.
  public let algorithm: SignatureAlgorithm
  /// The public key itself: 32 bytes for Ed25519 (RFC 8032 §5.1.2), x ‖ y of 32 bytes each for P-256.
  public let rawBytes: [UInt8]

  // Owned: freed in deinit. OpenSSL only reads an EVP_PKEY that is complete (its export cache has a lock of its own).
  private nonisolated(unsafe) let key: OpaquePointer

  /// Takes a 32-byte Ed25519 key.
  ///
  /// Bytes that are canonical and yet no point of the curve make a key with which nothing is valid.
  /// - Throws: `.malformedKey` for another length, `.nonCanonicalPoint`, `.smallOrderPoint`.
  public convenience init(ed25519 bytes: [UInt8]) throws(SigningError) {
    try Ed25519Point.check(bytes)
    // The pointer is valid for the call and holds 32 bytes.
    guard let key = unsafe EVP_PKEY_new_raw_public_key_ex(nil, "ED25519", nil, bytes, bytes.count) else {
      throw OpenSSLFailure.cleared(.operationFailed)
    }
    unsafe self.init(owning: key, .ed25519, bytes)
  }

  /// Takes the coordinates of a P-256 point, big-endian, exactly 32 bytes each.
  ///
  /// - Throws: `.malformedKey` for other lengths, `.notOnCurve` for anything but a point of the curve.
  public convenience init(p256x x: [UInt8], y: [UInt8]) throws(SigningError) {
    guard x.count == 32, y.count == 32 else { throw SigningError(.malformedKey) }
    // Built as 04 ‖ x ‖ y only: OpenSSL would also take infinity, compressed and hybrid points.
    // The pointer is valid for the call, which copies the 65 bytes.
    guard let key = unsafe lethe_p256_public_key([0x04] + x + y) else {
      throw OpenSSLFailure.cleared(.notOnCurve)
    }
    unsafe self.init(owning: key, .es256, x + y)
  }

  /// Takes a `PUBLIC KEY` block (RFC 7468 §13) with a SubjectPublicKeyInfo of Ed25519 (RFC 8410 §4) or of P-256 with
  /// an uncompressed point (RFC 5480 §2).
  ///
  /// - Throws: `.malformedKey` for anything around, inside or instead of it, `.unsupportedAlgorithm`, and what the
  ///   other initialisers throw.
  public convenience init(subjectPublicKeyInfoPEM text: String) throws(SigningError) {
    guard let der = PEMText.decode(text, label: "PUBLIC KEY"), der.first == 0x30 else {
      throw SigningError(.malformedKey)
    }
    if der.starts(with: KeyPrefix.ed25519) {
      try self.init(ed25519: Array(der.dropFirst(KeyPrefix.ed25519.count)))
    } else if der.starts(with: KeyPrefix.p256) {
      let point = Array(der.dropFirst(KeyPrefix.p256.count))
      guard point.count == 64 else { throw SigningError(.malformedKey) }
      try self.init(p256x: Array(point.prefix(32)), y: Array(point.suffix(32)))
    } else {
      throw SigningError(.unsupportedAlgorithm)
    }
  }

  /// Takes over `key`, whose public half the caller has checked to be `rawBytes`.
  @unsafe private init(owning key: OpaquePointer, _ algorithm: SignatureAlgorithm, _ rawBytes: [UInt8]) {
    unsafe self.key = unsafe key
    self.algorithm = algorithm
    self.rawBytes = rawBytes
  }

  deinit {
    // The only owner gives the key back.
    unsafe EVP_PKEY_free(key)
  }

  /// Whether `signature` is this key's signature over exactly these bytes.
  ///
  /// - Parameter signature: 64 bytes, r ‖ s for ES256, R ‖ S for Ed25519; any other length is not valid. Valid is
  ///   only what OpenSSL answers with 1; its errors are "not valid" as well.
  public func isValid(signature: [UInt8], over message: [UInt8]) -> Bool {
    guard signature.count == SignatureAlgorithm.signatureByteCount else { return false }
    let encoded = algorithm == .es256 ? ECDSASignature.der(raw: signature) : signature
    guard let context = unsafe EVP_MD_CTX_new() else { return false }
    // The context is this call's own and freed at its end; the arrays' pointers are valid for each call.
    defer { unsafe EVP_MD_CTX_free(context) }
    let digest = unsafe algorithm == .es256 ? Algorithms.sha256 : nil
    guard unsafe EVP_DigestVerifyInit(context, nil, digest, nil, key) == 1,
      unsafe EVP_DigestVerify(context, encoded, encoded.count, message, message.count) == 1
    else {
      ERR_clear_error()
      return false
    }
    return true
  }

  /// The `PUBLIC KEY` block (RFC 7468 §13) of this key, as the `openssl` command reads and writes it.
  public func pem() -> String {
    PEMText.encode((algorithm == .es256 ? KeyPrefix.p256 : KeyPrefix.ed25519) + rawBytes, label: "PUBLIC KEY")
  }

  /// Equal algorithm and equal bytes; a public key is no secret.
  public static func == (a: VerifyingKey, b: VerifyingKey) -> Bool {
    a.algorithm == b.algorithm && a.rawBytes == b.rawBytes
  }

  /// Feeds the algorithm and the bytes.
  public func hash(into hasher: inout Hasher) {
    hasher.combine(algorithm)
    hasher.combine(rawBytes)
  }

  /// The algorithm and the key's bytes in hexadecimal.
  public var description: String { "VerifyingKey(\(algorithm.rawValue) \(Hex.encode(rawBytes)))" }
}

/// What stands before the point in a SubjectPublicKeyInfo. Each algorithm has exactly one encoding.
private enum KeyPrefix {
  /// SEQUENCE { SEQUENCE { 1.3.101.112 }, BIT STRING of 32 bytes }.
  static let ed25519: [UInt8] = [0x30, 0x2A, 0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70, 0x03, 0x21, 0x00]
  /// SEQUENCE { SEQUENCE { 1.2.840.10045.2.1, 1.2.840.10045.3.1.7 }, BIT STRING 04 … }.
  static let p256: [UInt8] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01, 0x06, 0x08,
    0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
  ]
}

/// OpenSSL keeps a queue of errors for each thread; a failure that was handled must not stay in it.
enum OpenSSLFailure {
  /// Empties the thread's queue and gives the error to throw.
  static func cleared(_ code: SigningError.Code) -> SigningError {
    ERR_clear_error()
    return SigningError(code)
  }
}
