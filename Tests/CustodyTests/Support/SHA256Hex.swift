import Signing

enum SHA256Hex {
  static func of(_ bytes: [UInt8]) -> String { SHA256Digest.hash(bytes).hex }
}
