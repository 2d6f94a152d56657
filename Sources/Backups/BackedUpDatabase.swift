/// One of the two databases, as a backup names them.
public enum BackedUpDatabase: String, Sendable, Hashable, CaseIterable {
  /// Envelopes, tags, the log, requests.
  case data
  /// Wrapped keys and tombstones.
  case vault

  /// The name of its dump in a backup's folder.
  public var dumpName: String { rawValue + ".dump" }
}
