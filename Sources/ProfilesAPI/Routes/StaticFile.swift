import HTTPTypes
import Hummingbird
import Signing

/// A file of the published log as it leaves: with the fields by which monitors and their caches know what they have.
///
/// Caches are private: whoever asks has a token.
struct StaticFile {
  /// What the bytes are.
  enum MediaType: String {
    case text = "text/plain; charset=utf-8"
    case bytes = "application/octet-stream"
  }

  /// Whether a file of that name can ever have other bytes.
  enum Lifetime: String {
    /// Created once: tiles, bundles, exported checkpoints, manifests.
    case forEver = "private, max-age=31536000, immutable"
    /// Replaced as the log grows: has to be asked for again each time.
    case changes = "private, no-cache"
  }

  private let bytes: [UInt8]
  private let type: MediaType
  private let lifetime: Lifetime

  /// Those bytes.
  init(_ bytes: [UInt8], _ type: MediaType, _ lifetime: Lifetime) {
    self.bytes = bytes
    self.type = type
    self.lifetime = lifetime
  }

  /// The strong entity tag: the beginning of the SHA-256 of the bytes.
  private var entityTag: String { "\"\(SHA256Digest.hash(bytes).hex.prefix(32))\"" }

  /// The answer: 200, or 304 to whoever names these bytes in `If-None-Match`.
  func response(to request: Request) -> Response {
    let tag = entityTag
    let fields: HTTPFields = [.eTag: tag, .cacheControl: lifetime.rawValue]
    let known = request.headers[values: .ifNoneMatch].joined(separator: ",").split(separator: ",").contains { part in
      let candidate = part.drop { $0 == " " }.prefix { $0 != " " }
      return candidate == "*" || candidate == tag || candidate == "W/" + tag
    }
    if known { return Response(status: .notModified, headers: fields) }
    return .bytes(bytes, type: type.rawValue, headers: fields)
  }
}
