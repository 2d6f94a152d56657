/// Why the vault refused.
///
/// The description names a rule, and for a file its path. It never shows a key, a passphrase, a plaintext, an envelope
/// or an identifier.
public struct VaultError: Error, Sendable, Hashable, CustomStringConvertible {
  /// The rule that was broken.
  public enum Code: String, Sendable, Hashable, CaseIterable {
    /// A sealed value or a wrapped key that does not open here. One answer for every cause (another tenant, subject,
    /// row, field, suite or owner; truncated; altered), so that it teaches nothing.
    case notOpened
    /// A wrapped key, or a call, names an epoch that the keyring does not hold, or no longer.
    case unknownEpoch
    /// The CPU lacks what the suite needs.
    case suiteUnavailable
    /// A key opened, but it is not the key that the stored commitment names.
    case commitmentMismatch
    /// Key bytes of another length than 32.
    case keyLength
    /// libsodium could not be initialised.
    case library
    /// No guarded memory could be had.
    case memory
    /// There is no keyring at the path.
    case keyringMissing
    /// Something is at the path where a keyring should be made.
    case keyringExists
    /// The file's group or others have a right to it.
    case keyringPermissions
    /// The file belongs to another user than the one who runs the process.
    case keyringOwner
    /// A link, a folder or a device stands at the path.
    case keyringNotRegular
    /// The file is a keyring, but breaks its format; ``VaultError/fault`` says how.
    case keyringMalformed
    /// The file is not a keyring.
    case keyringForeign
    /// The file system refused; ``VaultError/systemError`` says how.
    case keyringIO
    /// The file that is at the path now is another keyring than the one that was opened.
    case keyringOther
    /// The file that is at the path now is an older copy of the keyring than the one that was opened.
    case keyringOlder
    /// The keyring is sealed by a passphrase, and none was given.
    case passphraseNeeded
    /// A passphrase was given for a keyring that is not sealed by one.
    case passphraseNotNeeded
    /// The keyring does not open with the passphrase: it is another one, or the file is damaged.
    case passphraseWrong
    /// The passphrase's file can't be used; ``VaultError/systemError`` says how, if it was the file system.
    case passphraseFile
    /// An epoch can't be activated: it isn't the active one's successor, or another is still retiring.
    case epochOrder
    /// The active epoch's key can't be destroyed.
    case epochActive
  }

  /// How a keyring file breaks its format (docs/keyring.md, "Rules").
  public enum KeyringFault: String, Sendable, Hashable, CaseIterable {
    /// A format version that this program does not know.
    case version
    /// Longer or shorter than its epochs need.
    case length
    /// The checksum is not that of the contents.
    case checksum
    /// Neither one nor two epochs.
    case epochCount
    /// A byte that must be zero is not.
    case reserved
    /// An epoch's number is zero or below.
    case epochNumber
    /// An epoch is in a state that does not exist.
    case epochState
    /// No epoch is active.
    case noActiveEpoch
    /// Two epochs are active.
    case twoActiveEpochs
    /// The retiring epoch does not come before the active one.
    case epochOrder
    /// The cost of the passphrase is out of bounds.
    case cost
  }

  /// The rule that was broken.
  public let code: Code
  /// The path of the keyring, or of the passphrase, for the errors that concern its file.
  public let path: String?
  /// What is wrong inside the file, with ``Code/keyringMalformed``.
  public let fault: KeyringFault?
  /// The `errno` of the failed system call, with ``Code/keyringIO`` and ``Code/passphraseFile``.
  public let systemError: Int32?

  /// Makes an error for `code`, with the place where it was noticed.
  public init(_ code: Code, path: String? = nil, fault: KeyringFault? = nil, systemError: Int32? = nil) {
    self.code = code
    self.path = path
    self.fault = fault
    self.systemError = systemError
  }

  /// One line for an operator: what is wrong, and with which keyring.
  public var description: String {
    var text = code.sentence
    if let fault { text += ": \(fault.sentence)" }
    if let path { text += ", at \(path)" }
    if let systemError { text += ", errno \(systemError)" }
    return text
  }
}

extension VaultError.Code {
  fileprivate var sentence: String {
    switch self {
    case .notOpened: "this does not open here"
    case .unknownEpoch: "the keyring does not hold that epoch"
    case .suiteUnavailable: "this CPU cannot run the suite"
    case .commitmentMismatch: "the key is not the one that its commitment names"
    case .keyLength: "a key has exactly 32 bytes"
    case .library: "libsodium could not be initialised"
    case .memory: "no guarded memory could be had"
    case .keyringMissing: "there is no keyring"
    case .keyringExists: "there already is a file where the keyring should be made"
    case .keyringPermissions: "the keyring must be readable by its owner only (mode 0600)"
    case .keyringOwner: "the keyring belongs to another user"
    case .keyringNotRegular: "the keyring must be a regular file, not a link, folder or device"
    case .keyringMalformed: "the keyring is damaged"
    case .keyringForeign: "the file is not a keyring"
    case .keyringIO: "the file system refused the keyring"
    case .keyringOther: "another keyring has taken the place of the one that was opened"
    case .keyringOlder: "an older copy has taken the place of the keyring that was opened"
    case .passphraseNeeded: "the keyring is sealed by a passphrase, and none was given"
    case .passphraseNotNeeded: "a passphrase was given, but the keyring is not sealed by one"
    case .passphraseWrong: "the passphrase is wrong, or the keyring is damaged"
    case .passphraseFile:
      "a passphrase is read from a regular file of 1 to 1,024 bytes, readable by its owner only (mode 0600)"
    case .epochOrder: "an epoch follows the active one by one, when no other is retiring"
    case .epochActive: "the active epoch's key cannot be destroyed"
    }
  }
}

extension VaultError.KeyringFault {
  fileprivate var sentence: String {
    switch self {
    case .version: "its version is unknown to this program"
    case .length: "its length does not fit its epochs"
    case .checksum: "its checksum does not match"
    case .epochCount: "it must hold one or two epochs"
    case .reserved: "a reserved byte is not zero"
    case .epochNumber: "an epoch's number must be positive"
    case .epochState: "an epoch is neither active nor retiring"
    case .noActiveEpoch: "no epoch is active"
    case .twoActiveEpochs: "two epochs are active"
    case .cost: "the cost of its passphrase is out of bounds"
    case .epochOrder: "the retiring epoch must come before the active one"
    }
  }
}
