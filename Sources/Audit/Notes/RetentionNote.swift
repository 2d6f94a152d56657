/// Which entries of a log may be missing, since their time is over: the body of the signed note `retention`.
///
/// ```
/// audit-retention/v1
/// <origin>
/// <first kept>
/// <time>
/// <policy>
/// ```
public struct RetentionNote: Sendable, Hashable {
  /// The log.
  public let origin: LogOrigin
  /// Entries before this number may be missing: a multiple of 256, or the size of a log that was closed.
  public let firstKept: UInt64
  /// When that was decided, in microseconds since 1970-01-01T00:00:00Z.
  public let time: Int64
  /// The version of the policy that says so, a code.
  public let policy: String

  /// Describes what was deleted.
  ///
  /// - Throws: `.notNeutral` when the policy is not a code; `.malformed` for a time before 1970.
  public init(origin: LogOrigin, firstKept: UInt64, time: Int64, policy: String) throws(AuditError) {
    guard AuditRecord.isCode(policy) else { throw AuditError(.notNeutral) }
    guard time >= 0 else { throw AuditError(.malformed) }
    self.origin = origin
    self.firstKept = firstKept
    self.time = time
    self.policy = policy
  }

  /// The five lines, each ended by a newline.
  public var text: String { "\(Self.header)\n\(origin.text)\n\(firstKept)\n\(time)\n\(policy)\n" }

  /// Reads the five lines; exactly what `text` writes is accepted.
  ///
  /// - Throws: `.malformed`.
  public init(parsing body: String) throws(AuditError) {
    let lines = body.utf8.split(separator: 0x0a, maxSplits: 6, omittingEmptySubsequences: false)
    guard lines.count == 6, lines[5].isEmpty, lines[0].elementsEqual(Self.header.utf8),
      let name = String(lines[1]), let origin = LogOrigin(name),
      let firstKept = Decimal.unsigned(lines[2]),
      let time = Decimal.unsigned(lines[3]).flatMap(Int64.init(exactly:)),
      let policy = String(lines[4]), AuditRecord.isCode(policy)
    else { throw AuditError(.malformed) }
    try self.init(origin: origin, firstKept: firstKept, time: time, policy: policy)
  }

  /// The note's file, relative to the log's folder.
  public static let file = "retention"

  private static let header = "audit-retention/v1"
}
