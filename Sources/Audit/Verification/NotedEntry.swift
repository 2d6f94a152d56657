internal import Signing

/// What an entry says that the verification itself has to know: an erasure, or something about the log.
struct NotedEntry: Sendable {
  enum Content: Sendable {
    /// An `erasure.*` entry, as far as the ledger is concerned.
    case erasure(completed: Bool, subject: UUIDBytes?, commitment: String?)
    /// The log replaces its signing key; `nil` for a code that names none.
    case keyRotated(old: NoteKey?, new: NoteKey?)
    /// Entries before that number may be missing from here on.
    case entriesExpired(firstKept: UInt64?, policy: String?)
    /// Neighbouring entries are promised to be at most twice as many seconds apart.
    case heartbeat(seconds: Int64?)
    /// The tenant has left.
    case closed
  }

  let sequence: UInt64
  let content: Content

  /// Reads a body; `nil` for the many that the verification only hashes.
  ///
  /// Canonical JSON sorts `action` first, so a body tells in its first bytes what it is.
  init?(body: [UInt8], sequence: UInt64, origin: String) {
    guard Self.mayConcern(body), let record = try? AuditRecord(body: body) else { return nil }
    self.sequence = sequence
    func key(_ name: String) -> NoteKey? { record.codes[name].flatMap { NoteKey(code: $0, name: origin) } }
    switch record.action {
    case .logKeyRotated: content = .keyRotated(old: key("old_key"), new: key("new_key"))
    case .logEntriesExpired:
      content = .entriesExpired(
        firstKept: record.codes["first_kept"].flatMap { Decimal.unsigned($0) }, policy: record.codes["policy"])
    case .logHeartbeat:
      let seconds = record.codes["interval"].flatMap { Decimal.unsigned($0) }.flatMap(Int64.init(exactly:))
      content = .heartbeat(seconds: seconds.flatMap { $0 > 0 && $0 <= Self.longestPromise ? $0 : nil })
    case .logClosed: content = .closed
    default:
      guard record.action.rawValue.hasPrefix("erasure.") else { return nil }
      content = .erasure(
        completed: record.action == .erasureCompleted, subject: record.subject.map(UUIDBytes.init),
        commitment: record.codes["key_commitment"])
    }
  }

  /// How an entry's body begins, up to the first byte that differs between actions.
  static let opening = Array(#"{"action":""#.utf8)
  /// The first letters of the actions that are looked at.
  static let initials: (UInt8, UInt8) = (UInt8(ascii: "e"), UInt8(ascii: "l"))

  /// A century, so that twice as many microseconds are a number.
  private static let longestPromise: Int64 = 3_155_760_000
  private static let actions = [
    "erasure.", "log.key_rotated\"", "log.entries_expired\"", "log.heartbeat\"", "log.closed\"",
  ].map { opening + Array($0.utf8) }

  private static func mayConcern(_ body: [UInt8]) -> Bool { actions.contains { body.starts(with: $0) } }
}
