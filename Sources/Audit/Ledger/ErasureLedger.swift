public import Foundation
internal import Synchronization

#if canImport(Glibc)
  internal import Glibc
#else
  internal import Darwin
#endif

/// The append-only file `<archive>/erasures/ledger`: every erasure, written before its key is destroyed.
///
/// It lies outside both databases, so that a restored database can be told what must not come back. A line
/// that a crash cut short was never acknowledged: readers skip it and the next append removes it.
///
/// Copies of one value share what they know of the file: each of its lines is read once, however often something is
/// appended, by this process or by another one. A file that was replaced or cut is read again from its beginning.
public struct ErasureLedger: Sendable {
  private let path: String
  private let memory = Memory()

  /// Uses the file at `path`, which need not exist yet.
  public init(path: String) {
    self.path = path
  }

  /// Adds a record, durably: file and folder are synchronised before this returns.
  ///
  /// A subject is written once; repeating the call is harmless.
  ///
  /// - Returns: whether a line was added now.
  /// - Throws: `.inconsistent` when the subject is there with another commitment; `.malformed` for a record
  ///   that has no line, or a damaged file; `.notRegular`; `.inputOutput`. Nothing is acknowledged then.
  @discardableResult
  public func append(_ record: ErasureRecord) throws(AuditError) -> Bool {
    try append(contentsOf: [record]) == 1
  }

  /// Adds records in their order, all of them durably with one synchronisation, or none.
  ///
  /// A subject is written once, also when it is in `records` twice; repeating the call is harmless, and is the way on
  /// after a failure. A disk that is full throws `.inputOutput` with `isOutOfSpace`; what had been written is cut off
  /// again, at the latest by the next call.
  ///
  /// - Returns: how many lines were added now.
  /// - Throws: as ``append(_:)``, before anything is written wherever a record or the file is to blame.
  @discardableResult
  public func append(contentsOf records: [ErasureRecord]) throws(AuditError) -> Int {
    for record in records where record.line == nil { throw AuditError(.malformed, file: name) }
    if records.isEmpty { return 0 }
    return try memory.known.withLock { (known) throws(AuditError) -> Int in
      let folder = ArchiveFolder(root: folderPath)
      try folder.makeRoot()
      // Other processes append as well.
      let file = try openLocked()
      try refresh(&known, file)
      let new = try unknown(records, to: known)
      try write(new.compactMap(\.line), to: file, after: known?.end.offset ?? 0)
      try folder.synchronise([""])
      for record in new { known?.add(record) }
      return new.count
    }
  }

  /// All records in the order of their lines; none when there is no file.
  ///
  /// - Throws: `.malformed` for a damaged line, naming it; `.notRegular`; `.inputOutput`.
  public func records() throws(AuditError) -> [ErasureRecord] {
    var all: [ErasureRecord] = []
    try forEach { all.append($0) }
    return all
  }

  /// Whether the subject of this tenant has a record.
  ///
  /// - Throws: as ``records()``.
  public func contains(tenant: UUID, subject: UUID) throws(AuditError) -> Bool {
    try memory.known.withLock { (known) throws(AuditError) -> Bool in
      let number = SystemCalls.open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
      guard number >= 0 else {
        if errno == ENOENT { return false }
        throw openError
      }
      let file = FileDescriptor(owning: number)
      guard try file.status(name).kind == .regular else { throw AuditError(.notRegular, file: name) }
      try refresh(&known, file)
      return known?.commitment(tenant: tenant, subject: subject) != nil
    }
  }

  /// Calls `body` with each record in the order of their lines, holding one piece of the file at a time.
  ///
  /// - Throws: as ``records()``; `body` has had the records before the damaged line then.
  public func forEach(_ body: (ErasureRecord) -> Void) throws(AuditError) {
    let number = SystemCalls.open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
    guard number >= 0 else {
      if errno == ENOENT { return }
      throw openError
    }
    let file = FileDescriptor(owning: number)
    guard try file.status(name).kind == .regular else { throw AuditError(.notRegular, file: name) }
    try scan(file, from: LedgerPosition()) { record, _ in body(record) }
  }
}

// MARK: - Appending

