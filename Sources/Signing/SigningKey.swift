import COpenSSL

/// A private key that signs with one algorithm.
///
/// The private half stays inside OpenSSL, which wipes it when the key is freed. Nothing prints it: description and
/// mirror show the algorithm only. Any number of threads may sign with one key at once.
@safe
public final class SigningKey: Sendable, CustomStringConvertible, CustomDebugStringConvertible,
  CustomReflectable
{
  /// The public half, by which the algorithm is known too.
  public let publicKey: VerifyingKey

  // Owned: freed (and its secret wiped) in deinit. OpenSSL only reads an EVP_PKEY that is complete.
  private nonisolated(unsafe) let key: OpaquePointer

  /// The one algorithm of this key.
  public var algorithm: SignatureAlgorithm { publicKey.algorithm }

  /// A fresh key from the system's random numbers.
  ///
  /// - Throws: `.operationFailed` when OpenSSL has no memory or no entropy.
  public static func generate(_ algorithm: SignatureAlgorithm) throws(SigningError) -> SigningKey {
    // A fresh key is owned by the initialiser from here on, also when it throws.
    guard let key = unsafe algorithm == .es256 ? lethe_generate_p256() : lethe_generate_ed25519() else {
      throw OpenSSLFailure.cleared(.operationFailed)
    }
    return unsafe try SigningKey(owning: key)
  }

  /// Takes a 32-byte Ed25519 private key (RFC 8032 §5.1.5, "seed"), as published vectors give it.
  ///
  /// - Throws: `.malformedKey` for another length.
  public convenience init(ed25519Seed seed: [UInt8]) throws(SigningError) {
    guard seed.count == 32 else { throw SigningError(.malformedKey) }
    // The pointer is valid for the call and holds 32 bytes; the key is owned by the initialiser it is given to.
    guard let key = unsafe EVP_PKEY_new_raw_private_key_ex(nil, "ED25519", nil, seed, seed.count) else {
      throw OpenSSLFailure.cleared(.operationFailed)
    }
    unsafe try self.init(owning: key)
  }

  /// Takes a `PRIVATE KEY` block (PKCS#8, RFC 5958 in RFC 7468 §10) with an Ed25519 or P-256 key, not encrypted.
  ///
  /// The caller's bytes are a secret too: wipe them afterwards.
  /// - Throws: `.malformedKey`, `.unsupportedAlgorithm`, `.mismatchedPair` when the public key beside the private
  ///   one is another's.
  public convenience init(pem: [UInt8]) throws(SigningError) {
    guard pem.starts(with: Array("-----BEGIN PRIVATE KEY-----".utf8)), pem.count <= SigningKeyFile.maximumBytes else {
      throw SigningError(.malformedKey)
    }
    // The BIO borrows the array for the closure only; the key is owned by the initialiser it is given to.
    let key = unsafe pem.withUnsafeBytes { bytes -> OpaquePointer? in
      guard let bio = unsafe BIO_new_mem_buf(bytes.baseAddress, Int32(bytes.count)) else { return nil }
      defer { unsafe BIO_free_all(bio) }
      return unsafe lethe_read_private_pem(bio)
    }
    guard let key = unsafe key else { throw OpenSSLFailure.cleared(.malformedKey) }
    unsafe try self.init(owning: key)
  }

  /// Takes over `key`; frees it also when it throws.
  @unsafe private init(owning key: OpaquePointer) throws(SigningError) {
    do {
      publicKey = unsafe try PublicHalf.of(key)
    } catch {
      unsafe EVP_PKEY_free(key)
      throw error
    }
    unsafe self.key = unsafe key
  }

  deinit {
    // The only owner gives the key back; OpenSSL wipes the private half.
    unsafe EVP_PKEY_free(key)
  }

  /// Signs the bytes: 64 bytes, r ‖ s for ES256 (RFC 7518 §3.4), R ‖ S for Ed25519 (RFC 8032 §5.1.6).
  ///
  /// Ed25519 always gives the same signature over the same bytes, ES256 a different one each time.
  /// - Throws: `.operationFailed` when OpenSSL has no memory or no entropy.
  public func signature(over message: [UInt8]) throws(SigningError) -> [UInt8] {
    guard let context = unsafe EVP_MD_CTX_new() else { throw OpenSSLFailure.cleared(.operationFailed) }
    // The context is this call's own and freed at its end; the arrays' pointers are valid for each call, and
    // `length` tells OpenSSL the room there is (a DER signature on P-256 takes at most 72 bytes).
    defer { unsafe EVP_MD_CTX_free(context) }
    let digest = unsafe algorithm == .es256 ? Algorithms.sha256 : nil
    var output = [UInt8](repeating: 0, count: 80)
    var length = output.count
    guard unsafe EVP_DigestSignInit(context, nil, digest, nil, key) == 1,
      unsafe EVP_DigestSign(context, &output, &length, message, message.count) == 1
    else { throw OpenSSLFailure.cleared(.operationFailed) }
    let made = Array(output.prefix(length))
    let signature = algorithm == .es256 ? ECDSASignature.raw(der: made) : made
    guard let signature, signature.count == SignatureAlgorithm.signatureByteCount else {
      throw SigningError(.operationFailed)
    }
    return signature
  }

  /// The `PRIVATE KEY` block (PKCS#8), not encrypted: the secret itself, for a key file. Wipe it after use.
  ///
  /// - Throws: `.operationFailed` when OpenSSL has no memory.
  public func privatePEM() throws(SigningError) -> [UInt8] {
    // A secure-memory BIO wipes its bytes when freed; what is copied out belongs to the caller.
    guard let bio = unsafe BIO_new(BIO_s_secmem()) else { throw OpenSSLFailure.cleared(.operationFailed) }
    defer { unsafe BIO_free_all(bio) }
    guard unsafe PEM_write_bio_PKCS8PrivateKey(bio, key, nil, nil, 0, nil, nil) == 1 else {
      throw OpenSSLFailure.cleared(.operationFailed)
    }
    var bytes: UnsafeMutablePointer<CChar>?
    let count = unsafe lethe_bio_memory(bio, &bytes)
    guard let bytes = unsafe bytes, count > 0 else { throw SigningError(.operationFailed) }
    return unsafe [UInt8](UnsafeRawBufferPointer(start: bytes, count: count))
  }

  /// The algorithm; never the key.
  public var description: String { "SigningKey(\(algorithm.rawValue))" }

  /// The same as ``description``.
  public var debugDescription: String { description }

  /// Shows no children, so that `dump` has nothing to print.
  public var customMirror: Mirror { Mirror(self, children: []) }
}

