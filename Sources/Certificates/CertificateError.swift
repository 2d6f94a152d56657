/// Why a certificate could not be made or read. The description shows nothing of its content.
public struct CertificateError: Error, Sendable, Hashable, CustomStringConvertible {
  /// The rule that was broken.
  public enum Code: String, Sendable, Hashable, CaseIterable {
    /// Not the JSON that the format prescribes, or a member without its form.
    case malformed
    /// More bytes than a certificate may have.
    case tooLarge
    /// The signing key is not Ed25519, or its name is not a note name.
    case unsuitableKey
  }

  /// The rule that was broken.
  public let code: Code
  /// The member concerned, such as `log.receipt`.
  public let member: String?

  /// Makes an error for `code`, naming the member when one is to blame.
  public init(_ code: Code, member: String? = nil) {
    self.code = code
    self.member = member
  }

  /// One line: the rule and the member.
  public var description: String {
    let sentence =
      switch code {
      case .malformed: "not a certificate in the prescribed form"
      case .tooLarge: "larger than a certificate may be"
      case .unsuitableKey: "this key cannot sign certificates"
      }
    return sentence + (member.map { ", member \($0)" } ?? "")
  }
}
