internal import Signing

/// The keys of one log that its writer holds, and which of them may sign what.
struct LogSigners {
  let origin: LogOrigin
  /// In the order of succession.
  let all: [NoteSigner]

  /// What the held keys are verified with.
  func keys() throws(AuditError) -> [NoteKey] {
    try all.map { signer throws(AuditError) in try signer.verifierKey() }
  }

  /// The signer with that key.
  ///
  /// - Throws: `.unsuitableKey` when it is not held.
  func signer(of key: NoteKey) throws(AuditError) -> NoteSigner {
    for signer in all where try signer.verifierKey() == key { return signer }
    throw AuditError(.unsuitableKey)
  }

  /// The key whose turn it is behind a checkpoint: that of its last line in the log's own name.
  ///
  /// - Throws: `.unsuitableKey` when that key is not held, since every other one is outside of its range.
  func current(behind note: SignedNote) throws(AuditError) -> NoteSigner {
    let line = note.signatures.last { $0.name == origin.text }
    for signer in all where try signer.verifierKey().keyID == line?.keyID { return signer }
    throw AuditError(.unsuitableKey, file: "checkpoint")
  }
}

/// Entries to publish under one checkpoint, cut so that none announces two keys.
struct Publication {
  var entries: [[UInt8]] = []
  var rotation: KeyRotation?

  static func cut(_ entries: [[UInt8]], origin: LogOrigin) throws(AuditError) -> [Publication] {
    var pieces = [Publication()]
    for entry in entries {
      let line = entry.dropLast()
      let body = line[(line.lastIndex(of: 0x0a) ?? line.startIndex)...].dropFirst()
      if let rotation = try KeyRotation(body: body, origin: origin) {
        if pieces[pieces.count - 1].rotation != nil { pieces.append(Publication()) }
        pieces[pieces.count - 1].rotation = rotation
      }
      pieces[pieces.count - 1].entries.append(entry)
    }
    return pieces
  }
}
