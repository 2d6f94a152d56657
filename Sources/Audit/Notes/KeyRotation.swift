internal import Signing

/// What an entry `log.key_rotated` says: from here on the log signs with `new` in the place of `old`.
public struct KeyRotation: Sendable, Hashable {
  /// The key that signed until now, under the log's name.
  public let old: NoteKey
  /// The key that signs from here on, under the same name.
  public let new: NoteKey

  /// Names both keys.
  public init(old: NoteKey, new: NoteKey) {
    self.old = old
    self.new = new
  }

  /// Reads the body of an entry of the log `origin`; `nil` when it says something else.
  ///
  /// - Throws: `.malformed` when it announces a rotation and does not name two different keys.
  public init?(body: some Collection<UInt8>, origin: LogOrigin) throws(AuditError) {
    // Canonical JSON has `action` first.
    guard body.starts(with: Self.prefix) else { return nil }
    let record = try AuditRecord(body: Array(body))
    guard let old = record.codes["old_key"].flatMap({ NoteKey(code: $0, name: origin.text) }),
      let new = record.codes["new_key"].flatMap({ NoteKey(code: $0, name: origin.text) }), old != new
    else { throw AuditError(.malformed) }
    self.init(old: old, new: new)
  }

  /// The record to append, while the old key still signs.
  public var record: AuditRecord {
    AuditRecord(action: .logKeyRotated, codes: ["old_key": old.code, "new_key": new.code])
  }

  private static let prefix = Array(#"{"action":"\#(AuditAction.logKeyRotated)","#.utf8)
}
