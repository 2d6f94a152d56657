import COpenSSL

/// HMAC with SHA-256 (RFC 2104, FIPS 198-1), for keys that are not the vault's: webhook secrets, request fingerprints.
public enum HMACSHA256 {
  /// The 32-byte tag of the message. Compare it with ``constantTimeEqual(_:_:)``.
  ///
  /// - Parameter key: any length; 32 random bytes are the sensible one.
  public static func authenticate(_ message: [UInt8], key: [UInt8]) -> [UInt8] {
    var tag = [UInt8](repeating: 0, count: SHA256Digest.byteCount)
    // An empty array has no address, and OpenSSL takes a null key for "the key of the last time"; one spare byte
    // gives it an address without changing its length.
    let addressable = key.isEmpty ? [0] : key
    // All pointers are valid for the call; the tag has the 32 bytes that SHA-256 writes.
    let written = unsafe HMAC(
      Algorithms.sha256, addressable, Int32(key.count), message, message.count, &tag, nil)
    unsafe precondition(written != nil, "OpenSSL can't compute an HMAC")
    return tag
  }
}
