public import Audit
public import Postgres
public import Redaction
public import Schema
public import Vault
public import Foundation

/// One tenant transaction, with the keys of the subjects that it declared, the entries it will append and the
/// answer it will keep. Lives only inside the closure it is lent to, on the connection's own thread.
///
/// Everything is committed together or not at all: rows, tags, log entries, the kept answer.
public final class UnitOfWork {
  /// On whose behalf.
  public let context: AccessContext
  /// The open transaction, row-level security set to the context's tenant. For a feature's own store.
  public let database: Transaction
  /// The time of this unit, microseconds since the Unix epoch.
  public let now: Int64

  private let keys: [SubjectID: DataKey]
  private let created: SubjectID?
  /// The keys of the epochs whose tags are written, earliest first: one, or two while a rotation moves tags.
  let indexKeys: [IndexKey]
  /// Those, and the keys of the other epochs that the keyring holds: for tags that are only asked for.
  let allIndexKeys: [IndexKey]
  private let suite: Suite
  private var opened: [SubjectID: [PersonalField]] = [:]
  private(set) var pending: [JournalEntry] = []
  private(set) var head: AuditLogStore.Head?

  init(
    context: AccessContext, database: Transaction, now: Int64, keys: [SubjectID: DataKey], created: SubjectID?,
    indexKeys: [IndexKey], allIndexKeys: [IndexKey], suite: Suite
  ) {
    self.context = context
    self.database = database
    self.now = now
    self.keys = keys
    self.created = created
    self.indexKeys = indexKeys
    self.allIndexKeys = allIndexKeys
    self.suite = suite
  }

  /// The subject that this unit was asked to create. Throws `.notFound` in a unit that creates none.
  public func newSubject() throws -> SubjectID {
    guard let created else { throw CustodyError(.notFound, field: "subject") }
    return created
  }

  // MARK: Sealed fields

  /// Seals a value under the subject's key, bound to its tenant, subject, row and field.
  public func seal(_ value: Personal<String>, as field: PersonalField, row: UUID, of subject: SubjectID) throws
    -> [UInt8]
  {
    try seal(bytes: Array(value.disclosed().utf8), as: field, row: row, of: subject)
  }

  /// Seals bytes; see ``seal(_:as:row:of:)``.
  public func seal(bytes: [UInt8], as field: PersonalField, row: UUID, of subject: SubjectID) throws -> [UInt8] {
    try key(of: subject).seal(
      bytes, at: FieldAddress(tenant: context.tenant.uuid, subject: subject.uuid, row: row, field: field.rawValue),
      suite: suite)
  }

  /// Opens a field. Opening it is recording a read: the entry is committed with this unit, or nothing is.
  public func open(_ envelope: [UInt8], as field: PersonalField, row: UUID, of subject: SubjectID) throws
    -> Personal<String>
  {
    let bytes = try key(of: subject).open(
      envelope, at: FieldAddress(tenant: context.tenant.uuid, subject: subject.uuid, row: row, field: field.rawValue))
    if opened[subject]?.contains(field) != true { opened[subject, default: []].append(field) }
    return Personal(String(decoding: bytes, as: UTF8.self))
  }

  private func key(of subject: SubjectID) throws -> DataKey {
    guard let key = keys[subject] else { throw CustodyError(.keyMissing) }
    return key
  }

  // MARK: Lookup tags

  /// Claims a normalised value for a row, unique within the tenant. Throws `.taken` with the field's name.
  public func claim(
    _ normalised: Personal<String>, as kind: TagKind, field: PersonalField, row: UUID, of subject: SubjectID
  ) throws {
    // The earlier epoch first, in every unit: whoever comes second finds that tag taken.
    for index in indexKeys {
      let tag = LookupTagStore.Tag(epoch: index.epoch, bytes: index.tag(kind, normalised.disclosed()))
      guard try LookupTagStore.claim(tag, kind: kind, row: row, subject: subject, tenant: context.tenant, in: database)
      else { throw CustodyError(.taken, field: field.name) }
    }
  }

  /// Releases what a row has claimed of that kind.
  public func release(_ kind: TagKind, row: UUID, of subject: SubjectID) throws {
    try LookupTagStore.release(kind: kind, row: row, subject: subject, tenant: context.tenant, in: database)
  }

  // MARK: The log

  /// Adds an entry to the log, committed with this unit. Only names of fields and neutral codes.
  public func record(
    _ action: AuditAction, subject: SubjectID? = nil, fields: [PersonalField] = [], codes: [String: String] = [:],
    outcome: AuditOutcome = .ok
  ) {
    record(action, subject: subject, fields: fields, codes: codes, outcome: outcome, aboutErasure: false)
  }

  func record(
    _ action: AuditAction, subject: SubjectID?, fields: [PersonalField] = [], codes: [String: String],
    outcome: AuditOutcome = .ok, aboutErasure: Bool
  ) {
    pending.append(
      JournalEntry(
        record: context.record(action, fields: fields, codes: codes, outcome: outcome),
        subjects: subject.map { [$0] } ?? [], listsSubjects: !aboutErasure, requiresLiveSubjects: !aboutErasure))
  }

  /// Takes the log's head before the usual time, for a unit that must exclude every other one.
  func takeHead() throws {
    if head == nil { head = try AuditLogStore.lockHead(tenant: context.tenant, in: database) }
  }

  /// The last statements before the commit: entries for what was opened, tombstones re-checked under the head,
  /// the entries appended. Returns the sequence numbers of ``record(_:subject:fields:codes:outcome:)``, in order.
  @discardableResult
  func appendEntries() throws -> [Int64] {
    let reads = opened.sorted { $0.key < $1.key }.map { subject, fields in
      JournalEntry(
        record: context.record(.personalDataRead, fields: fields, codes: [:], outcome: .ok), subjects: [subject])
    }
    let entries = try (pending + reads).map { try $0.prepared() }
    if entries.isEmpty { return [] }
    try takeHead()
    guard let head else { throw CustodyError(.unavailable, field: "log") }
    let guarded = Set(entries.flatMap(\.guarded))
    guard try AuditLogStore.tombstoned(guarded, tenant: context.tenant, in: database).isEmpty else {
      throw CustodyError(.erased)
    }
    let sequences = try AuditLogStore.append(entries, after: head, tenant: context.tenant, in: database)
    pending = []
    opened = [:]
    // What comes after these entries, in the same unit, takes the head as they left it.
    self.head = nil
    return sequences
  }
}

/// How an audited action ended.
public enum AuditOutcome: String, Sendable {
  /// Done.
  case ok
  /// Refused by a rule.
  case denied
  /// Could not be done.
  case failed
}

extension AccessContext {
  /// An entry's body with what every entry of this access has in common.
  func record(_ action: AuditAction, fields: [PersonalField], codes: [String: String], outcome: AuditOutcome)
    -> AuditRecord
  {
    AuditRecord(
      action: action, actor: actor.uuid, purpose: purpose.rawValue, requestID: requestID, traceID: traceID,
      outcome: outcome.rawValue, fields: fields.map(\.name), codes: codes)
  }
}