extension ErasureLedger {
  /// What the copies of one ledger know together. Held while something is appended, always before the file's lock.
  private final class Memory: Sendable {
    let known = Mutex<KnownErasures?>(nil)
  }

  /// Opens the file, made when missing, and takes it for one writer until the descriptor goes.
  private func openLocked() throws(AuditError) -> FileDescriptor {
    let number = SystemCalls.open(path, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK, mode: 0o644)
    guard number >= 0 else { throw openError }
    let file = FileDescriptor(owning: number)
    guard try file.status(name).kind == .regular else { throw AuditError(.notRegular, file: name) }
    while flock(number, LOCK_EX) != 0 {
      guard errno == EINTR else { throw AuditError.system(name) }
    }
    return file
  }

  /// Brings what is known up to the file's end: reads what was added since, or all of another file.
  private func refresh(_ known: inout KnownErasures?, _ file: borrowing FileDescriptor) throws(AuditError) {
    let identity = try file.identity(name)
    // Taken out, so that there is one owner and nothing is copied.
    var current = known.take() ?? KnownErasures(of: identity)
    if try !current.isBeginning(of: file, name) { current = KnownErasures(of: identity) }
    try scan(file, from: current.end) { record, end in current.add(record, endingAt: end) }
    known = current
  }

  /// Those records whose subjects `known` lacks, each subject once.
  private func unknown(_ records: [ErasureRecord], to known: KnownErasures?) throws(AuditError) -> [ErasureRecord] {
    var new: [ErasureRecord] = []
    var positions: [[UUID]: Int] = [:]
    for record in records {
      let person = [record.tenant, record.subject]
      let commitment =
        known?.commitment(tenant: record.tenant, subject: record.subject)
        ?? positions[person].map { new[$0].commitment }
      guard let commitment else {
        positions[person] = new.count
        new.append(record)
        continue
      }
      guard commitment == record.commitment else { throw AuditError(.inconsistent, file: name) }
    }
    return new
  }

  /// Writes lines after the whole ones, over what a crash left there, and synchronises; on failure nothing of them
  /// stays, if the file system lets us.
  private func write(
    _ lines: [String], to file: borrowing FileDescriptor, after offset: Int
  ) throws(AuditError) {
    do throws(AuditError) {
      if !lines.isEmpty {
        if try file.status(name).length > offset { try file.truncate(to: offset, name) }
        try file.write(lines.flatMap { Array($0.utf8) }, name)
      }
      // Also without lines of our own: a repeated call may follow a crash between writing and synchronising.
      try file.synchronise(name)
    } catch {
      // Lines that were written and not synchronised must not count as known at the next call: a second `fsync` would
      // succeed without having written them.
      if !lines.isEmpty { try? file.truncate(to: offset, name) }
      throw error
    }
  }

  private var folderPath: String {
    let folder = (path as NSString).deletingLastPathComponent
    return folder.isEmpty ? "." : folder
  }

  /// Why the file could not be opened, by `errno`.
  private var openError: AuditError {
    errno == ELOOP ? AuditError(.notRegular, file: name) : AuditError.system(name)
  }
}

// MARK: - Reading

extension ErasureLedger {
  /// Reads all whole lines from `start` on; `body` gets each with the position after it.
  private func scan(
    _ file: borrowing FileDescriptor, from start: LedgerPosition, _ body: (ErasureRecord, LedgerPosition) -> Void
  ) throws(AuditError) {
    var rest: [UInt8] = []
    var position = start.offset
    var intact = start
    while true {
      let piece = try file.read(65_536, at: position, name)
      guard !piece.isEmpty else { return }
      position += piece.count
      rest.append(contentsOf: piece)
      var start = 0
      while let end = rest[start...].firstIndex(of: 0x0a) {
        intact.lines += 1
        guard let record = ErasureRecord(line: rest[start..<end]) else {
          throw AuditError(.malformed, file: "\(name):\(intact.lines)")
        }
        intact.offset += end + 1 - start
        body(record, intact)
        start = end + 1
      }
      rest.removeFirst(start)
      guard rest.count < ErasureRecord.maximumLineBytes else {
        throw AuditError(.malformed, file: "\(name):\(intact.lines + 1)")
      }
    }
  }

  private var name: String { "erasures/ledger" }
}
