internal import Signing

/// Retention: entries whose time is over go; tiles, checkpoints and manifests stay, so that all hashes still verify.
extension ArchiveWriter {
  /// The number up to which entries can be deleted when everything sealed before `cutoff` is over its time: a multiple
  /// of 256, and below the log's size, since the last entry stays.
  ///
  /// A segment's entries are older than its sealing, so none of them is younger than `cutoff`.
  ///
  /// - Parameter cutoff: in microseconds since 1970.
  /// - Throws: as ``sealedUpTo()``.
  public func expirable(before cutoff: Int64) throws(AuditError) -> UInt64 {
    guard let size = try lastCheckpoint()?.size, size > 0 else { return 0 }
    let keys = try allKeys()
    // Sealing times never decrease: the first one that is too young.
    var low: UInt64 = 0
    var high = try reader.manifestCount()
    while low < high {
      let middle = low + (high - low) / 2
      if try manifest(middle, keys).time < cutoff { low = middle + 1 } else { high = middle }
    }
    guard low > 0 else { return 0 }
    return min(try manifest(low - 1, keys).end, size - 1) / 256 * 256
  }

  /// Deletes the bundles of the entries before `firstKept`, after saying so in the signed file `retention`.
  ///
  /// An entry `log.entries_expired` has been published before. The note comes first: calling it again with the same
  /// number finishes what a crash interrupted, and costs next to nothing where all is done.
  ///
  /// - Parameters:
  ///   - firstKept: a multiple of 256 below the log's size; or the size of a log whose last entry is `log.closed`.
  ///   - policy: the version of the policy that says so, a code.
  ///   - time: now, in microseconds since 1970.
  /// - Throws: `.outOfRange` for another number, or one above what is sealed; `.rollback` when more was deleted before;
  ///   `.missing` before the first checkpoint; `.notNeutral`; `.busy`; `.unsuitableKey`, `.signature`, `.inputOutput`.
  public func expire(before firstKept: UInt64, policy: String, time: Int64) throws(AuditError) {
    try sink.exclusively { () throws(AuditError) -> Void in
      guard let note = try lastNote(signers) else { throw AuditError(.missing, file: "checkpoint") }
      let head = try Checkpoint(parsing: note.body)
      let keys = try allKeys()
      let known = try retention(keys)
      let before = known?.firstKept ?? 0
      guard before <= firstKept else { throw AuditError(.rollback, file: RetentionNote.file) }
      if before < firstKept || known == nil {
        let sealed = try lastManifest(keys)?.end ?? 0
        // Whoever is not closed keeps the last entry.
        let isWhole = firstKept == head.size ? try isClosed(head) : firstKept % 256 == 0
        guard isWhole, firstKept <= sealed else { throw AuditError(.outOfRange, sequence: firstKept) }
        let text = try RetentionNote(origin: origin, firstKept: firstKept, time: time, policy: policy).text
        let signer = try LogSigners(origin: origin, all: signers).current(behind: note)
        try sink.replace(RetentionNote.file, Array(try SignedNote.signing(text, by: signer).text.utf8))
      }
      try removeBundles(before: firstKept)
    }
  }

  private func retention(_ keys: [NoteKey]) throws(AuditError) -> RetentionNote? {
    do throws(AuditError) {
      guard let note = try reader.retention() else { return nil }
      try note.verified(by: keys)
      let retention = try RetentionNote(parsing: note.body)
      guard retention.origin == origin else { throw AuditError(.inconsistent) }
      return retention
    } catch { throw AuditError(error.code, file: RetentionNote.file, systemError: error.systemError) }
  }

  /// Removes what is still there of them: it asks the folders, each of which has a thousand, so that it is cheap where
  /// everything went long ago, and finds whatever an interrupted call has left.
  private func removeBundles(before firstKept: UInt64) throws(AuditError) {
    var count = firstKept / 256
    if firstKept % 256 != 0 {
      // The partial bundles at the end of a closed log.
      try sink.removeAll(in: TilePath.entries(index: count).partials)
      count += 1
    }
    for group in stride(from: 0, to: count, by: 1_000) {
      let path = TilePath.entries(index: group).text
      let folder = String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)])
      var files: [String] = []
      var partials: [String] = []
      try sink.list(folder) { name, _ in
        let isPartial = name.hasSuffix(".p")
        guard let place = TilePath(folder + "/" + name + (isPartial ? "/1" : "")), place.content == .entries,
          place.index < count
        else { return }
        if isPartial { partials.append(name) } else { files.append(name) }
      }
      for name in files.sorted() { try sink.remove(folder + "/" + name) }
      for name in partials.sorted() { try sink.removeAll(in: folder + "/" + name) }
      if !files.isEmpty || !partials.isEmpty { try sink.synchronise([folder]) }
    }
  }
}

extension RetentionNote {
  /// What the archive says; not verified.
  static func firstKept(_ reader: ArchiveReader) throws(AuditError) -> UInt64 {
    guard let note = try reader.retention() else { return 0 }
    return try RetentionNote(parsing: note.body).firstKept
  }
}
