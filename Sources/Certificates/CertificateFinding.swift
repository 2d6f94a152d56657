/// Why a certificate is not to be believed.
public struct CertificateFinding: Sendable, Hashable, CustomStringConvertible {
  /// Which check failed.
  public enum Check: String, Sendable, Hashable, CaseIterable {
    /// The signature over the certificate.
    case signature
    /// The receipt: the entry is not proved to be under a checkpoint that a known key signed.
    case receipt
    /// The log's name: another tenant's, or not the one that the checkpoint and the entry name.
    case origin
    /// The entry: not a completed erasure, or not at the place that the certificate names.
    case entry
    /// The entry is about another subject.
    case subject
    /// The entry is about another key.
    case commitment = "key_commitment"
    /// The entry names another newest epoch, or none.
    case epoch = "key_epoch"
    /// Times that cannot all be true.
    case time
  }

  /// Which check failed.
  public let check: Check
  /// One sentence for people.
  public let message: String

  /// The code of the check, and the sentence.
  public var description: String { "\(check.rawValue): \(message)" }

  init(_ check: Check, _ message: String) {
    self.check = check
    self.message = message
  }
}
