internal import Signing

/// Sealing: what is published is read back, checked, and listed in signed manifests that never change.
extension ArchiveWriter {
  /// Seals the segments that are due: 65,536 entries that no segment has, or all of them when the UTC day of the first
  /// one is over or the log is closed.
  ///
  /// Only what the published checkpoint covers is sealed, after every file was read back from the disk and checked
  /// against the tree. A crash at any point leaves a segment either sealed or not; the next call goes on.
  ///
  /// - Parameters:
  ///   - now: the time, in microseconds since 1970.
  ///   - limit: the most segments to seal in this call, during which nobody can publish.
  /// - Returns: the manifests that were written, already durable; none when nothing is due.
  /// - Throws: `.inconsistent`, `.missing`, `.malformed`, `.signature` with the file at fault, which is not sealed then;
  ///   `.busy` while another writer is at work; `.unsuitableKey` when the key whose turn it is is not at hand;
  ///   `.inputOutput`.
  @discardableResult
  public func seal(now: Int64, limit: Int = .max) throws(AuditError) -> [Manifest] {
    try sink.exclusively { () throws(AuditError) -> [Manifest] in
      guard let note = try lastNote(signers) else { return [] }
      let head = try Checkpoint(parsing: note.body)
      let keys = try allKeys()
      var last = try lastManifest(keys)
      // A crash may have come between a manifest and its protection.
      if let last { try protect(last, head, keys) }
      var sealed: [Manifest] = []
      while sealed.count < limit, let end = try due(from: last?.end ?? 0, head, now) {
        try export(note)
        let sealing = SegmentSealing(reader: reader, origin: origin, keys: keys, head: head)
        let manifest = try sealing.manifest(
          number: last.map { $0.number + 1 } ?? 0, previous: last?.hash ?? Manifest.genesis(origin),
          first: last?.end ?? 0, end: end, time: max(now, last?.time ?? 0))
        try write(manifest, LogSigners(origin: origin, all: signers).current(behind: note))
        try protect(manifest, head, keys)
        sealed.append(manifest)
        last = manifest
      }
      return sealed
    }
  }

  /// How many entries are in sealed segments.
  ///
  /// - Throws: `.missing` or `.inconsistent` for manifests that do not follow each other; `.signature`, `.malformed`.
  public func sealedUpTo() throws(AuditError) -> UInt64 {
    try lastManifest(allKeys())?.end ?? 0
  }

  /// All keys that the log has had: those in `vkey`, and those at hand.
  func allKeys() throws(AuditError) -> [NoteKey] {
    let held = try LogSigners(origin: origin, all: signers).keys()
    guard let bytes = try sink.read("vkey", maximum: VerifierKeys.maximumBytes) else { return held }
    let listed = try VerifierKeys(parsing: bytes).keys
    return listed + held.filter { !listed.contains($0) }
  }

  /// The manifest of the newest segment.
  func lastManifest(_ keys: [NoteKey]) throws(AuditError) -> Manifest? {
    let count = try reader.manifestCount()
    return count == 0 ? nil : try manifest(count - 1, keys)
  }

  /// A manifest, its signature verified.
  func manifest(_ number: UInt64, _ keys: [NoteKey]) throws(AuditError) -> Manifest {
    let path = Manifest.path(number)
    do throws(AuditError) {
      guard let note = try reader.manifest(number) else { throw AuditError(.missing) }
      try note.verified(by: keys)
      let manifest = try Manifest(parsing: note.body)
      guard manifest.origin == origin, manifest.number == number else { throw AuditError(.inconsistent) }
      return manifest
    } catch { throw AuditError(error.code, file: path, systemError: error.systemError) }
  }

  /// Whether the published log has `log.closed` as its last entry.
  func isClosed(_ head: Checkpoint) throws(AuditError) -> Bool {
    guard head.size > 0 else { return false }
    return ClosingEntry.isOne(try reader.entry(at: head.size - 1, size: head.size))
  }
}

extension ArchiveWriter {
  private static let microsecondsPerDay: Int64 = 86_400_000_000

  /// Where the segment that begins at `first` ends, if it is due.
  private func due(from first: UInt64, _ head: Checkpoint, _ now: Int64) throws(AuditError) -> UInt64? {
    guard first <= head.size else { throw AuditError(.inconsistent, file: Manifest.folder, sequence: first) }
    let open = head.size - first
    if open == 0 { return nil }
    if open >= Manifest.maximumEntries {
      return (first / Manifest.maximumEntries + 1) * Manifest.maximumEntries
    }
    let time = try Entry(parsing: try reader.entry(at: first, size: head.size)).time
    if time / Self.microsecondsPerDay < now / Self.microsecondsPerDay { return head.size }
    return try isClosed(head) ? head.size : nil
  }

  private func write(_ manifest: Manifest, _ signer: NoteSigner) throws(AuditError) {
    let path = Manifest.path(manifest.number)
    let note = try SignedNote.signing(manifest.text, by: signer, maximumBytes: Manifest.maximumBytes)
    let bytes = Array(note.text.utf8)
    try sink.synchronise(try sink.create(path, bytes))
    guard try sink.read(path, maximum: Manifest.maximumBytes) == bytes else {
      throw AuditError(.inconsistent, file: path)
    }
  }

  /// Protects what a manifest seals; the manifest itself last, so that its protection says that all is done.
  private func protect(_ manifest: Manifest, _ head: Checkpoint, _ keys: [NoteKey]) throws(AuditError) {
    guard let immutability, !immutability.isRefused else { return }
    let path = Manifest.path(manifest.number)
    if try sink.isProtected(path) { return }
    let sealing = SegmentSealing(reader: reader, origin: origin, keys: keys, head: head)
    let kept = try RetentionNote.firstKept(reader)
    let files = manifest.files.filter { file in
      let isGone = file.place.content == .entries && (file.place.index + 1) * 256 <= kept
      return file.place.isFull && !isGone
    }
    let sizes = try sealing.exported(first: manifest.first, end: manifest.end)
    try immutability.set(on: files.map(\.place.text) + sizes.map(Self.checkpointName) + [path], in: sink)
  }
}

/// The last entry of a log whose tenant has left.
enum ClosingEntry {
  private static let prefix = Array(#"{"action":"\#(AuditAction.logClosed)","#.utf8)

  /// Whether the stored bytes are such an entry's.
  static func isOne(_ entry: [UInt8]) -> Bool {
    // The body is the last line; canonical JSON has `action` first.
    let line = entry.dropLast()
    return line[(line.lastIndex(of: 0x0a) ?? line.startIndex)...].dropFirst().starts(with: prefix)
  }
}
