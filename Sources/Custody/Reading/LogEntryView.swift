public import Audit
public import Signing

/// One entry of the log as its reader gets it: the exact bytes, and what they say.
public struct LogEntryView: Sendable {
  /// Its place in the log.
  public let sequence: Int64
  /// The bytes that are hashed, exactly as stored.
  public let bytes: [UInt8]
  /// Their leaf hash, recomputed.
  public let leafHash: SHA256Digest
  /// Microseconds since the Unix epoch; nil for bytes that are no entry.
  public let time: Int64?
  /// The body; nil for bytes that are no entry of that place. Somebody changed them, which a verification of the
  /// published log finds and this doesn't.
  public let record: AuditRecord?

  init(sequence: Int64, bytes: [UInt8]) {
    self.sequence = sequence
    self.bytes = bytes
    leafHash = MerkleTree.leafHash(bytes)
    let entry = try? Entry(parsing: bytes)
    let isHere = entry.map { $0.sequence == UInt64(sequence) } ?? false
    time = isHere ? entry?.time : nil
    record = isHere ? entry.flatMap { try? AuditRecord(body: $0.body) } : nil
  }

  /// The one person whose data the entry is about; nil for none, and for several.
  public var subject: SubjectID? { record?.subject.map(SubjectID.init) }
}

/// A page of the log, newest first.
public struct LogPage: Sendable {
  /// The entries, newest first. A page may hold fewer than were asked for, or none, and still have a next one: a
  /// request looks at a bounded number of entries.
  public let entries: [LogEntryView]
  /// Entries before this number come next; nil at the end.
  public let next: Int64?
  /// The state of the persons whom the entries name, one by one.
  public let subjects: [SubjectID: SubjectState]
}

/// What a person's row says of them.
public enum SubjectState: String, Sendable {
  /// Nothing has been erased.
  case live
  /// Tombstoned: nothing is released any more.
  case erasing
  /// The key is destroyed.
  case erased
}

/// One entry about a person, as that person may see it: when, what, why, in which role; not who, which would be another
/// person's data.
public struct PersonalAccess: Sendable, Equatable {
  /// Microseconds since the Unix epoch.
  public let time: Int64
  /// The entry's action.
  public let action: String
  /// The purpose's code.
  public let purpose: String?
  /// The code of the role in which it was done, where the entry has one.
  public let role: String?
  /// How it ended.
  public let outcome: String
  /// The names of the fields.
  public let fields: [String]
}

/// A page of what touched one person's data, newest first.
public struct PersonalAccessPage: Sendable {
  /// The accesses, newest first.
  public let accesses: [PersonalAccess]
  /// Accesses before this number come next; nil at the end.
  public let next: Int64?
}
