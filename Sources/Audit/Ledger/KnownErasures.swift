internal import Foundation
internal import Signing

/// What has been read of the ledger's file so far: how far its whole lines go, and whom they name.
///
/// About a hundred bytes a line. It is true of one file only, which `isBeginning(of:_:)` makes sure of.
struct KnownErasures {
  /// A subject of a tenant.
  private struct Person: Hashable {
    let tenant: UUIDBytes
    let subject: UUIDBytes
  }

  /// The file that was read.
  private let file: FileIdentity
  /// Where its whole lines end.
  private(set) var end = LedgerPosition()
  private var commitments: [Person: SHA256Digest] = [:]
  /// The last line's: a file that was replaced in place has another one there.
  private var last: ErasureRecord?

  init(of file: FileIdentity) { self.file = file }

  /// The commitment that the file has for that subject.
  func commitment(tenant: UUID, subject: UUID) -> [UInt8]? {
    commitments[Person(tenant: UUIDBytes(tenant), subject: UUIDBytes(subject))]?.bytes
  }

  /// Takes note of a whole line that ends at `end`. The first of two lines about one subject counts.
  mutating func add(_ record: ErasureRecord, endingAt end: LedgerPosition) {
    let person = Person(tenant: UUIDBytes(record.tenant), subject: UUIDBytes(record.subject))
    // A commitment is 32 bytes like a digest, which holds them without an allocation.
    if commitments[person] == nil { commitments[person] = SHA256Digest(record.commitment) }
    last = record
    self.end = end
  }

  /// Takes note of a line that was written at the end.
  mutating func add(_ record: ErasureRecord) {
    let end = LedgerPosition(offset: end.offset + (record.line?.utf8.count ?? 0), lines: end.lines + 1)
    add(record, endingAt: end)
  }

  /// Whether the open file still begins with what was read: the same file, not shorter, and the last line in its
  /// place.
  func isBeginning(of open: borrowing FileDescriptor, _ name: String) throws(AuditError) -> Bool {
    guard try open.identity(name) == file, try open.status(name).length >= end.offset else { return false }
    let line = Array((last?.line ?? "").utf8)
    return try open.read(line.count, at: end.offset - line.count, name) == line
  }
}

/// A place between two lines of the ledger.
struct LedgerPosition {
  /// In bytes.
  var offset = 0
  /// How many lines are before it.
  var lines = 0
}
