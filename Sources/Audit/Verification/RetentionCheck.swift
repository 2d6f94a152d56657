/// The note that says which entries may be missing, and whether the log itself says the same.
struct RetentionCheck {
  /// Entries before this number may be missing; 0 without a valid note.
  private(set) var firstKept: UInt64 = 0
  private var note: SignedNote?
  /// What it says; `nil` without a valid note.
  private(set) var content: RetentionNote?
  private let size: UInt64

  /// Reads the note. Who signed it is decided by `finish`, when the log's keys are known.
  init(files: ArchiveFolder, origin: String, size: UInt64, _ report: inout VerificationReport) {
    self.size = size
    do throws(AuditError) {
      guard let bytes = try files.read(RetentionNote.file, maximum: SignedNote.maximumBytes) else { return }
      let note = try SignedNote(parsing: bytes)
      let content = try RetentionNote(parsing: note.body)
      guard content.origin.text == origin else {
        report.add(Finding(.retention, file: RetentionNote.file, "the note of another log"))
        return
      }
      guard content.firstKept <= size, content.firstKept % 256 == 0 || content.firstKept == size else {
        report.add(Finding(.retention, file: RetentionNote.file, "names a number that it must not"))
        return
      }
      self.note = note
      self.content = content
      firstKept = content.firstKept
    } catch { report.add(Finding(error, file: RetentionNote.file)) }
  }

  /// Compares the note with the keys and with what the entries say.
  ///
  /// - Parameters:
  ///   - story: what the entries that were read say.
  ///   - start: the first entry that was to be read.
  ///   - readLast: whether the last entry was read.
  func finish(_ story: LogStory, start: UInt64, readLast: Bool, _ report: inout VerificationReport) {
    guard let note else { return }
    let position = story.expiry.map { $0 + 1 } ?? firstKept
    do {
      if try !story.keys.verify(note, notBefore: position) {
        report.note("the file `\(RetentionNote.file)` is signed by a key that nothing here names")
      }
    } catch {
      report.add(Finding(error, file: RetentionNote.file))
    }
    if firstKept == size {
      if readLast, size > 0, story.closed != size - 1 {
        report.add(Finding(.retention, file: RetentionNote.file, "the log is not closed"))
      }
    } else if story.expiry == nil, firstKept > 0, start <= firstKept {
      report.add(Finding(.retention, file: RetentionNote.file, "no entry of the log says so"))
    }
    if firstKept > report.sealed {
      report.add(Finding(.retention, file: RetentionNote.file, "names entries that no sealed segment has"))
    }
  }
}
