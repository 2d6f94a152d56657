public import Signing

/// Publishes one tenant's log into its folder of the archive.
///
/// ```
/// <folder>/vkey                       the verifier key, one line
/// <folder>/tile/…                     tiles and entry bundles, read-only
/// <folder>/checkpoint                 the latest signed checkpoint, replaced in one step
/// <folder>/checkpoints/<size>         every signed checkpoint, the size in 20 digits, read-only
/// <folder>/.incoming                  files without a name yet
/// ```
///
/// A checkpoint is signed only when every entry it covers is durable. Whatever a crash leaves behind is
/// either not yet covered by a checkpoint or completed by the next publication, which is handed the same
/// entries again and finds the same bytes.
public struct ArchiveWriter: Sendable {
  /// The log's name.
  public let origin: LogOrigin
  private let signer: NoteSigner
  private let files: ArchiveFolder

  /// Writes the log named `origin` into `folder`, signing as `signer`. Nothing is touched yet.
  public init(folder: String, origin: LogOrigin, signer: NoteSigner) {
    self.origin = origin
    self.signer = signer
    files = ArchiveFolder(root: folder)
  }

  /// Reads what was published; not verified.
  public var reader: ArchiveReader { ArchiveReader(folder: files.root) }

  /// The checkpoint published last, or `nil` for a log that has none.
  ///
  /// - Throws: `.signature` when it is not by our key, `.inconsistent` when it is another log's or is
  ///   missing although older ones exist.
  public func lastCheckpoint() throws(AuditError) -> Checkpoint? {
    try lastNote().map { note throws(AuditError) in try Checkpoint(parsing: note.body) }
  }

  /// Appends entries to what is published, in order, and publishes a checkpoint over all of them.
  ///
  /// `entries` are the exact stored bytes, the first being the one after the last checkpoint. Chain and
  /// hashes are recomputed from these bytes; the right edge of the archive is read back and compared with
  /// the last checkpoint first. Publishing nothing answers the last checkpoint, or signs that of an empty
  /// log.
  ///
  /// - Returns: the signed checkpoint, already durable.
  /// - Throws: `.inconsistent` for a gap, a wrong `previous`, a time that goes back, another origin, or an
  ///   archive that holds other bytes; `.malformed` and `.tooLarge` for an entry; `.busy` while another
  ///   writer publishes; `.unsuitableKey`, `.signature`, `.inputOutput`. Nothing is published then.
  @discardableResult
  public func publish(_ entries: [[UInt8]]) throws(AuditError) -> SignedNote {
    let lock = try files.lock()
    let result = try publishLocked(entries)
    _ = consume lock
    return result
  }

  /// Proof that the entry at `sequence` is under the last checkpoint, to be handed out with the entry.
  ///
  /// - Throws: `.missing` before the first checkpoint, `.outOfRange` for an entry it does not cover.
  public func inclusionReceipt(sequence: UInt64) throws(AuditError) -> Receipt {
    guard let note = try lastNote() else { throw AuditError(.missing, file: "checkpoint") }
    let size = try Checkpoint(parsing: note.body).size
    return Receipt(
      index: sequence, path: try reader.inclusionProof(index: sequence, size: size), checkpoint: note)
  }

  /// Proof that the log of `old` entries begins the log of `new` entries; both at most the published size.
  ///
  /// - Throws: `.missing`, `.outOfRange`.
  public func consistencyProof(from old: UInt64, to new: UInt64) throws(AuditError) -> [SHA256Digest] {
    guard let last = try lastCheckpoint() else { throw AuditError(.missing, file: "checkpoint") }
    guard new <= last.size else { throw AuditError(.outOfRange, sequence: new) }
    return try reader.consistencyProof(from: old, to: new)
  }

  /// The name of an exported checkpoint: its size in 20 digits, so that names sort as sizes do.
  static func checkpointName(_ size: UInt64) -> String {
    let digits = String(size)
    return "checkpoints/" + String(repeating: "0", count: 20 - digits.count) + digits
  }
}

extension ArchiveWriter {
  private func publishLocked(_ entries: [[UInt8]]) throws(AuditError) -> SignedNote {
    var touched: Set<String> = []
    let key = try signer.verifierKey()
    try files.removeLeftovers()
    try files.create("vkey", Array((key.text + "\n").utf8), touched: &touched)
    let published = try lastNote()
    if let published {
      // A crash may have come between the checkpoint and its copy.
      let size = try Checkpoint(parsing: published.body).size
      try files.create(Self.checkpointName(size), Array(published.text.utf8), touched: &touched)
      try files.synchronise(touched)
      if entries.isEmpty { return published }
    }
    var edge = try GrowingEdge(reader: reader, origin: origin, published: try lastCheckpoint())
    for entry in entries {
      try edge.append(entry) { place, bytes throws(AuditError) in
        try files.create(place.text, bytes, touched: &touched)
      }
    }
    try edge.flush { place, bytes throws(AuditError) in
      try files.create(place.text, bytes, touched: &touched)
    }
    try files.synchronise(touched)
    for place in edge.completed { try files.removeFolder(place.partials) }

    let head = Checkpoint(origin: origin.text, size: edge.size, root: edge.root)
    let note = try SignedNote.signing(head.text, by: signer)
    try files.replace("checkpoint", Array(note.text.utf8))
    touched = []
    try files.create(Self.checkpointName(head.size), Array(note.text.utf8), touched: &touched)
    try files.synchronise(touched)
    return note
  }

  private func lastNote() throws(AuditError) -> SignedNote? {
    guard let note = try reader.checkpoint() else {
      var exported = false
      try files.list("checkpoints") { _, _ in exported = true }
      if exported { throw AuditError(.inconsistent, file: "checkpoint") }
      return nil
    }
    try note.verified(by: [try signer.verifierKey()])
    guard try Checkpoint(parsing: note.body).origin == origin.text else {
      throw AuditError(.inconsistent, file: "checkpoint")
    }
    return note
  }
}
