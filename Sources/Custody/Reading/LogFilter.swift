public import Audit

/// What a listing of the log asks for; every condition must hold.
///
/// Order is the sequence. Since an entry's time never decreases, `from` and `until` are found by bisection; the other
/// conditions are looked for entry by entry, a bounded number of them a request.
public struct LogFilter: Sendable, Hashable {
  /// Which actions.
  public enum Action: Sendable, Hashable {
    /// This one.
    case exactly(AuditAction)
    /// Those whose names begin with these words and a dot, for example `personal_data`.
    case family(String)

    /// Reads `profile.created`, or `profile.*` for a family. Nil for anything else.
    public init?(_ text: String) {
      if text.hasSuffix(".*") {
        let words = String(text.dropLast(2))
        // One word more makes it an action's name.
        guard AuditAction(rawValue: words + ".a").isWellFormed else { return nil }
        self = .family(words)
      } else {
        let action = AuditAction(rawValue: text)
        guard action.isWellFormed else { return nil }
        self = .exactly(action)
      }
    }

    func matches(_ action: AuditAction) -> Bool {
      switch self {
      case .exactly(let wanted): action == wanted
      case .family(let words): action.rawValue.utf8.starts(with: (words + ".").utf8)
      }
    }
  }

  /// Entries that name the person, or list them among those that were read together.
  public var subject: SubjectID?
  /// Entries of what that actor did.
  public var actor: ActorID?
  /// Entries of those actions.
  public var action: Action?
  /// Entries at or after that time, microseconds since the Unix epoch.
  public var from: Int64?
  /// Entries before that time.
  public var until: Int64?

  /// A filter that every entry passes.
  public init() {}

  /// The names of the conditions, as the log says what it was asked for; never their values.
  var names: [String] {
    [
      subject.map { _ in "subject" }, actor.map { _ in "actor" }, action.map { _ in "action" },
      from.map { _ in "from" }, until.map { _ in "to" },
    ].compactMap { $0 }
  }

  /// Bytes that an entry with that action, and that actor, must have. A body is canonical JSON, which begins with its
  /// action; what merely looks the same is told apart when the entry is read.
  var marks: [[UInt8]] {
    var marks: [[UInt8]] = []
    switch action {
    case .exactly(let action): marks.append(Array("\n{\"action\":\"\(action.rawValue)\"".utf8))
    case .family(let words): marks.append(Array("\n{\"action\":\"\(words).".utf8))
    case nil: break
    }
    if let actor { marks.append(Array("\"actor\":\"\(actor)\"".utf8)) }
    return marks
  }

  /// Bytes that an entry which names the subject must have.
  var subjectMark: [UInt8]? { subject.map { Array("\"subject\":\"\($0)\"".utf8) } }

  /// Whether an entry is wanted, its time aside.
  ///
  /// - Parameter listsSubject: whether the side table lists the filter's subject for this entry.
  func matches(_ record: AuditRecord, listsSubject: Bool) -> Bool {
    if let action, !action.matches(record.action) { return false }
    if let actor, record.actor != actor.uuid { return false }
    if let subject, record.subject != subject.uuid, !listsSubject { return false }
    return true
  }

  /// Whether every entry passes, its time aside.
  var takesEverything: Bool { subject == nil && actor == nil && action == nil }
}
