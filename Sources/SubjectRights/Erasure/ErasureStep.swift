/// The steps of an erasure. Each is committed before the next begins, each can be repeated, and an erasure that a
/// crash stopped after any of them is resumed from there.
public enum ErasureStep: String, Sendable, CaseIterable, Comparable {
  /// Ordered by an approved request; nothing has happened yet.
  case ordered
  /// The subject is tombstoned, its tags are moved, its linkable values gone, `erasure.started` is in the log.
  case tombstoned
  /// The erasure is in the ledger, outside both databases.
  case ledgered
  /// The subject's key is destroyed: the live erasure time.
  case keyDestroyed = "key_destroyed"
  /// `erasure.completed` is in the log; the request is completed.
  case completed
  /// A checkpoint covers it, and the certificate is issued.
  case certified

  /// In the order in which they happen.
  public static func < (left: ErasureStep, right: ErasureStep) -> Bool {
    (allCases.firstIndex(of: left) ?? 0) < (allCases.firstIndex(of: right) ?? 0)
  }
}
