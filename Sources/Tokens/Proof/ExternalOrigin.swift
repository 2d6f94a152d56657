/// The origin under which clients know this service, as an operator configures it.
///
/// It is the only source of scheme, host and port when a proof's `htu` is checked: `Host`, `Forwarded` and
/// `X-Forwarded-*` are under the caller's control and have no effect.
public struct ExternalOrigin: Sendable, Hashable, CustomStringConvertible {
  private let url: NormalisedURL

  /// Takes `https://host[:port]`, or `http` for exactly `localhost`, `127.0.0.1` and `[::1]`.
  ///
  /// Throws `malformedOrigin` for another scheme, user information, a path (even `/`), a query or a fragment.
  public init(_ text: String) throws(TokenError) {
    guard let mark = text.utf8.firstIndex(of: 0x3A),
      !text.utf8[mark...].dropFirst(3).contains(where: { $0 == 0x2F || $0 == 0x3F || $0 == 0x23 }),
      let url = NormalisedURL(text), url.isSecure || url.isLoopback
    else { throw TokenError(.malformedOrigin) }
    self.url = url
  }

  /// The normalised text: lower case, without a default port and without a slash at the end.
  public var text: String { url.originText }

  /// The same as ``text``; an origin is public.
  public var description: String { text }

  /// The URL of a request to a raw, undecoded target in origin form; `nil` when it is not one.
  func normalised(rawTarget: String) -> NormalisedURL? {
    let path = rawTarget.utf8.prefix { $0 != 0x3F && $0 != 0x23 }
    guard path.first == 0x2F else { return nil }
    return NormalisedURL(origin: url, path: Array(path))
  }
}
