import Signing

/// Fresh names for `jti`.
enum RandomName {
  /// 128 random bits from the system's generator, as 22 characters of base64url.
  static func make() -> String {
    var generator = SystemRandomNumberGenerator()
    let bytes = (0..<16).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
    return StrictBase64.encode(bytes, .url)
  }
}
