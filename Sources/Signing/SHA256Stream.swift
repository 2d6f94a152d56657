import COpenSSL

/// SHA-256 over pieces, for what is larger than memory or comes in parts.
///
/// Safe to use: the context inside has one owner and can't be reached from outside.
@safe public struct SHA256Stream: ~Copyable {
  // Owned: freed in deinit, never shared.
  private let context: OpaquePointer

  /// An empty stream: finishing it at once gives SHA-256("").
  public init() {
    unsafe context = DigestContext.make()
    unsafe DigestContext.begin(context)
  }

  deinit {
    // The only owner gives its context back.
    unsafe EVP_MD_CTX_free(context)
  }

  /// Appends bytes.
  public mutating func update(_ bytes: [UInt8]) {
    // The pointer is valid for the call.
    unsafe bytes.withUnsafeBytes { unsafe DigestContext.update(context, $0) }
  }

  /// Ends the stream and gives the digest of all that was appended.
  public consuming func finish() -> SHA256Digest {
    unsafe DigestContext.finish(context)
  }
}
