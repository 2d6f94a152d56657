/// An absolute `http` or `https` URL without query and fragment, normalised as RFC 3986 §6.2.2 and §6.2.3 say.
///
/// Two URLs are the same when their normal forms are the same bytes. An encoded slash stays encoded: `/a%2Fb` and
/// `/a/b` are two resources.
struct NormalisedURL: Sendable, Hashable {
  /// Whether the scheme is `https`.
  let isSecure: Bool
  private let host: [UInt8]
  /// `nil` for the scheme's default.
  private let port: UInt16?
  private let path: [UInt8]

  /// Reads an absolute URL; `nil` for another scheme, user information, or characters a URL cannot have.
  init?(_ text: String) {
    let bytes = Array(text.utf8)
    guard let colon = bytes.firstIndex(of: 0x3A), bytes[colon...].starts(with: Array("://".utf8)) else { return nil }
    switch bytes[..<colon].map(Self.lowercased) {
    case Array("https".utf8): isSecure = true
    case Array("http".utf8): isSecure = false
    default: return nil
    }
    let rest = bytes[(colon + 3)...]
    let authority = rest.prefix { $0 != 0x2F && $0 != 0x3F && $0 != 0x23 }
    guard let parts = Self.split(authority), let host = Self.normalised(host: parts.host) else { return nil }
    self.host = host
    if parts.port.isEmpty {
      port = nil
    } else {
      guard let number = Self.number(parts.port) else { return nil }
      port = number == (isSecure ? 443 : 80) ? nil : number
    }
    let rawPath = rest[authority.endIndex...].prefix { $0 != 0x3F && $0 != 0x23 }
    guard let path = Self.normalised(path: Array(rawPath)) else { return nil }
    self.path = path
  }

  /// Another path at the same origin; `nil` when it has characters a path cannot have.
  init?(origin: NormalisedURL, path: [UInt8]) {
    guard let path = Self.normalised(path: path) else { return nil }
    isSecure = origin.isSecure
    host = origin.host
    port = origin.port
    self.path = path
  }

  /// Whether the host is a name of this very machine.
  var isLoopback: Bool {
    ["localhost", "127.0.0.1", "[::1]"].contains { host.elementsEqual($0.utf8) }
  }

  /// Scheme, host and port, without a path.
  var originText: String {
    let name = String(decoding: host, as: UTF8.self)
    return "\(isSecure ? "https" : "http")://\(name)\(port.map { ":\($0)" } ?? "")"
  }

  private static func split(_ authority: ArraySlice<UInt8>) -> (host: ArraySlice<UInt8>, port: ArraySlice<UInt8>)? {
    guard !authority.contains(0x40) else { return nil }
    var end = authority.firstIndex(of: 0x3A) ?? authority.endIndex
    if authority.first == 0x5B {
      guard let bracket = authority.firstIndex(of: 0x5D) else { return nil }
      end = bracket + 1
    }
    let rest = authority[end...]
    guard rest.isEmpty || rest.first == 0x3A else { return nil }
    return (authority[..<end], rest.dropFirst())
  }

  private static func number(_ digits: ArraySlice<UInt8>) -> UInt16? {
    guard digits.first != 0x30, digits.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
    return UInt16(String(decoding: digits, as: UTF8.self))
  }

  private static func normalised(host: ArraySlice<UInt8>) -> [UInt8]? {
    if host.first == 0x5B {
      let inner = host.dropFirst().dropLast()
      guard !inner.isEmpty, inner.allSatisfy({ hexValue($0) != nil || $0 == 0x3A || $0 == 0x2E }) else { return nil }
      return host.map(lowercased)
    }
    guard let decoded = percentNormalised(Array(host)), !decoded.isEmpty, decoded.allSatisfy(isUnreserved) else {
      return nil
    }
    return decoded.map(lowercased)
  }

  private static func normalised(path: [UInt8]) -> [UInt8]? {
    if path.isEmpty { return [0x2F] }
    guard let decoded = percentNormalised(path) else { return nil }
    var kept: [ArraySlice<UInt8>] = []
    let segments = decoded.dropFirst().split(separator: 0x2F, omittingEmptySubsequences: false)
    for (index, segment) in segments.enumerated() {
      let isUp = segment.elementsEqual([0x2E, 0x2E])
      guard isUp || segment.elementsEqual([0x2E]) else {
        kept.append(segment)
        continue
      }
      if isUp { _ = kept.popLast() }
      if index == segments.count - 1 { kept.append([]) }
    }
    return [0x2F] + Array(kept.joined(separator: [0x2F]))
  }

  /// Decodes what needs no encoding and writes the rest in upper case; `nil` for anything a path may not hold.
  private static func percentNormalised(_ text: [UInt8]) -> [UInt8]? {
    var result: [UInt8] = []
    result.reserveCapacity(text.count)
    var index = 0
    while index < text.count {
      let byte = text[index]
      if byte == 0x25 {
        guard index + 2 < text.count, let high = hexValue(text[index + 1]), let low = hexValue(text[index + 2])
        else { return nil }
        let value = high << 4 | low
        if isUnreserved(value) {
          result.append(value)
        } else {
          result += [0x25, hexDigit(high), hexDigit(low)]
        }
        index += 3
      } else {
        guard isUnreserved(byte) || byte == 0x2F || isAllowedPunctuation(byte) else { return nil }
        result.append(byte)
        index += 1
      }
    }
    return result
  }

  private static func isUnreserved(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F, 0x7E: true
    default: false
    }
  }

  /// The sub-delimiters, `:` and `@` (RFC 3986 §3.3).
  private static func isAllowedPunctuation(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x21, 0x24, 0x26...0x2C, 0x3A, 0x3B, 0x3D, 0x40: true
    default: false
    }
  }

  private static func hexValue(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 0x30...0x39: byte - 0x30
    case 0x41...0x46: byte - 0x41 + 10
    case 0x61...0x66: byte - 0x61 + 10
    default: nil
    }
  }

  private static func hexDigit(_ value: UInt8) -> UInt8 {
    value < 10 ? 0x30 + value : 0x41 + value - 10
  }

  private static func lowercased(_ byte: UInt8) -> UInt8 {
    (0x41...0x5A).contains(byte) ? byte + 0x20 : byte
  }
}
