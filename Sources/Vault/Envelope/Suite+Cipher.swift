import CSodium

/// The ciphers themselves, nothing but libsodium with Swift's types.
///
/// Both work on an expanded key: for AES the round keys and the powers of the hash key, for XChaCha the key itself.
/// AES is expanded once and kept in guarded memory because libsodium's one-shot calls leave the expanded key behind
/// on the stack.
extension Suite {
  /// The authentication tag behind every ciphertext, in bytes.
  static let tagBytes = 16
  /// A key before it is expanded, in bytes.
  static let keyBytes = 32

  /// The nonce's length in bytes.
  var nonceBytes: Int {
    switch self {
    case .aes256gcm: 12
    case .xchacha20poly1305: 24
    }
  }

  /// An expanded key's length in bytes. It must begin at a multiple of 16.
  var expandedBytes: Int {
    switch self {
    case .aes256gcm: MemoryLayout<crypto_aead_aes256gcm_state>.size
    case .xchacha20poly1305: Self.keyBytes
    }
  }

  /// Expands the 32 bytes at `key` into ``expandedBytes`` bytes at `expanded`, which do not overlap them.
  @unsafe func expand(_ key: UnsafeRawPointer, into expanded: UnsafeMutableRawPointer) {
    switch self {
    case .aes256gcm:
      // Always answers 0; the caller promises the lengths.
      unsafe crypto_aead_aes256gcm_beforenm(
        expanded.assumingMemoryBound(to: crypto_aead_aes256gcm_state.self), key.assumingMemoryBound(to: UInt8.self))
    case .xchacha20poly1305:
      unsafe expanded.copyMemory(from: key, byteCount: Self.keyBytes)
    }
  }

  /// Writes ciphertext and tag to `output`, which has room for `plaintext.count + tagBytes`. False when libsodium
  /// refuses, which happens only to messages of many gigabytes.
  @unsafe func encrypt(
    _ plaintext: UnsafeRawBufferPointer, associatedData: UnsafeRawBufferPointer, nonce: UnsafeRawPointer,
    expandedKey: UnsafeRawPointer, into output: UnsafeMutableRawPointer
  ) -> Bool {
    // Every length below is that of the buffer it stands beside; C takes the bytes untyped in all but name.
    let output = unsafe output.assumingMemoryBound(to: UInt8.self)
    let message = unsafe plaintext.baseAddress?.assumingMemoryBound(to: UInt8.self)
    let data = unsafe associatedData.baseAddress?.assumingMemoryBound(to: UInt8.self)
    let nonce = unsafe nonce.assumingMemoryBound(to: UInt8.self)
    switch self {
    case .aes256gcm:
      return unsafe crypto_aead_aes256gcm_encrypt_afternm(
        output, nil, message, UInt64(plaintext.count), data, UInt64(associatedData.count), nil, nonce,
        expandedKey.assumingMemoryBound(to: crypto_aead_aes256gcm_state.self)) == 0
    case .xchacha20poly1305:
      return unsafe crypto_aead_xchacha20poly1305_ietf_encrypt(
        output, nil, message, UInt64(plaintext.count), data, UInt64(associatedData.count), nil, nonce,
        expandedKey.assumingMemoryBound(to: UInt8.self)) == 0
    }
  }

  /// Verifies the tag at the end of `ciphertext`, then writes the plaintext to `output`, which has room for
  /// `ciphertext.count - tagBytes` and may be nil when that is none. False when the tag does not verify.
  @unsafe func decrypt(
    _ ciphertext: UnsafeRawBufferPointer, associatedData: UnsafeRawBufferPointer, nonce: UnsafeRawPointer,
    expandedKey: UnsafeRawPointer, into output: UnsafeMutableRawPointer?
  ) -> Bool {
    // As above; a ciphertext without room for its tag never reaches C.
    guard ciphertext.count >= Self.tagBytes,
      let sealed = unsafe ciphertext.baseAddress?.assumingMemoryBound(to: UInt8.self)
    else { return false }
    let output = unsafe output?.assumingMemoryBound(to: UInt8.self)
    let data = unsafe associatedData.baseAddress?.assumingMemoryBound(to: UInt8.self)
    let nonce = unsafe nonce.assumingMemoryBound(to: UInt8.self)
    switch self {
    case .aes256gcm:
      return unsafe crypto_aead_aes256gcm_decrypt_afternm(
        output, nil, nil, sealed, UInt64(ciphertext.count), data, UInt64(associatedData.count), nonce,
        expandedKey.assumingMemoryBound(to: crypto_aead_aes256gcm_state.self)) == 0
    case .xchacha20poly1305:
      return unsafe crypto_aead_xchacha20poly1305_ietf_decrypt(
        output, nil, nil, sealed, UInt64(ciphertext.count), data, UInt64(associatedData.count), nonce,
        expandedKey.assumingMemoryBound(to: UInt8.self)) == 0
    }
  }
}
