public import Signing
import StrictJSON

/// An issuer's published keys (RFC 7517 §5), each with a `kid` and one algorithm.
public struct JWKSet: Sendable {
  /// The usable keys, in the order of the document.
  public let keys: [JWK]
  private let byKeyID: [[UInt8]: VerifyingKey]

  /// The largest document taken, in bytes.
  public static let maxBytes = 64 * 1024
  /// The largest number of keys taken.
  public static let maxKeys = 64

  /// Collects keys to publish.
  ///
  /// Throws `keyIDNotUsable` for a key without a `kid`, `duplicateKeyID`, `tooManyKeys`, or `noUsableKey`.
  public init(_ keys: [JWK]) throws(TokenError) {
    guard keys.count <= Self.maxKeys else { throw TokenError(.tooManyKeys) }
    guard !keys.isEmpty else { throw TokenError(.noUsableKey) }
    var byKeyID: [[UInt8]: VerifyingKey] = [:]
    for jwk in keys {
      guard let keyID = jwk.keyID, (1...128).contains(keyID.utf8.count) else { throw TokenError(.keyIDNotUsable) }
      guard byKeyID.updateValue(jwk.key, forKey: Array(keyID.utf8)) == nil else {
        throw TokenError(.duplicateKeyID)
      }
    }
    self.keys = keys
    self.byKeyID = byKeyID
  }

  /// Reads a published document.
  ///
  /// Keys of other types, for other uses, or without a `kid` are passed over, as RFC 7517 §5 asks. One key with a
  /// private member, a malformed key of a supported type, or a `kid` used twice refuses the whole document: what else
  /// is wrong with it cannot be known.
  public init(parsing document: [UInt8]) throws(TokenError) {
    guard document.count <= Self.maxBytes else { throw TokenError(.tooLong) }
    let limits = JSONLimits(maxBytes: Self.maxBytes, maxDepth: 8, maxMembers: 2048)
    // The parser's own code is not passed on: for an operator, the document is not strict JSON, whatever the byte.
    guard let root = try? JSONValue(parsing: document, limits: limits),
      case .array(let items)? = root.member("keys")
    else { throw TokenError(.keySetMalformed) }
    guard items.count <= Self.maxKeys else { throw TokenError(.tooManyKeys) }
    try Self.refuseRepeatedNames(in: items)
    var usable: [JWK] = []
    for item in items {
      do {
        let jwk = try JWK(parsing: item)
        if jwk.keyID != nil { usable.append(jwk) }
      } catch  where error.code == .keyTypeNotSupported {
        continue
      }
    }
    try self.init(usable)
  }

  /// The key with exactly these bytes as `kid`.
  public func key(_ keyID: String) -> VerifyingKey? {
    byKeyID[Array(keyID.utf8)]
  }

  /// The document to publish as `application/jwk-set+json`: UTF-8, canonical order, no spaces.
  public func document() throws(TokenError) -> [UInt8] {
    do {
      return try JSONValue.object([JSONMember("keys", .array(keys.map(\.json)))]).canonicalBytes()
    } catch {
      throw TokenError(.keySetMalformed)
    }
  }

  private static func refuseRepeatedNames(in items: [JSONValue]) throws(TokenError) {
    var seen: Set<[UInt8]> = []
    for item in items {
      guard item.isObject else { throw TokenError(.keySetMalformed) }
      guard let name = item.member("kid")?.text else { continue }
      guard seen.insert(Array(name.utf8)).inserted else { throw TokenError(.duplicateKeyID) }
    }
  }
}
