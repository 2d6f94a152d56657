/// What a log's entries say about the log itself: its keys, what was deleted, whether it is closed.
struct LogStory {
  /// More than any log has; the rest would only cost memory.
  static let maximumExpiries = 4096

  /// The keys that the entries name; believed only after `KeyChain.resolve`.
  var keys = KeyChain()
  /// Entries that said which ones may be missing.
  private(set) var expiries: [(sequence: UInt64, firstKept: UInt64, policy: String)] = []
  /// The last entry with which a tenant left.
  private(set) var closed: UInt64?

  mutating func see(_ entry: NotedEntry, file: String, _ report: inout VerificationReport) {
    switch entry.content {
    case .erasure, .heartbeat: break
    case .keyRotated(let old, let new):
      keys.see(old: old, new: new, at: entry.sequence, file: file, &report)
    case .entriesExpired(let firstKept, let policy):
      guard let firstKept, let policy, firstKept >= expiries.last?.firstKept ?? 0,
        firstKept <= entry.sequence, expiries.count < Self.maximumExpiries
      else {
        report.add(
          Finding(.retention, file: file, sequence: entry.sequence, "names entries that can't be deleted then"))
        return
      }
      expiries.append((entry.sequence, firstKept, policy))
    case .closed: closed = entry.sequence
    }
  }
}
