import COpenSSL

/// Compares secrets of equal length in a time that doesn't depend on where they differ. Unequal lengths compare
/// unequal at once: a length is not secret here.
public func constantTimeEqual(_ a: [UInt8], _ b: [UInt8]) -> Bool {
  guard a.count == b.count else { return false }
  guard !a.isEmpty else { return true }
  // Both pointers are valid for the call and hold `a.count` bytes.
  return unsafe CRYPTO_memcmp(a, b, a.count) == 0
}
