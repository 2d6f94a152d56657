public import Signing
public import StrictJSON

/// A public key as a JSON Web Key: P-256 (RFC 7518 §6.2) or Ed25519 (RFC 8037 §2).
public struct JWK: Sendable, Hashable {
  /// The key itself, checked to be on its curve and not of small order.
  public let key: VerifyingKey
  /// `kid`, or `nil` for a key that is not part of a set.
  public let keyID: String?

  /// Names a key for a set, or leaves it unnamed for the header of a proof.
  public init(_ key: VerifyingKey, keyID: String? = nil) {
    self.key = key
    self.keyID = keyID
  }

  /// Reads a public key.
  ///
  /// Refused: any private member, whatever its value (`privateKeyDisclosed`); other types, curves or uses
  /// (`keyTypeNotSupported`); an `alg` of another family (`algorithmMismatch`); coordinates that are not canonical
  /// base64url of exactly 32 bytes, off the curve or of small order (`keyNotUsable`).
  public init(parsing value: JSONValue) throws(TokenError) {
    guard value.isObject else { throw TokenError(.keyNotUsable) }
    guard !value.hasMember(among: Self.privateMembers) else { throw TokenError(.privateKeyDisclosed) }
    guard let type = value.member("kty")?.text else { throw TokenError(.keyNotUsable) }
    let algorithm = try Self.algorithm(type: type, of: value)
    try Self.checkUse(of: value)
    if let named = value.member("alg") {
      guard let name = named.text, JOSEAlgorithm.named(name) == algorithm else {
        throw TokenError(.algorithmMismatch)
      }
    }
    if let named = value.member("kid") {
      guard let name = named.text, (1...128).contains(name.utf8.count) else { throw TokenError(.keyIDNotUsable) }
      keyID = name
    } else {
      keyID = nil
    }
    key = try Self.key(algorithm, of: value)
  }

  /// The public members; a named key also says what it is for (`kid`, `alg`, `use`).
  public var json: JSONValue {
    var members = requiredMembers
    if let keyID {
      members.append(JSONMember("kid", .string(keyID)))
      members.append(JSONMember("alg", .string(key.algorithm.rawValue)))
      members.append(JSONMember("use", .string("sig")))
    }
    return .object(members)
  }

  /// The members that identify the key (RFC 7638 §3.2, RFC 8037 §2), in the order of their names.
  var requiredMembers: [JSONMember] {
    let raw = key.rawBytes
    switch key.algorithm {
    case .ed25519:
      return [
        JSONMember("crv", .string("Ed25519")), JSONMember("kty", .string("OKP")),
        JSONMember("x", .string(StrictBase64.encode(raw, .url))),
      ]
    case .es256:
      return [
        JSONMember("crv", .string("P-256")), JSONMember("kty", .string("EC")),
        JSONMember("x", .string(StrictBase64.encode(Array(raw.prefix(32)), .url))),
        JSONMember("y", .string(StrictBase64.encode(Array(raw.suffix(32)), .url))),
      ]
    }
  }

  private static let privateMembers = ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"]

  private static func algorithm(type: String, of value: JSONValue) throws(TokenError) -> SignatureAlgorithm {
    guard type.hasSameBytes(as: "EC") || type.hasSameBytes(as: "OKP") else {
      throw TokenError(.keyTypeNotSupported)
    }
    guard let curve = value.member("crv")?.text else { throw TokenError(.keyNotUsable) }
    if type.hasSameBytes(as: "EC"), curve.hasSameBytes(as: "P-256") { return .es256 }
    if type.hasSameBytes(as: "OKP"), curve.hasSameBytes(as: "Ed25519") { return .ed25519 }
    throw TokenError(.keyTypeNotSupported)
  }

  private static func checkUse(of value: JSONValue) throws(TokenError) {
    if let use = value.member("use") {
      guard let text = use.text, text.hasSameBytes(as: "sig") else { throw TokenError(.keyTypeNotSupported) }
    }
    if let operations = value.member("key_ops") {
      guard case .array(let list) = operations,
        list.contains(where: { $0.text?.hasSameBytes(as: "verify") == true })
      else { throw TokenError(.keyTypeNotSupported) }
    }
  }

  private static func key(_ algorithm: SignatureAlgorithm, of value: JSONValue) throws(TokenError) -> VerifyingKey {
    let x = try coordinate("x", of: value)
    do {
      switch algorithm {
      case .ed25519:
        guard value.member("y") == nil else { throw TokenError(.keyNotUsable) }
        return try VerifyingKey(ed25519: x)
      case .es256:
        return try VerifyingKey(p256x: x, y: try coordinate("y", of: value))
      }
    } catch {
      throw TokenError(.keyNotUsable)
    }
  }

  private static func coordinate(_ name: String, of value: JSONValue) throws(TokenError) -> [UInt8] {
    guard let text = value.member(name)?.text, text.utf8.count == 43,
      let bytes = StrictBase64.decode(text, .url), bytes.count == 32
    else { throw TokenError(.keyNotUsable) }
    return bytes
  }
}
