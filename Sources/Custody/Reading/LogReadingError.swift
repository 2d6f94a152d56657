/// Why something of the log can't be shown. Never carries a value.
public enum LogReadingError: String, Error, Sendable, CustomStringConvertible {
  /// The entry is committed, and no checkpoint covers it yet.
  case notPublished = "not_published"
  /// The entry was deleted at the end of its retention; its hash is still in the tiles.
  case expired
  /// The note's checkpoint is none that this log has published.
  case unknownCheckpoint = "unknown_checkpoint"
  /// None of the note's lines is by a witness that the policy names.
  case unknownWitness = "unknown_witness"
  /// A known witness's line does not verify, or its time is in the future.
  case invalidCosignature = "invalid_cosignature"

  /// The code.
  public var description: String { "log: \(rawValue)" }
}
