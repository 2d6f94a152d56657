import CBaseline
import Signing

/// A compact JWS as OpenSSL sees it: the signed bytes, the signature in its own encoding, the key ready to use.
final class SignedMessage {
  private let item: OpaquePointer

  /// Takes apart what `key` has signed. Throws when OpenSSL does not find it valid.
  init(_ token: String, signedBy key: VerifyingKey) throws {
    let bytes = Array(token.utf8)
    guard let dot = bytes.lastIndex(of: UInt8(ascii: ".")),
      let signature = StrictBase64.decode(utf8: bytes[(dot + 1)...], .url), signature.count == 64,
      let item = baseline_signed_new(key.rawBytes, key.rawBytes.count, signature, bytes, dot)
    else { throw Harness.Failure(description: "OpenSSL does not verify what was signed") }
    self.item = item
  }

  deinit { baseline_signed_free(item) }

  /// One raw verification.
  func verify() throws {
    guard baseline_signed_verify(item) == 1 else { throw Harness.Failure(description: "a signature did not verify") }
  }
}
