#if canImport(Glibc)
  internal import Glibc
#else
  internal import Darwin
#endif

/// Why the audit log refused: bytes that are not what they claim to be, an archive that disagrees with
/// what is appended to it, or a file system that failed.
///
/// The description names a rule, a file of the archive and a position, never the content found there.
public struct AuditError: Error, Sendable, Hashable, CustomStringConvertible {
  /// The rule that was broken.
  public enum Code: String, Sendable, Hashable, CaseIterable {
    /// The bytes do not have the form that their format prescribes.
    case malformed
    /// More bytes than the format allows.
    case tooLarge
    /// A record carries text where only codes, names of fields and ids may stand.
    case notNeutral
    /// Entries, tiles or checkpoints contradict each other: a gap, a fork, a wrong hash.
    case inconsistent
    /// A checkpoint smaller than one that was already published.
    case rollback
    /// A file or an entry that must be there is not.
    case missing
    /// A signature by a known key does not verify, or no known key signed.
    case signature
    /// The signing key cannot make a note: it is not Ed25519, or its name is not a note name.
    case unsuitableKey
    /// An index, size or width outside the tree.
    case outOfRange
    /// A link, a device or a folder stands where a regular file must be.
    case notRegular
    /// Another writer holds the folder.
    case busy
    /// The file system refused; `systemError` says how.
    case inputOutput
  }

  /// The rule that was broken.
  public let code: Code
  /// The file concerned, relative to the tenant's folder.
  public let file: String?
  /// The entry concerned.
  public let sequence: UInt64?
  /// The `errno` of a failed system call.
  public let systemError: Int32?

  /// Makes an error for `code`, with the place where it was noticed.
  public init(_ code: Code, file: String? = nil, sequence: UInt64? = nil, systemError: Int32? = nil) {
    self.code = code
    self.file = file
    self.sequence = sequence
    self.systemError = systemError
  }

  /// One line: the rule, the file, the entry, the system's error number.
  public var description: String {
    var text = sentence
    if let file { text += ", file \(file)" }
    if let sequence { text += ", entry \(sequence)" }
    if let systemError { text += ", errno \(systemError)" }
    return text
  }

  /// Whether the file system refused because the disk, or the quota on it, is full. Nothing that was half written is
  /// acknowledged; the same call succeeds once there is space.
  public var isOutOfSpace: Bool { code == .inputOutput && (systemError == ENOSPC || systemError == EDQUOT) }

  private var sentence: String {
    switch code {
    case .malformed: "not in the prescribed form"
    case .tooLarge: "larger than the format allows"
    case .notNeutral: "an audit record may hold only ids, names of fields and codes"
    case .inconsistent: "contradicts what the log already holds"
    case .rollback: "older than a checkpoint that was already published"
    case .missing: "missing from the archive"
    case .signature: "not signed by a known key"
    case .unsuitableKey: "this key cannot sign notes"
    case .outOfRange: "outside the tree"
    case .notRegular: "not a regular file"
    case .busy: "another writer holds the log's folder"
    case .inputOutput: isOutOfSpace ? "no space left on the disk" : "the file system refused"
    }
  }
}
