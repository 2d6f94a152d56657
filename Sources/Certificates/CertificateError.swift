/// Why a certificate could not be made or read. The description shows nothing of its content but its version.
public struct CertificateError: Error, Sendable, Hashable, CustomStringConvertible {
  /// The rule that was broken.
  public enum Code: String, Sendable, Hashable, CaseIterable {
    /// Not the JSON that the format prescribes, or a member without its form.
    case malformed
    /// More bytes than a certificate may have.
    case tooLarge
    /// A certificate of another version of the format.
    case otherVersion
    /// The signing key is not Ed25519, or its name is not a note name.
    case unsuitableKey
  }

  /// The rule that was broken.
  public let code: Code
  /// The member concerned, such as `log.receipt`.
  public let member: String?
  /// The number of the other version, for `.otherVersion`.
  public let version: Int?

  /// Makes an error for `code`, naming the member, or the other version, when one is to blame.
  public init(_ code: Code, member: String? = nil, version: Int? = nil) {
    self.code = code
    self.member = member
    self.version = version
  }

  /// One line: the rule and the member.
  public var description: String {
    let sentence =
      switch code {
      case .malformed: "not a certificate in the prescribed form"
      case .tooLarge: "larger than a certificate may be"
      case .otherVersion:
        "\(version.map { "\(ErasureCertificate.format)\($0)" } ?? "another version") is not accepted, only "
          + ErasureCertificate.version
      case .unsuitableKey: "this key cannot sign certificates"
      }
    return sentence + (member.map { ", member \($0)" } ?? "")
  }
}
