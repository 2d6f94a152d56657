import Audit
import Postgres
import Signing

/// Holds every row of a tenant's log against the archive, and the rows after it against their own chain and the head.
///
/// The tables' owner and a superuser can edit rows: this is how it is noticed. It reads everything once, batch by batch,
/// on the worker's connections, changes nothing, and may run while the service does. The archive's tiles are taken as
/// they are: `dsar audit verify` is what checks those.
public struct ArchiveComparison: Sendable {
  /// What is wrong with rows of the table.
  public enum Kind: String, Sendable, Hashable, CaseIterable {
    /// The row is not the entry that was committed; or its hash is another one's.
    case edited
    /// There is no row: it was deleted, or its partition was detached or truncated.
    case missing
    /// There is a row where the log has no entry, or a second row of one number.
    case extra
    /// The row is an entry of this log, with another number.
    case reordered
    /// The head names another end than the rows have.
    case head
  }

  /// Rows with one thing wrong, from the first number to the last.
  public struct Finding: Sendable, Hashable, CustomStringConvertible {
    /// What is wrong.
    public let kind: Kind
    /// Which entries.
    public let sequences: ClosedRange<Int64>

    /// One line for the operator.
    public var description: String {
      sequences.count == 1
        ? "entry \(sequences.lowerBound): \(kind.rawValue)"
        : "entries \(sequences.lowerBound)–\(sequences.upperBound): \(kind.rawValue)"
    }
  }

  /// What was compared, and what was found.
  public struct Result: Sendable {
    /// Whose log.
    public let tenant: TenantID
    /// How many rows were read.
    public var rows: Int64 = 0
    /// How many entries the archive covers.
    public var published: UInt64 = 0
    /// Rows before this number may be gone: their time in the database is over.
    public var rowsFrom: Int64 = 0
    /// In ascending order, at most ``ArchiveComparison/maximumFindings``.
    public var findings: [Finding] = []
  }

  /// More findings than that are not listed.
  public static let maximumFindings = 1_000
  private static let batchSize: Int64 = 1_024

  private let custody: Custody
  private let checkpointer: Checkpointer

  /// Compares by the archive's own files.
  public init(custody: Custody, checkpointer: Checkpointer) {
    self.custody = custody
    self.checkpointer = checkpointer
  }

  /// Compares one tenant's log.
  ///
  /// Throws `AuditError` when the archive can't be read or its checkpoint isn't by one of our keys, and ``CustodyError``.
  public func compare(_ tenant: TenantID) async throws -> Result {
    let writer = checkpointer.writer(of: tenant)
    let settings = AccessContext.operation(tenant).settings
    // The archive before the head: what is published in between is not missing in what was read before.
    let (published, head, rowsFrom) = try await reading(settings) { transaction in
      let published = try writer.lastCheckpoint()?.size ?? 0
      let rowsFrom = try LogUpkeepStore.rowsFrom(tenant: tenant, in: transaction)
      return (published, try AuditLogStore.readHead(tenant: tenant, in: transaction), rowsFrom)
    }
    var result = Result(tenant: tenant, published: published, rowsFrom: rowsFrom)
    var found = Findings()
    let common = min(Int64(published), head.size)
    try await comparePublished(writer, upTo: common, settings, &result, &found)
    try await compareUnpublished(writer, from: common, head, settings, &result, &found)
    if head.size < Int64(published) { found.add(.missing, head.size...Int64(published) - 1) }
    // Rows first, then the head: whatever was appended meanwhile is below it.
    let outside = try await reading(settings) { transaction in
      let rows = try ArchiveComparisonStore.outside(
        from: head.size, limit: Self.maximumFindings, tenant: tenant, in: transaction)
      let now = try AuditLogStore.readHead(tenant: tenant, in: transaction).size
      return rows.filter { $0 < 0 || $0 >= now }
    }
    for sequence in outside.reversed() { found.add(.extra, sequence...sequence) }
    result.findings = Array(found.list.sorted().prefix(Self.maximumFindings))
    return result
  }

  private func reading<Value: Sendable>(
    _ settings: [SessionSetting], _ body: @escaping @Sendable (Transaction) throws -> Value
  ) async throws -> Value {
    try await custody.translating {
      try await custody.worker.transaction(settings: settings, readOnly: true) { try body($0) }
    }
  }

  // MARK: What is published

  private func comparePublished(
    _ writer: ArchiveWriter, upTo end: Int64, _ settings: [SessionSetting], _ result: inout Result,
    _ found: inout Findings
  ) async throws {
    let (tenant, size) = (result.tenant, result.published)
    var start: Int64 = 0
    while start < end {
      let upper = min(end, start + Self.batchSize)
      let lower = start
      let (page, leaves) = try await reading(settings) { transaction in
        let page = try ArchiveComparisonStore.page(
          from: lower, before: upper, limit: Int(upper - lower), tenant: tenant, in: transaction)
        return (page, try writer.reader.leafHashes(in: UInt64(lower)..<UInt64(page.end), size: size))
      }
      let stored = Dictionary(grouping: page.rows, by: \.sequence)
      for (sequence, leaf) in zip(lower..., leaves) {
        let rows = stored[sequence] ?? []
        if rows.count > 1 { found.add(.extra, sequence...sequence) }
        if rows.contains(where: { Self.isEntry($0, leaf) }) { continue }
        guard let row = rows.first else {
          if sequence >= page.rowsFrom { found.add(.missing, sequence...sequence) }
          continue
        }
        found.add(try Self.kind(of: row, writer.reader, size), sequence...sequence)
      }
      result.rows += Int64(page.rows.count)
      result.rowsFrom = max(result.rowsFrom, page.rowsFrom)
      start = page.end
    }
  }

