public import Audit
import Logging
import Postgres

/// Reading the log: listings, single entries, receipts, and a person's own list.
///
/// Reading it is itself logged: each call but ``receipt(_:_:)`` commits one entry `log.read` before it returns, with the
/// names of the conditions and never their values. If that entry can't be written, ``CustodyError`` `.unavailable` is
/// thrown and nothing is returned. Entries are pseudonymous: nothing sealed is opened here.
///
/// Rows that were dropped are read from the archive.
public struct LogReading: Sendable {
  let custody: Custody
  private let checkpointer: Checkpointer
  private let budget: Int

  /// Reads the rows behind that door, and the archive of that publisher.
  public init(custody: Custody, checkpointer: Checkpointer) {
    self.init(custody: custody, checkpointer: checkpointer, budget: LogSource.budget)
  }

  init(custody: Custody, checkpointer: Checkpointer, budget: Int) {
    self.custody = custody
    self.checkpointer = checkpointer
    self.budget = budget
  }

  // MARK: Entries

  /// A page of entries before `before`, newest first.
  ///
  /// Each call looks at 65,536 entries at most, so a page may be short and still have a next one.
  ///
  /// - Parameters:
  ///   - before: where the last page ended; nil for the newest entries.
  ///   - limit: how many entries at most.
  ///   - codes: more for the entry `log.read` to say.
  public func page(
    _ filter: LogFilter, before: Int64?, limit: Int, codes: [String: String] = [:], _ context: AccessContext
  ) async throws -> LogPage {
    let page = try await reading(context) { source, transaction in
      let (entries, next) = try source.newest(filter, before: min(before ?? source.size, source.size), limit: limit)
      let named = Set(entries.compactMap(\.subject)).union([filter.subject].compactMap { $0 })
      let states = try SubjectStore.states(of: Array(named), tenant: context.tenant, in: transaction)
      return LogPage(entries: entries, next: next, subjects: states)
    }
    var codes = codes
    if !filter.names.isEmpty { codes["filters"] = filter.names.joined(separator: "+") }
    codes["entries"] = String(page.entries.count)
    // An id that is nobody's here may be anybody's elsewhere: it stays out of this log.
    let subject = filter.subject.flatMap { page.subjects[$0] == nil ? nil : $0 }
    try await record(codes, about: subject, context)
    return page
  }

  /// One entry. Throws ``CustodyError`` `.notFound` beyond the log's end, and ``LogReadingError`` `.expired`.
  public func entry(_ sequence: Int64, _ context: AccessContext) async throws -> LogEntryView {
    let view = try await reading(context) { source, _ in
      guard (0..<source.size).contains(sequence) else { throw CustodyError(.notFound) }
      return LogEntryView(sequence: sequence, bytes: try source.entry(at: sequence))
    }
    try await record(["filters": "seq", "entries": "1"], about: nil, context)
    return view
  }

  /// The proof that an entry is in the log, under the newest checkpoint, with the cosignatures that this one has.
  ///
  /// Works for as long as the log is kept, its entry's bytes or not. Throws ``CustodyError`` `.notFound` beyond the log's
  /// end, and ``LogReadingError`` `.notPublished`.
  public func receipt(_ sequence: Int64, _ context: AccessContext) async throws -> Receipt {
    let archive = archive(of: context.tenant)
    return try await reading(context) { source, transaction in
      guard (0..<source.size).contains(sequence) else { throw CustodyError(.notFound) }
      guard let note = try archive.checkpoint() else { throw LogReadingError.notPublished }
      let size = try Checkpoint(parsing: note.body).size
      guard UInt64(sequence) < size else { throw LogReadingError.notPublished }
      let path = try archive.inclusionProof(index: UInt64(sequence), size: size)
      let lines = try CosignatureStore.lines(of: Int64(size), tenant: context.tenant, in: transaction)
      return Receipt(index: UInt64(sequence), path: path, checkpoint: try note.adding(lines))
    }
  }

  // MARK: A person's own list

  /// What touched a person's data, newest first, for that person. The look is a reading of the log about that person,
  /// and in it before this returns. Throws ``CustodyError`` `.erased` for one who is tombstoned by then.
  public func accesses(of subject: SubjectID, before: Int64?, limit: Int, _ context: AccessContext) async throws
    -> PersonalAccessPage
  {
    let page = try await reading(context) { source, transaction in
      let rows = try LogReadingStore.about(
        subject, before: before ?? source.size, limit: limit + 1, tenant: context.tenant, in: transaction)
      let shown = rows.prefix(limit)
      return PersonalAccessPage(
        accesses: try shown.compactMap { try Self.access($0.sequence, $0.entry, source) },
        next: rows.count > limit ? shown.last?.sequence : nil)
    }
    let record = context.record(
      .logRead, fields: [], codes: ["filters": "subject", "entries": String(page.accesses.count)], outcome: .ok)
    try await custody.translating {
      try await custody.journal.append(JournalEntry(record: record, subjects: [subject]), tenant: context.tenant)
    }
    return page
  }

  private static func access(_ sequence: Int64, _ row: [UInt8]?, _ source: LogSource) throws -> PersonalAccess? {
    let bytes: [UInt8]
    do { bytes = try row ?? source.entry(at: sequence) } catch LogReadingError.expired { return nil }
    let view = LogEntryView(sequence: sequence, bytes: bytes)
    guard let time = view.time, let record = view.record else { return nil }
    return PersonalAccess(
      time: time, action: record.action.rawValue, purpose: record.purpose, role: record.codes["role"],
      outcome: record.outcome, fields: record.fields)
  }

  // MARK: Parts

  func archive(of tenant: TenantID) -> ArchiveReader { ArchiveReader(folder: checkpointer.folder(of: tenant)) }

  /// Runs `body` over the tenant's log in a transaction that writes nothing.
  func reading<Result: Sendable>(
    _ context: AccessContext, _ body: @escaping @Sendable (LogSource, Transaction) throws -> Result
  ) async throws -> Result {
    let archive = archive(of: context.tenant)
    return try await custody.translating {
      do {
        return try await custody.data.transaction(settings: context.settings, readOnly: true) { transaction in
          try body(LogSource(context.tenant, archive: archive, budget: budget, in: transaction), transaction)
        }
      } catch let error as AuditError {
        custody.logger.error("the archive can't be read", metadata: ["error": "\(error)"])
        throw CustodyError(.unavailable, field: "archive")
      }
    }
  }

  /// Commits the entry that says that the log was read. It names a live person as a reading of theirs; one who is
  /// tombstoned, or becomes it meanwhile, is named and not listed.
  private func record(_ codes: [String: String], about subject: SubjectID?, _ context: AccessContext) async throws {
    let record = context.record(.logRead, fields: [], codes: codes, outcome: .ok)
    let subjects = subject.map { [$0] } ?? []
    try await custody.translating {
      do {
        try await custody.journal.append(JournalEntry(record: record, subjects: subjects), tenant: context.tenant)
      } catch let error as CustodyError where error.code == .erased {
        try await custody.journal.append(
          JournalEntry(record: record, subjects: subjects, listsSubjects: false, requiresLiveSubjects: false),
          tenant: context.tenant)
      }
    }
  }
}