/// Reads the public half out of a private key and passes it through the checks of ``VerifyingKey``.
private enum PublicHalf {
  /// Borrows `key` for the call.
  @unsafe static func of(_ key: OpaquePointer) throws(SigningError) -> VerifyingKey {
    if unsafe EVP_PKEY_is_a(key, "ED25519") == 1 {
      var bytes = [UInt8](repeating: 0, count: 32)
      var length = bytes.count
      guard unsafe EVP_PKEY_get_raw_public_key(key, &bytes, &length) == 1, length == 32 else {
        throw OpenSSLFailure.cleared(.malformedKey)
      }
      return try VerifyingKey(ed25519: bytes)
    }
    guard unsafe EVP_PKEY_is_a(key, "EC") == 1 else { throw SigningError(.unsupportedAlgorithm) }
    var name = [CChar](repeating: 0, count: 32)
    var length = 0
    guard unsafe EVP_PKEY_get_group_name(key, &name, name.count, &length) == 1,
      name.prefix(length).elementsEqual("prime256v1".utf8.map { CChar($0) })
    else { throw OpenSSLFailure.cleared(.unsupportedAlgorithm) }
    guard let context = unsafe EVP_PKEY_CTX_new_from_pkey(nil, key, nil) else {
      throw OpenSSLFailure.cleared(.operationFailed)
    }
    defer { unsafe EVP_PKEY_CTX_free(context) }
    guard unsafe EVP_PKEY_pairwise_check(context) == 1 else { throw OpenSSLFailure.cleared(.mismatchedPair) }
    return try VerifyingKey(
      p256x: unsafe coordinate(OSSL_PKEY_PARAM_EC_PUB_X, of: key),
      y: unsafe coordinate(OSSL_PKEY_PARAM_EC_PUB_Y, of: key))
  }

  /// One coordinate, 32 bytes big-endian.
  @unsafe private static func coordinate(_ name: String, of key: OpaquePointer) throws(SigningError) -> [UInt8] {
    var number: OpaquePointer?
    // OpenSSL makes the number, this call frees it; the array has the 32 bytes that are written.
    defer { unsafe BN_free(number) }
    guard unsafe EVP_PKEY_get_bn_param(key, name, &number) == 1 else { throw OpenSSLFailure.cleared(.malformedKey) }
    var bytes = [UInt8](repeating: 0, count: 32)
    guard unsafe BN_bn2binpad(number, &bytes, 32) == 32 else { throw OpenSSLFailure.cleared(.malformedKey) }
    return bytes
  }
}
