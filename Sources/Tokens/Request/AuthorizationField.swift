/// Steps 1 and 2: the one place in a request from which a token is taken.
enum AuthorizationField {
  /// The token's bytes, of any length and not looked at yet.
  static func token(in credentials: RequestCredentials) throws(AuthenticationFailure) -> [UInt8] {
    let hasQueryToken = hasAccessToken(inQueryOf: credentials.rawTarget)
    guard credentials.authorization.count <= 1 else {
      throw .invalidRequest("There is more than one Authorization field.", step: 1)
    }
    guard let field = credentials.authorization.first else {
      throw .missingCredentials(step: hasQueryToken ? 2 : 1)
    }
    let token = try parse(Array(field.utf8))
    guard !hasQueryToken else {
      throw .invalidRequest("There is an access token in the query as well.", step: 2)
    }
    return token
  }

  private static func parse(_ field: [UInt8]) throws(AuthenticationFailure) -> [UInt8] {
    let scheme = field.prefix { $0 != 0x20 }
    guard !scheme.isEmpty, scheme.allSatisfy(isSchemeCharacter) else { throw malformed }
    let name = scheme.map { (0x41...0x5A).contains($0) ? $0 + 0x20 : $0 }
    let isDPoP = name.elementsEqual("dpop".utf8)
    guard isDPoP || name.elementsEqual("bearer".utf8) else { throw .missingCredentials(step: 1) }
    let token = field[scheme.endIndex...].drop { $0 == 0x20 }
    guard !token.isEmpty, isToken68(token) else { throw malformed }
    guard isDPoP else { throw .invalidToken("A token is only taken with the DPoP scheme.", step: 1) }
    return Array(token)
  }

  private static var malformed: AuthenticationFailure {
    .invalidRequest("The Authorization field is malformed.", step: 1)
  }

  /// RFC 9110 §5.6.2 `tchar`.
  private static func isSchemeCharacter(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
    default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
    }
  }

  /// RFC 9110 §11.2 `token68`: what credentials may look like; whether it is base64url is step 3.
  private static func isToken68(_ text: ArraySlice<UInt8>) -> Bool {
    let body = text.prefix { $0 != 0x3D }
    guard !body.isEmpty, text[body.endIndex...].allSatisfy({ $0 == 0x3D }) else { return false }
    return body.allSatisfy { byte in
      switch byte {
      case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F, 0x7E, 0x2B, 0x2F: true
      default: false
      }
    }
  }

  /// Looks for the parameter of RFC 6750 §2.3, its name percent-encoded or not.
  private static func hasAccessToken(inQueryOf target: String) -> Bool {
    guard let mark = target.utf8.firstIndex(of: 0x3F) else { return false }
    let query = target.utf8[mark...].dropFirst().prefix { $0 != 0x23 }
    return query.split(separator: 0x26).contains { pair in
      percentDecoded(Array(pair.prefix { $0 != 0x3D })).elementsEqual("access_token".utf8)
    }
  }

  private static func percentDecoded(_ text: [UInt8]) -> [UInt8] {
    var decoded: [UInt8] = []
    var index = 0
    while index < text.count {
      if text[index] == 0x25, let value = hexPair(text.dropFirst(index + 1).prefix(2)) {
        decoded.append(value)
        index += 3
      } else {
        decoded.append(text[index])
        index += 1
      }
    }
    return decoded
  }

  private static func hexPair(_ pair: ArraySlice<UInt8>) -> UInt8? {
    guard pair.count == 2, pair.allSatisfy({ $0 != 0x2B && $0 != 0x2D }) else { return nil }
    return UInt8(String(decoding: pair, as: UTF8.self), radix: 16)
  }
}
