/// The two spellings of an ECDSA signature on P-256: r ‖ s as JOSE writes it (RFC 7518 §3.4), and the DER
/// `SEQUENCE { INTEGER r, INTEGER s }` that OpenSSL takes and gives (RFC 3279 §2.2.3).
enum ECDSASignature {
  /// DER of 64 bytes r ‖ s.
  static func der(raw: [UInt8]) -> [UInt8] {
    let content = integer(raw.prefix(32)) + integer(raw.dropFirst(32))
    return [0x30, UInt8(content.count)] + content
  }

  /// r ‖ s of a DER signature that OpenSSL made; nil if it isn't one.
  static func raw(der: [UInt8]) -> [UInt8]? {
    var rest = ArraySlice(der)
    guard rest.popFirst() == 0x30, let length = rest.popFirst(), Int(length) == rest.count else { return nil }
    guard let r = takeInteger(&rest), let s = takeInteger(&rest), rest.isEmpty else { return nil }
    return r + s
  }

  private static func integer(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
    var magnitude = Array(bytes.drop { $0 == 0 })
    // A leading one bit would make the number negative, and zero still takes one byte.
    if magnitude.first.map({ $0 >= 0x80 }) ?? true { magnitude.insert(0, at: 0) }
    return [0x02, UInt8(magnitude.count)] + magnitude
  }

  private static func takeInteger(_ rest: inout ArraySlice<UInt8>) -> [UInt8]? {
    guard rest.popFirst() == 0x02, let length = rest.popFirst(), rest.count >= Int(length) else { return nil }
    let magnitude = rest.prefix(Int(length)).drop { $0 == 0 }
    rest = rest.dropFirst(Int(length))
    guard magnitude.count <= 32 else { return nil }
    return [UInt8](repeating: 0, count: 32 - magnitude.count) + magnitude
  }
}
