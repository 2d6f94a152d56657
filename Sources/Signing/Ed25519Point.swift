/// What a 32-byte Ed25519 public key must be before it may verify anything (RFC 8032 §5.1.3).
///
/// OpenSSL takes any 32 bytes. With a point of small order as the key, the equation it checks holds for messages that
/// nobody signed; and two encodings of one point would be two keys with two thumbprints.
enum Ed25519Point {
  /// Throws unless `y` is canonical and the point's order is large.
  static func check(_ encoded: [UInt8]) throws(SigningError) {
    guard encoded.count == 32 else { throw SigningError(.malformedKey) }
    var y = encoded
    y[31] &= 0x7F  // The top bit is the sign of x.
    guard y.reversed().lexicographicallyPrecedes(prime.reversed()) else { throw SigningError(.nonCanonicalPoint) }
    guard !smallOrder.contains(y) else { throw SigningError(.smallOrderPoint) }
  }

  /// 2²⁵⁵ − 19, little-endian.
  private static let prime: [UInt8] = [0xED] + [UInt8](repeating: 0xFF, count: 30) + [0x7F]

  /// The `y` of the eight points whose order divides eight; each but the first two stands for both signs of x.
  private static let smallOrder: Set<[UInt8]> = [
    [0x01] + [UInt8](repeating: 0, count: 31),  // order 1
    [0xEC] + [UInt8](repeating: 0xFF, count: 30) + [0x7F],  // order 2
    [UInt8](repeating: 0, count: 32),  // order 4
    [
      0x26, 0xE8, 0x95, 0x8F, 0xC2, 0xB2, 0x27, 0xB0, 0x45, 0xC3, 0xF4, 0x89, 0xF2, 0xEF, 0x98, 0xF0,
      0xD5, 0xDF, 0xAC, 0x05, 0xD3, 0xC6, 0x33, 0x39, 0xB1, 0x38, 0x02, 0x88, 0x6D, 0x53, 0xFC, 0x05,
    ],  // order 8
    [
      0xC7, 0x17, 0x6A, 0x70, 0x3D, 0x4D, 0xD8, 0x4F, 0xBA, 0x3C, 0x0B, 0x76, 0x0D, 0x10, 0x67, 0x0F,
      0x2A, 0x20, 0x53, 0xFA, 0x2C, 0x39, 0xCC, 0xC6, 0x4E, 0xC7, 0xFD, 0x77, 0x92, 0xAC, 0x03, 0x7A,
    ],  // order 8
  ]
}
