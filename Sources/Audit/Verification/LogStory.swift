/// What a log's entries say about the log itself: its keys, what was deleted, whether it is closed.
struct LogStory {
  /// The keys that the entries name; believed only after `KeyChain.resolve`.
  var keys = KeyChain()
  /// What the retention note says, when there is one.
  let retention: RetentionNote?
  /// The last entry that says the same.
  private(set) var expiry: UInt64?
  /// The last entry with which a tenant left.
  private(set) var closed: UInt64?

  init(retention: RetentionNote?) { self.retention = retention }

  mutating func see(_ entry: NotedEntry, file: String, _ report: inout VerificationReport) {
    switch entry.content {
    case .erasure, .heartbeat: break
    case .keyRotated(let old, let new):
      keys.see(old: old, new: new, at: entry.sequence, file: file, &report)
    case .entriesExpired(let firstKept, let policy):
      // One that is smaller than an earlier one says nothing new: two writers may have reckoned at once.
      guard let firstKept, let policy, firstKept <= entry.sequence else {
        report.add(
          Finding(.retention, file: file, sequence: entry.sequence, "names entries that can't be deleted then"))
        return
      }
      if firstKept == retention?.firstKept, policy == retention?.policy { expiry = entry.sequence }
    case .closed: closed = entry.sequence
    }
  }
}