  private static func isEntry(_ row: ArchiveComparisonStore.StoredEntry, _ leaf: SHA256Digest) -> Bool {
    MerkleTree.leafHash(row.bytes) == leaf && row.leafHash == leaf.bytes
  }

  /// Whether a wrong row is another entry of this log, or none.
  private static func kind(of row: ArchiveComparisonStore.StoredEntry, _ reader: ArchiveReader, _ size: UInt64) throws
    -> Kind
  {
    guard let entry = try? Entry(parsing: row.bytes), entry.sequence != UInt64(row.sequence), entry.sequence < size,
      try reader.leafHash(at: entry.sequence, size: size) == entry.leafHash
    else { return .edited }
    return .reordered
  }

  // MARK: What is not

  /// What is kept of a row until the next ones are known.
  private struct Link: Sendable {
    let sequence: Int64
    let leaf: SHA256Digest
    let storedLeaf: [UInt8]
    /// Nil when the bytes are no entry of that number.
    let previous: SHA256Digest?
  }

  private func compareUnpublished(
    _ writer: ArchiveWriter, from first: Int64, _ head: AuditLogStore.Head, _ settings: [SessionSetting],
    _ result: inout Result, _ found: inout Findings
  ) async throws {
    guard first < head.size else { return }
    let (tenant, published) = (result.tenant, result.published)
    var links: [Link] = []
    var start = first
    while start < head.size {
      let lower = start
      let page = try await reading(settings) { transaction in
        try ArchiveComparisonStore.page(
          from: lower, before: head.size, limit: Int(Self.batchSize), tenant: tenant, in: transaction)
      }
      links += page.rows.map { row in
        let entry = try? Entry(parsing: row.bytes)
        return Link(
          sequence: row.sequence, leaf: MerkleTree.leafHash(row.bytes), storedLeaf: row.leafHash,
          previous: entry?.sequence == UInt64(row.sequence) && entry?.origin == head.origin ? entry?.previous : nil)
      }
      // A tenant's exit publishes its log, and deletes it at once.
      result.rowsFrom = max(result.rowsFrom, page.rowsFrom)
      start = page.end
    }
    result.rows += Int64(links.count)
    // Backwards: what the head says of the last one is what it must be, and so on, as long as each is what it must be.
    var expected: SHA256Digest? = head.leaf
    var sequence = head.size - 1
    while sequence >= first {
      defer { sequence -= 1 }
      let rows = links.suffix(while: { $0.sequence == sequence })
      links.removeLast(rows.count)
      if rows.count > 1 { found.add(.extra, sequence...sequence) }
      guard let link = rows.first(where: { $0.leaf == expected }) ?? rows.first else {
        if sequence >= result.rowsFrom { found.add(.missing, sequence...sequence) }
        expected = nil
        continue
      }
      let isItself = expected.map { $0 == link.leaf } ?? (link.storedLeaf == link.leaf.bytes)
      let isWhole = isItself && link.storedLeaf == link.leaf.bytes && link.previous != nil
      if !isWhole {
        let isHead = sequence == head.size - 1 && link.previous != nil && link.storedLeaf == link.leaf.bytes
        found.add(isHead ? .head : .edited, sequence...sequence)
      }
      // What an edited row says of the one before it counts for nothing.
      expected = isWhole || (isItself && link.previous != nil) ? link.previous : nil
    }
    guard let expected else { return }
    let before =
      first == 0 ? head.origin.genesis : try writer.reader.leafHash(at: UInt64(first) - 1, size: published)
    if expected != before { found.add(.edited, first...first) }
  }
}

extension Array {
  /// The longest end of which each element satisfies the condition.
  fileprivate func suffix(while condition: (Element) -> Bool) -> ArraySlice<Element> {
    self[(lastIndex { !condition($0) } ?? -1) + 1..<count]
  }
}

/// Findings, neighbours of one kind joined.
private struct Findings {
  private(set) var list: [ArchiveComparison.Finding] = []

  mutating func add(_ kind: ArchiveComparison.Kind, _ sequences: ClosedRange<Int64>) {
    if let last = list.last, last.kind == kind {
      if last.sequences.upperBound + 1 == sequences.lowerBound {
        list[list.count - 1] = .init(kind: kind, sequences: last.sequences.lowerBound...sequences.upperBound)
        return
      }
      if sequences.upperBound + 1 == last.sequences.lowerBound {
        list[list.count - 1] = .init(kind: kind, sequences: sequences.lowerBound...last.sequences.upperBound)
        return
      }
    }
    // One more than is shown is enough to go on comparing without growing.
    if list.count <= 2 * ArchiveComparison.maximumFindings { list.append(.init(kind: kind, sequences: sequences)) }
  }
}

extension ArchiveComparison.Finding: Comparable {
  /// By the first entry.
  public static func < (left: Self, right: Self) -> Bool {
    (left.sequences.lowerBound, left.kind.rawValue) < (right.sequences.lowerBound, right.kind.rawValue)
  }
}
