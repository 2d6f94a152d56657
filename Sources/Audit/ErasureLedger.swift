public import Foundation

#if canImport(Glibc)
  internal import Glibc
#else
  internal import Darwin
#endif

/// The append-only file `<archive>/erasures/ledger`: every erasure, written before its key is destroyed.
///
/// It lies outside both databases, so that a restored database can be told what must not come back. A line
/// that a crash cut short was never acknowledged: readers skip it and the next append removes it.
public struct ErasureLedger: Sendable {
  private let path: String

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
  ///   that has no line, or a damaged file; `.notRegular`; `.inputOutput`.
  @discardableResult
  public func append(_ record: ErasureRecord) throws(AuditError) -> Bool {
    guard let line = record.line else { throw AuditError(.malformed, file: name) }
    let folder = (path as NSString).deletingLastPathComponent
    try ArchiveFolder(root: folder.isEmpty ? "." : folder).makeRoot()
    let number = SystemCalls.open(path, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK, mode: 0o644)
    guard number >= 0 else {
      if errno == ELOOP { throw AuditError(.notRegular, file: name) }
      throw AuditError.system(name)
    }
    let file = FileDescriptor(owning: number)
    guard try file.status(name).kind == .regular else { throw AuditError(.notRegular, file: name) }
    while flock(number, LOCK_EX) != 0 {
      guard errno == EINTR else { throw AuditError.system(name) }
    }
    var known: ErasureRecord?
    let intact = try scan(file) { if $0.tenant == record.tenant && $0.subject == record.subject { known = $0 } }
    if let known {
      guard known.commitment == record.commitment else { throw AuditError(.inconsistent, file: name) }
    } else {
      guard ftruncate(number, off_t(intact)) == 0 else { throw AuditError.system(name) }
      try file.write(Array(line.utf8), name)
    }
    // A repeated call may follow a crash between writing and synchronising.
    try file.synchronise(name)
    try ArchiveFolder(root: folder.isEmpty ? "." : folder).synchronise([""])
    return known == nil
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
  public func contains(tenant: UUID, subject: UUID) throws(AuditError) -> Bool {
    var found = false
    try forEach { found = found || ($0.tenant == tenant && $0.subject == subject) }
    return found
  }

  /// Calls `body` with each record, holding one piece of the file at a time.
  func forEach(_ body: (ErasureRecord) -> Void) throws(AuditError) {
    let number = SystemCalls.open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
    guard number >= 0 else {
      if errno == ENOENT { return }
      throw errno == ELOOP ? AuditError(.notRegular, file: name) : AuditError.system(name)
    }
    let file = FileDescriptor(owning: number)
    guard try file.status(name).kind == .regular else { throw AuditError(.notRegular, file: name) }
    _ = try scan(file, body)
  }

  /// Reads all whole lines and answers where the last one ends.
  private func scan(
    _ file: borrowing FileDescriptor, _ body: (ErasureRecord) -> Void
  ) throws(AuditError) -> Int {
    var rest: [UInt8] = []
    var intact = 0
    var position = 0
    var number = 0
    while true {
      let piece = try file.read(65_536, at: position, name)
      guard !piece.isEmpty else { return intact }
      position += piece.count
      rest.append(contentsOf: piece)
      var start = 0
      while let end = rest[start...].firstIndex(of: 0x0a) {
        number += 1
        guard let record = ErasureRecord(line: rest[start..<end]) else {
          throw AuditError(.malformed, file: "\(name):\(number)")
        }
        body(record)
        intact += end + 1 - start
        start = end + 1
      }
      rest.removeFirst(start)
      guard rest.count < ErasureRecord.maximumLineBytes else {
        throw AuditError(.malformed, file: "\(name):\(number + 1)")
      }
    }
  }

  private var name: String { "erasures/ledger" }
}
