import Audit

/// Which of the keys that a service names for its log can be believed, and which of them has to sign.
///
/// A key is believed when an entry `log.key_rotated` names it as the successor of one that is believed already, under a
/// checkpoint that the old key signed too; or, the other way round, when a believed key signed a checkpoint that covers
/// such an entry.
struct KeySuccession {
  /// One key's replacement by the next.
  private struct Replacement {
    let sequence: UInt64
    let rotation: KeyRotation
    var old: NoteKey { rotation.old }
    var new: NoteKey { rotation.new }
  }

  let remote: RemoteLog
  let log: FetchedLog
  /// The newest checkpoint, and what it says.
  let note: SignedNote
  let head: Checkpoint

  /// The log's keys up to the one that signs now, the oldest first.
  ///
  /// - Parameters:
  ///   - offered: the keys that the service names.
  ///   - known: those of them that are believed; at least one.
  ///   - held: how many entries are known to have been there before; new keys are looked for behind them as long as a
  ///     known key still signs.
  /// - Throws: `Failure` with `.notValid` when the checkpoint isn't signed by the key whose time it is.
  func believed(_ offered: [NoteKey], known: [NoteKey], held: UInt64) async throws -> [NoteKey] {
    guard let first = offered.firstIndex(where: known.contains), let last = offered.lastIndex(where: known.contains)
    else { throw Failure(.notValid, "the server names none of the keys that are known") }
    var signed = Array(offered[...last])
    if first > 0 || last < offered.count - 1 {
      let isStillUsed = Self.isSigned(note, by: offered[last])
      let found = try await replacements(of: offered, downTo: isStillUsed && first == 0 ? held : 0)
      for index in 0..<first where found[offered[index]]?.new != offered[index + 1] {
        throw Failure(.notValid, "no entry of the log names the successor of its key \(offered[index])")
      }
      for index in last..<offered.count - 1 {
        guard let replacement = found[offered[index]], replacement.new == offered[index + 1] else { break }
        try await confirm(replacement)
        signed.append(replacement.new)
      }
    }
    guard let newest = signed.last, Self.isSigned(note, by: newest) else {
      throw Failure(.notValid, "the server's checkpoint is not signed by the key whose time it is")
    }
    return signed
  }

  /// Whether a key's own line below a note verifies.
  static func isSigned(_ note: SignedNote, by key: NoteKey) -> Bool {
    (try? note.verified(by: [key])) != nil
  }

  // MARK: Entries

  /// The entries that replace a key by the one behind it, from the newest bundle down to the entry `bottom`.
  private func replacements(of keys: [NoteKey], downTo bottom: UInt64) async throws -> [NoteKey: Replacement] {
    var found: [NoteKey: Replacement] = [:]
    var end = head.size
    let width = UInt64(TilePath.fullWidth)
    while end > bottom, found.count < keys.count - 1 {
      let range = max(bottom, (end - 1) / width * width)..<end
      let entries: [[UInt8]]
      do {
        entries = try await log.reading { reader throws(AuditError) in
          try reader.entries(in: range, size: head.size)
        }
      } catch let error as AuditError where error.code == .missing {
        // Older entries were deleted at the end of their time.
        break
      }
      for bytes in entries.reversed() {
        guard let replacement = try await replacement(bytes) else { continue }
        let successor = keys.firstIndex(of: replacement.old).map { $0 + 1 }
        guard let successor, successor < keys.count, keys[successor] == replacement.new else { continue }
        found[replacement.old] = replacement
      }
      end = range.lowerBound
    }
    return found
  }

  /// The replacement that an entry records, once the entry is known to be under the checkpoint.
  private func replacement(_ bytes: [UInt8]) async throws -> Replacement? {
    guard let entry = try? Entry(parsing: bytes), entry.origin.text == head.origin, entry.sequence < head.size,
      let rotation = try? KeyRotation(body: entry.body, origin: entry.origin)
    else { return nil }
    let path = try await log.reading { reader throws(AuditError) in
      try reader.inclusionProof(index: entry.sequence, size: head.size)
    }
    let isUnder = MerkleTree.verifyInclusion(
      leaf: MerkleTree.leafHash(bytes), index: entry.sequence, size: head.size, proof: path, root: head.root)
    return isUnder ? Replacement(sequence: entry.sequence, rotation: rotation) : nil
  }

  /// That both keys signed the first checkpoint that covers the replacement, and that it is one of this log.
  private func confirm(_ replacement: Replacement) async throws {
    let list = try await remote.checkpoints(above: replacement.sequence)
    let first = list?.first { $0.size <= head.size }
    let covering = first?.note ?? note
    do {
      let checkpoint = try Checkpoint(parsing: covering.body)
      guard Self.isSigned(covering, by: replacement.old), Self.isSigned(covering, by: replacement.new),
        checkpoint.origin == head.origin, checkpoint.size > replacement.sequence, checkpoint.size <= head.size,
        try await PrefixProof.compare(checkpoint, with: note, head, in: log) == .continues
      else {
        throw Failure(
          .notValid, "entry \(replacement.sequence) names a new key, and no checkpoint by the old key confirms it")
      }
    } catch let error as AuditError {
      throw Failure(.notValid, "the checkpoint that covers entry \(replacement.sequence): \(error)")
    }
  }
}
