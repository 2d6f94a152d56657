public import Foundation
public import Signing

/// The unique name of one tenant's log: `host/tenant-uuid`, in lower case.
///
/// It is the first line of every checkpoint (c2sp.org/tlog-checkpoint) and the second of every entry, and
/// the chain begins with its hash, so that a log moved under another tenant's name verifies nowhere.
public struct LogOrigin: Sendable, Hashable, CustomStringConvertible {
  /// The name as it stands in entries and checkpoints.
  public let text: String
  /// Whether the name can stand there; found once, not for each entry.
  let isNoteName: Bool

  /// Names the log of `tenant` kept by `host`. Letters become lower case; a `host` with a space, a plus
  /// sign or a control character makes a name that no entry is accepted under.
  public init(host: String, tenant: UUID) {
    text = host.lowercased() + "/" + tenant.uuidString.lowercased()
    isNoteName = NoteName.isValid(text)
  }

  /// Takes an existing name: non-empty, at most 255 bytes, without spaces, plus signs or controls.
  public init?(_ text: String) {
    guard NoteName.isValid(text) else { return nil }
    self.text = text
    isNoteName = true
  }

  /// The tenant, when the part after the last slash is a UUID in lower case.
  public var tenant: UUID? {
    guard let last = text.split(separator: "/", omittingEmptySubsequences: false).last,
      let uuid = UUID(uuidString: String(last)), uuid.uuidString.lowercased() == last
    else { return nil }
    return uuid
  }

  /// What entry 0 names as the hash before it: SHA-256 of `"audit-genesis/v1\n" ‖ text ‖ "\n"`.
  public var genesis: SHA256Digest {
    SHA256Digest.hash(Array("audit-genesis/v1\n\(text)\n".utf8))
  }

  /// The same as `text`.
  public var description: String { text }
}

/// The rule for the names of logs and note keys (c2sp.org/signed-note): no spaces, no plus sign.
enum NoteName {
  static let maximumBytes = 255

  static func isValid(_ text: some StringProtocol) -> Bool {
    guard !text.isEmpty, text.utf8.count <= maximumBytes else { return false }
    return text.unicodeScalars.allSatisfy { scalar in
      scalar != "+" && scalar.value > 0x20 && scalar.value != 0x7f
        && (scalar.isASCII || !scalar.properties.isWhitespace)
    }
  }
}
