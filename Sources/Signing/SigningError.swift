/// Why a key was refused or an operation on one failed.
///
/// The description names the rule and, for a key file, its path. It never shows a byte of a key or a message.
public struct SigningError: Error, Sendable, Hashable, CustomStringConvertible {
  /// The rule that was broken.
  public enum Code: String, Sendable, Hashable, CaseIterable {
    /// The bytes or the text are not of the one accepted form (length, PEM label, DER, base64).
    case malformedKey
    /// A key of an algorithm other than Ed25519 and P-256.
    case unsupportedAlgorithm
    /// An Ed25519 `y` that is not below 2²⁵⁵ − 19.
    case nonCanonicalPoint
    /// An Ed25519 point of order 1, 2, 4 or 8, with which a signature over anything can be forged.
    case smallOrderPoint
    /// P-256 coordinates that are not on the curve.
    case notOnCurve
    /// The private and the public half inside one key disagree.
    case mismatchedPair
    /// OpenSSL refused an operation that should have worked, for instance for want of memory.
    case operationFailed
    /// A key file to be created is there already.
    case fileExists
    /// There is no key file at the path.
    case fileMissing
    /// The path is a symbolic link.
    case fileIsLink
    /// The path is a folder, a pipe, a socket or a device.
    case fileNotRegular
    /// Group or others have access to the file.
    case fileExposed
    /// The file belongs to another user.
    case fileOfAnotherUser
    /// The file is larger than any key.
    case fileTooLarge
    /// The file is there and can't be read.
    case fileUnreadable
    /// The file can't be written, or not made durable.
    case fileUnwritable
    /// The file is read and holds no PKCS#8 private key of ours.
    case fileMalformed
  }

  /// The rule that was broken.
  public let code: Code
  /// The key file it is about; nil for a key in memory.
  public let path: String?

  init(_ code: Code, path: String? = nil) {
    self.code = code
    self.path = path
  }

  /// One line for an operator.
  public var description: String {
    guard let path else { return code.sentence }
    // A path is the operator's own; control characters in it must not break the line it is printed on.
    let printable = String(path.unicodeScalars.map { $0.properties.generalCategory == .control ? "?" : Character($0) })
    return "signing key file \(printable): \(code.sentence)"
  }
}

extension SigningError.Code {
  fileprivate var sentence: String {
    switch self {
    case .malformedKey: "the key is not of the accepted form"
    case .unsupportedAlgorithm: "the key is neither Ed25519 nor P-256"
    case .nonCanonicalPoint: "the Ed25519 key is not canonically encoded"
    case .smallOrderPoint: "the Ed25519 key is a point of small order"
    case .notOnCurve: "the coordinates are not a point of P-256"
    case .mismatchedPair: "the private key does not belong to the public key beside it"
    case .operationFailed: "OpenSSL could not carry out the operation"
    case .fileExists: "exists already, and is never overwritten"
    case .fileMissing: "does not exist"
    case .fileIsLink: "is a symbolic link; name the file itself"
    case .fileNotRegular: "is not a regular file"
    case .fileExposed: "is accessible to group or others; chmod 600 it"
    case .fileOfAnotherUser: "belongs to another user"
    case .fileTooLarge: "is larger than 16 KiB, so not a key"
    case .fileUnreadable: "cannot be read"
    case .fileUnwritable: "cannot be written durably"
    case .fileMalformed: "holds no usable PKCS#8 private key in PEM (Ed25519 or P-256)"
    }
  }
}
