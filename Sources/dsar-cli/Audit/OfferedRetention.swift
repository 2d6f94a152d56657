import Audit
import Signing

/// The service's note that says which entries may be missing, held in memory until the log that it goes with is
/// accepted.
struct OfferedRetention {
  /// The signed note.
  let note: SignedNote
  /// What it says.
  let content: RetentionNote

  /// Verifies a note.
  ///
  /// - Parameters:
  ///   - note: as the service sent it.
  ///   - keys: the log's keys.
  ///   - origin: the log.
  ///   - name: what the note is called when it is refused.
  /// - Throws: `Failure` with `.notValid` when it isn't signed by one of the keys, or is another log's.
  init(_ note: SignedNote, keys: [NoteKey], origin: String, name: String) throws(Failure) {
    do {
      try note.verified(by: keys)
      content = try RetentionNote(parsing: note.body)
    } catch { throw Failure(.notValid, "\(name): \(error)") }
    guard content.origin.text == origin else { throw Failure(.notValid, "\(name) is of another log") }
    self.note = note
  }

  /// Whether the log of `size` entries says what the note says, so that the two go together.
  ///
  /// A log whose tenant has left need not say it: there may be no entry any more.
  ///
  /// - Throws: `.malformed` or `.missing` for files that can't be read.
  func isAnnounced(in reader: ArchiveReader, size: UInt64) throws(AuditError) -> Bool {
    guard content.firstKept > 0, content.firstKept != size else { return true }
    let width = UInt64(TilePath.fullWidth)
    var end = size
    // The announcement is behind what it allows to be missing, most often at the log's end.
    while end > content.firstKept {
      let start = max(content.firstKept, (end - 1) / width * width)
      for bytes in try reader.entries(in: start..<end, size: size) where announces(bytes) { return true }
      end = start
    }
    return false
  }

  private func announces(_ bytes: [UInt8]) -> Bool {
    guard let entry = try? Entry(parsing: bytes), entry.body.starts(with: Self.opening),
      let record = try? AuditRecord(body: Array(entry.body))
    else { return false }
    return record.codes["first_kept"] == String(content.firstKept) && record.codes["policy"] == content.policy
  }

  /// Canonical JSON has `action` first.
  private static let opening = Array(#"{"action":"\#(AuditAction.logEntriesExpired)","#.utf8)
}
