import Signing
import StrictJSON

/// A JSON Web Signature in compact form (RFC 7515 §7.1), taken apart and not yet believed.
struct CompactJWS: Sendable {
  /// The header, a strict JSON object.
  let header: JSONValue
  /// The claims, decoded from base64url and otherwise unread.
  let payload: [UInt8]
  /// The signature as received, of any length.
  let signature: [UInt8]
  /// `header.payload` as received: the bytes that are signed.
  let signedBytes: [UInt8]

  /// Bounds of a header or a set of claims; each is at most a token long.
  static let limits = JSONLimits(maxBytes: 8 * 1024, maxDepth: 8, maxMembers: 128)

  /// Splits and decodes.
  ///
  /// - Parameters:
  ///   - bytes: the token or proof as received.
  ///   - maxBytes: the limit, in bytes, before anything is allocated.
  ///   - formStep: the step reported for a wrong length or form.
  ///   - headerStep: the step reported for a header that is no strict JSON object.
  init(_ bytes: [UInt8], maxBytes: Int, formStep: Int, headerStep: Int) throws(TokenError) {
    guard bytes.count <= maxBytes else { throw TokenError(.tooLong, step: formStep) }
    guard let dots = Self.dots(in: bytes) else { throw TokenError(.malformed, step: formStep) }
    guard let headerBytes = StrictBase64.decode(utf8: bytes[..<dots.first], .url),
      let payload = StrictBase64.decode(utf8: bytes[(dots.first + 1)..<dots.second], .url),
      let signature = StrictBase64.decode(utf8: bytes[(dots.second + 1)...], .url)
    else { throw TokenError(.malformed, step: formStep) }
    guard let header = Self.object(headerBytes) else { throw TokenError(.headerNotStrict, step: headerStep) }
    self.header = header
    self.payload = payload
    self.signature = signature
    signedBytes = Array(bytes[..<dots.second])
  }

  /// The claims, once the signature has been checked; `nil` unless they are one strict JSON object.
  func claims() -> JSONValue? {
    Self.object(payload)
  }

  /// Whether the signature is 64 bytes and verifies over the bytes as received.
  func isSigned(by key: VerifyingKey) -> Bool {
    signature.count == 64 && key.isValid(signature: signature, over: signedBytes)
  }

  /// Signs claims and writes the compact form.
  static func sign(header: JSONValue, claims: JSONValue, with key: SigningKey) throws(TokenError) -> String {
    do {
      let head = StrictBase64.encode(try header.canonicalBytes(), .url)
      let body = StrictBase64.encode(try claims.canonicalBytes(), .url)
      let signature = try key.signature(over: Array("\(head).\(body)".utf8))
      return "\(head).\(body).\(StrictBase64.encode(signature, .url))"
    } catch {
      throw TokenError(.signingFailed)
    }
  }

  private static func dots(in bytes: [UInt8]) -> (first: Int, second: Int)? {
    var first: Int?
    var second: Int?
    for (index, byte) in bytes.enumerated() where byte == 0x2E {
      if first == nil {
        first = index
      } else if second == nil {
        second = index
      } else {
        return nil
      }
    }
    guard let first, let second else { return nil }
    return (first, second)
  }

  private static func object(_ bytes: [UInt8]) -> JSONValue? {
    // Why a document is refused stays unsaid to the caller on purpose; that it is refused is the whole answer.
    guard let value = try? JSONValue(parsing: bytes, limits: limits), value.isObject else { return nil }
    return value
  }
}
