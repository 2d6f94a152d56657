public import Signing

/// A proof of possession (RFC 9449 §4) that fits its request and its token, and may or may not be a replay.
public struct DPoPProof: Sendable, Hashable {
  /// RFC 7638 thumbprint of the key that signed it.
  public let thumbprint: String
  /// SHA-256 of `jti`: what a replay is recognised by, together with the thumbprint.
  public let identifier: SHA256Digest
  /// `iat`, Unix seconds.
  public let issued: Int64

  /// The first second at which no replica accepts this proof any longer, even one whose clock runs behind by the
  /// tolerance; a record of its use may be dropped from then on.
  public var forgettable: Int64 {
    issued + AuthenticationPolicy.proofLifetime + AuthenticationPolicy.clockTolerance + 1
  }
}
