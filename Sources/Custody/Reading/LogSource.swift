import Audit
import Postgres

/// A tenant's log inside one transaction, from both places where it is kept: the rows, and below the first of them the
/// archive. Reads files on the connection's own thread.
struct LogSource {
  /// How many entries one request looks at.
  static let budget = 65_536
  /// How many rows one statement looks at.
  private static let window: Int64 = 8_192
  /// What a bundle of the archive counts for, in rows: it is read whole, and its entries are parsed one by one.
  private static let bundleCost = 4_096

  /// How many entries are committed.
  let size: Int64

  private let tenant: TenantID
  private let transaction: Transaction
  private let archive: ArchiveReader
  private let budget: Int
  /// The first entry that has a row; `size` when none has.
  private let firstRow: Int64

  init(_ tenant: TenantID, archive: ArchiveReader, budget: Int = Self.budget, in transaction: Transaction) throws {
    self.tenant = tenant
    self.budget = budget
    self.archive = archive
    self.transaction = transaction
    size = try AuditLogStore.readHead(tenant: tenant, in: transaction).size
    firstRow = try LogReadingStore.firstRow(tenant: tenant, in: transaction) ?? size
  }

  /// One entry's bytes. Throws `.expired` when it is kept nowhere any more.
  func entry(at sequence: Int64) throws -> [UInt8] {
    if let row = try LogReadingStore.entry(at: sequence, tenant: tenant, in: transaction) { return row }
    guard let published = try publishedSize(), sequence < published else {
      throw CustodyError(.unavailable, field: "audit_entries")
    }
    do {
      return try archive.entry(at: UInt64(sequence), size: UInt64(published))
    } catch {
      if error.code == .missing { throw LogReadingError.expired }
      throw error
    }
  }

  /// The newest entries before `end` that a filter takes, and where to go on; nil at the log's beginning.
  func newest(_ filter: LogFilter, before end: Int64, limit: Int) throws -> (entries: [LogEntryView], next: Int64?) {
    let lower = try filter.from.map(first(atOrAfter:)) ?? 0
    var position = min(end, try filter.until.map(first(atOrAfter:)) ?? size)
    var budget = budget
    var found: [LogEntryView] = []
    while position > lower, found.count < limit, budget > 0 {
      if position > firstRow {
        let start = max(lower, firstRow, position - min(Self.window, Int64(budget)))
        let wanted = limit - found.count
        let rows = try LogReadingStore.newest(
          filter, in: start..<position, limit: wanted, tenant: tenant, in: transaction)
        found += try matching(rows, filter, in: start..<position)
        budget -= Int(position - start)
        position = rows.count == wanted ? rows.last?.sequence ?? start : start
      } else {
        let start = max(lower, (position - 1) / 256 * 256)
        guard let bundle = try bundle(start..<position) else { return (found, nil) }
        let matches = try matching(bundle.reversed(), filter, in: start..<position)
        budget -= Self.bundleCost
        let left = limit - found.count
        found += matches.prefix(left)
        position = matches.count > left ? found.last?.sequence ?? start : start
      }
    }
    return (found, position > lower ? position : nil)
  }

  /// What the filter takes of those entries. Bytes that can't be read are shown to whoever asks for everything.
  private func matching(_ stored: [LogReadingStore.Stored], _ filter: LogFilter, in range: Range<Int64>) throws
    -> [LogEntryView]
  {
    if stored.isEmpty { return [] }
    let listed =
      try filter.subject.map {
        try LogReadingStore.listed($0, in: range, tenant: tenant, in: transaction)
      } ?? []
    return stored.map { LogEntryView(sequence: $0.sequence, bytes: $0.entry) }.filter { view in
      guard let record = view.record else { return filter.takesEverything }
      return filter.matches(record, listsSubject: listed.contains(view.sequence))
    }
  }

  /// Entries of one bundle of the archive; nil when they are kept nowhere any more.
  private func bundle(_ range: Range<Int64>) throws -> [LogReadingStore.Stored]? {
    guard let published = try publishedSize(), range.upperBound <= published else {
      throw CustodyError(.unavailable, field: "audit_entries")
    }
    let found: [[UInt8]]
    do {
      found = try archive.entries(
        in: UInt64(range.lowerBound)..<UInt64(range.upperBound), size: UInt64(published))
    } catch {
      guard error.code == .missing else { throw error }
      return nil
    }
    return found.enumerated().map { (range.lowerBound + Int64($0), $1) }
  }

  /// The first entry that is not before `time`; the log's size when all are. Times never decrease.
  private func first(atOrAfter time: Int64) throws -> Int64 {
    var low: Int64 = 0
    var high = size
    while low < high {
      let middle = low + (high - low) / 2
      if try self.time(at: middle) ?? .min < time { low = middle + 1 } else { high = middle }
    }
    return low
  }

  /// An entry's time; nil, as for one before all others, where the entry is kept nowhere any more.
  private func time(at sequence: Int64) throws -> Int64? {
    do {
      return try Entry(parsing: entry(at: sequence)).time
    } catch LogReadingError.expired {
      return nil
    }
  }

  private func publishedSize() throws -> Int64? {
    guard let note = try archive.checkpoint() else { return nil }
    return Int64(exactly: try Checkpoint(parsing: note.body).size)
  }
}
