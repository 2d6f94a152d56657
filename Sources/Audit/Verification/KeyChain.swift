internal import Signing

/// The keys that a log has had, as its own entries name them, and which sizes each of them may sign.
///
/// The entries `log.key_rotated` are collected while the log is read; which keys they name is believed only when a
/// checkpoint over them verifies under a key that is known already.
struct KeyChain {
  /// More replacements than any log has; the rest would only cost memory.
  static let maximumRotations = 1024

  private struct Rotation {
    let sequence: UInt64
    let old: NoteKey
    let new: NoteKey
    /// The smallest published size that covers the entry: the one checkpoint that both keys sign.
    var cover: UInt64 = .max
  }

  /// The log's keys, the oldest first; before `resolve` only those that the entries name.
  private(set) var keys: [NoteKey] = []
  /// Keys from before those, whose replacements are among entries that were not read.
  private(set) var older: [NoteKey] = []
  /// What was signed up to this size may be signed by one of `older`.
  private var olderBefore: UInt64 = 0
  /// What was signed up to this size was verified before; a key that nobody names may have signed it.
  private var passedBefore: UInt64 = 0
  private var rotations: [Rotation] = []

  /// Takes note of a replacement.
  mutating func see(
    old: NoteKey?, new: NoteKey?, at sequence: UInt64, file: String, _ report: inout VerificationReport
  ) {
    guard let old, let new else {
      report.add(Finding(.signature, file: file, sequence: sequence, "replaces the log's key, but names none"))
      return
    }
    if keys.isEmpty { keys = [old] }
    guard keys.last == old, !keys.contains(new), rotations.count < Self.maximumRotations else {
      report.add(
        Finding(.signature, file: file, sequence: sequence, "replaces a key that was not the log's, or by an old one"))
      return
    }
    keys.append(new)
    rotations.append(Rotation(sequence: sequence, old: old, new: new))
  }

  /// Decides whether the head is signed by a key that is known, or learnt from a known one.
  ///
  /// - Parameters:
  ///   - given: the keys that are known from elsewhere.
  ///   - head: the head's note.
  ///   - size: the head's size.
  ///   - published: all published sizes up to the head's, ascending.
  ///   - note: the exported checkpoint of a size.
  /// - Throws: `.signature`.
  mutating func resolve(
    given: [NoteKey], head: SignedNote, size: UInt64, published: [UInt64], note: (UInt64) -> SignedNote?
  ) throws(AuditError) {
    if rotations.isEmpty {
      try head.verified(by: given)
      // Where two of them signed, the replacement was passed over: the later line is the new key's.
      let last = head.signatures.last { line in given.contains { $0.made(line) } }
      keys = Array(given.filter { key in last.map(key.made) ?? false }.prefix(1))
      return
    }
    for position in rotations.indices {
      rotations[position].cover = Self.first(above: rotations[position].sequence, in: published) ?? size
    }
    guard var known = keys.lastIndex(where: given.contains) else { throw AuditError(.signature) }
    while known < rotations.count {
      // The checkpoint that first covers the replacement, signed by a key that is known: the next one is, too.
      let cover = rotations[known].cover
      guard let transition = cover == size ? head : note(cover),
        let found = try? Checkpoint(parsing: transition.body), found.size == cover
      else { break }
      let signers = range(signing: cover).filter { $0 <= known }.map { keys[$0] }
      guard (try? transition.verified(by: signers)) != nil else { break }
      known = range(signing: cover).upperBound - 1
    }
    try verify(head, size: size, Array(keys[...known]))
  }

  /// Believes keys from before those that are known, for what was signed while the entries that were not read were the
  /// log.
  ///
  /// - Parameters:
  ///   - file: the keys in `vkey`; those that stand before the known ones are meant.
  ///   - firstKept: entries before it are deleted; 0 when all are there.
  ///   - given: the keys that are known from elsewhere.
  ///   - start: entries before it were verified another time.
  mutating func takeOlder(_ file: [NoteKey], deletedBefore firstKept: UInt64, given: [NoteKey], passed start: UInt64) {
    passedBefore = start
    olderBefore = max(firstKept, start)
    guard olderBefore > 0, let oldest = keys.first else { return }
    if let position = file.firstIndex(of: oldest) { older = file[..<position].filter { $0.name == oldest.name } }
    guard start > 0 else { return }
    older += given.filter { $0.name == oldest.name && !keys.contains($0) && !older.contains($0) }
  }

  /// The keys that count for what was signed at that size, whose time is not known exactly.
  func olderKeys(_ size: UInt64) -> [NoteKey] { size <= olderBefore ? older : [] }

  /// Whether a note has a line in the log's own name by a key that is not among these.
  static func hasStranger(_ note: SignedNote, origin: String, among keys: [NoteKey]) -> Bool {
    note.signatures.contains { line in line.name == origin && !keys.contains { $0.made(line) } }
  }

  /// Verifies the checkpoint of that size: signed by a key in its range, the first one over a replacement by both.
  ///
  /// - Returns: false for one of a size that was verified before, by a key that nobody names now: it can't be verified.
  func verify(_ note: SignedNote, size: UInt64) throws(AuditError) -> Bool {
    if isUnknown(note, size) { return false }
    try verify(note, size: size, keys)
    return true
  }

  /// Verifies a note that was signed when the log had `position` entries at least, such as a manifest.
  ///
  /// - Returns: as ``verify(_:size:)``.
  func verify(_ note: SignedNote, notBefore position: UInt64) throws(AuditError) -> Bool {
    if isUnknown(note, position) { return false }
    let first = rotations.firstIndex { $0.cover >= position } ?? rotations.count
    try note.verified(by: Array(keys[first...]) + olderKeys(position))
    try refuseDamaged(note)
    return true
  }

  private func isUnknown(_ note: SignedNote, _ size: UInt64) -> Bool {
    passedBefore > 0 && size <= passedBefore
      && !note.signatures.contains { line in (keys + older).contains { $0.made(line) } }
  }

  private func verify(_ note: SignedNote, size: UInt64, _ known: [NoteKey]) throws(AuditError) {
    let range = range(signing: size)
    let allowed = range.filter { $0 < known.count }.map { known[$0] }
    try note.verified(by: allowed + olderKeys(size))
    if range.count > 1 {
      for key in keys[range] { try note.verified(by: [key]) }
    }
    try refuseDamaged(note)
  }

  /// A line by any of the log's keys must verify, whether its time has come or gone.
  private func refuseDamaged(_ note: SignedNote) throws(AuditError) {
    let all = older + keys
    guard all.count > 1 else { return }
    for key in all where note.signatures.contains(where: key.made) {
      try note.verified(by: [key])
    }
  }

  /// Which keys sign a checkpoint of that size.
  private func range(signing size: UInt64) -> Range<Int> {
    let first = rotations.firstIndex { $0.cover >= size } ?? rotations.count
    let last = rotations.lastIndex { $0.sequence < size }.map { $0 + 1 } ?? 0
    return first..<max(first, last) + 1
  }

  /// The smallest of the ascending numbers that is above `number`.
  private static func first(above number: UInt64, in ascending: [UInt64]) -> UInt64? {
    var low = 0
    var high = ascending.count
    while low < high {
      let middle = (low + high) / 2
      if ascending[middle] > number { high = middle } else { low = middle + 1 }
    }
    return low < ascending.count ? ascending[low] : nil
  }
}

extension NoteKey {
  /// Whether a line says that it is by this key.
  fileprivate func made(_ line: NoteSignature) -> Bool { name == line.name && keyID == line.keyID }
}
