public import Audit
import Foundation
import Signing

/// What will become one entry of the tenant's log: the record, and the subjects whose data it touched.
///
/// One subject is named in the entry; several are one entry with their count and the Merkle root over their salted
/// ids, so that the log does not list people, while a side table bound by that root can say who read whose data.
public struct JournalEntry: Sendable {
  /// The entry's body, before subjects are put into it.
  public var record: AuditRecord
  /// Whose data was touched.
  public var subjects: [SubjectID]
  /// Whether the side table shall list the subjects. Not for entries about their erasure.
  public var listsSubjects: Bool
  /// Whether the subjects must still be live when the entry is committed.
  public var requiresLiveSubjects: Bool

  init(record: AuditRecord, subjects: [SubjectID], listsSubjects: Bool = true, requiresLiveSubjects: Bool = true) {
    self.record = record
    self.subjects = subjects
    self.listsSubjects = listsSubjects
    self.requiresLiveSubjects = requiresLiveSubjects
  }
}

extension JournalEntry {
  /// Makes the bytes that will stand in the log. Before the head is taken: others wait for that.
  ///
  /// Throws `AuditError` for a record that can't be written.
  func prepared() throws -> PreparedEntry {
    var record = record
    let salted = subjects.count > 1 || listsSubjects ? subjects.map(SaltedSubject.init) : []
    if subjects.count == 1 {
      record.subject = subjects[0].uuid
    } else if subjects.count > 1 {
      record.subjectCount = subjects.count
      record.subjectRoot = MerkleTree.root(of: salted.map(\.leaf))
    }
    return PreparedEntry(
      body: try record.body(), side: listsSubjects ? salted : [], guarded: requiresLiveSubjects ? subjects : [])
  }
}

/// An entry that only lacks its place in the log.
struct PreparedEntry: Sendable {
  /// The entry's body.
  let body: [UInt8]
  /// What the side table will list.
  let side: [SaltedSubject]
  /// The subjects that must still be live when it is committed.
  let guarded: [SubjectID]
}

/// A subject in the deletable side table: the salt that hides it in the entry's root.
struct SaltedSubject: Sendable {
  let subject: SubjectID
  let salt: [UInt8]

  init(_ subject: SubjectID) {
    self.subject = subject
    var generator = SystemRandomNumberGenerator()
    var salt: [UInt8] = []
    salt.reserveCapacity(32)
    for _ in 0..<4 {
      // Eight bytes at a time: each is a question to the kernel.
      let word: UInt64 = generator.next()
      for shift in stride(from: 0, to: 64, by: 8) { salt.append(UInt8(truncatingIfNeeded: word >> shift)) }
    }
    self.salt = salt
  }

  /// The leaf in the entry's root: salt, then the id's sixteen bytes.
  var leaf: SHA256Digest { MerkleTree.leafHash(salt + bytes(of: subject)) }

  private func bytes(of subject: SubjectID) -> [UInt8] {
    let raw = subject.uuid.uuid
    return [
      raw.0, raw.1, raw.2, raw.3, raw.4, raw.5, raw.6, raw.7, raw.8, raw.9, raw.10, raw.11, raw.12, raw.13, raw.14,
      raw.15,
    ]
  }
}
