public import Signing

/// Publishes one tenant's log into its folder of the archive, seals what is published, and removes what is over.
///
/// ```
/// <folder>/vkey                       the verifier keys, one a line, replaced in one step
/// <folder>/tile/…                     tiles and entry bundles, read-only
/// <folder>/checkpoint                 the latest signed checkpoint, replaced in one step
/// <folder>/checkpoints/<size>         every signed checkpoint, the size in 20 digits, read-only
/// <folder>/segments/<n>               the manifest of each sealed segment, read-only
/// <folder>/retention                  which entries were deleted, replaced in one step
/// <folder>/.incoming                  files without a name yet
/// ```
///
/// A checkpoint is signed only when every entry it covers is durable. Whatever a crash leaves behind is
/// either not yet covered by a checkpoint or completed by the next publication, which is handed the same
/// entries again and finds the same bytes.
public struct ArchiveWriter: Sendable {
  /// The log's name.
  public let origin: LogOrigin
  let signers: [NoteSigner]
  let sink: any ArchiveSink
  let immutability: ImmutableAttribute?

  /// Writes the log named `origin` into `folder`, signing as `signer`. Nothing is touched yet.
  public init(folder: String, origin: LogOrigin, signer: NoteSigner) {
    self.init(folder: folder, origin: origin, signers: [signer])
  }

  /// Writes the log named `origin` into `folder`, with all of its signing keys that there are. Nothing is touched yet.
  ///
  /// - Parameters:
  ///   - folder: the tenant's folder, made when missing.
  ///   - signers: keys in the order of succession, each under the origin's name. The last checkpoint decides whose turn
  ///     it is; a log that has none begins with the last of them. Keys that have retired need not be among them.
  ///   - immutability: asks for the immutable attribute on sealed files; `nil` leaves it alone.
  public init(
    folder: String, origin: LogOrigin, signers: [NoteSigner], immutability: ImmutableAttribute? = nil
  ) {
    self.init(sink: ArchiveFolder(root: folder), origin: origin, signers: signers, immutability: immutability)
  }

  /// The same, into any sink.
  public init(
    sink: any ArchiveSink, origin: LogOrigin, signers: [NoteSigner], immutability: ImmutableAttribute? = nil
  ) {
    self.origin = origin
    self.signers = signers
    self.sink = sink
    self.immutability = immutability
  }

  /// Reads what was published; not verified.
  public var reader: ArchiveReader { ArchiveReader(source: sink) }

  /// The checkpoint published last, or `nil` for a log that has none.
  ///
  /// - Throws: `.signature` when it is not by one of our keys, `.inconsistent` when it is another log's or is
  ///   missing although older ones exist.
  public func lastCheckpoint() throws(AuditError) -> Checkpoint? {
    try lastNote(signers).map { note throws(AuditError) in try Checkpoint(parsing: note.body) }
  }

  /// Appends entries to what is published, in order, and publishes a checkpoint over all of them.
  ///
  /// `entries` are the exact stored bytes, the first being the one after the last checkpoint. Chain and
  /// hashes are recomputed from these bytes; the right edge of the archive is read back and compared with
  /// the last checkpoint first. Publishing nothing answers the last checkpoint, or signs that of an empty
  /// log.
  ///
  /// Where they contain `log.key_rotated`, the checkpoint is signed by the old key and then by the new one, and `vkey`
  /// gets the new one's line; every later checkpoint is the new one's alone. Entries that announce several keys are
  /// published one announcement after the other, each under its own checkpoint.
  ///
  /// - Parameters:
  ///   - entries: the exact stored bytes.
  ///   - successor: a key that these entries may announce, besides the writer's own.
  /// - Returns: the signed checkpoint, already durable.
  /// - Throws: `.inconsistent` for a gap, a wrong `previous`, a time that goes back, another origin, an entry behind
  ///   `log.closed`, the announcement of a key by another one than the current, or an archive that holds other bytes;
  ///   `.malformed` and `.tooLarge` for an entry; `.busy` while another writer publishes; `.unsuitableKey` when the key
  ///   whose turn it is, or the announced one, is not at hand; `.signature`, `.inputOutput`. Nothing is published then,
  ///   or in the case of several announcements what precedes the one at fault.
  @discardableResult
  public func publish(_ entries: [[UInt8]], successor: NoteSigner? = nil) throws(AuditError) -> SignedNote {
    try sink.exclusively { () throws(AuditError) -> SignedNote in
      // The successor may stand anywhere among the keys: only an entry puts it in office.
      let held = LogSigners(origin: origin, all: signers + (successor.map { [$0] } ?? []))
      var published = try lastNote(held.all)
      if let note = published { try export(note) }
      if let note = published, entries.isEmpty { return note }
      for piece in try Publication.cut(entries, origin: origin) {
        published = try publish(piece, behind: published, held)
      }
      // There is at least one piece.
      guard let published else { throw AuditError(.missing, file: "checkpoint") }
      return published
    }
  }

  /// Proof that the entry at `sequence` is under the last checkpoint, to be handed out with the entry.
  ///
  /// - Throws: `.missing` before the first checkpoint, `.outOfRange` for an entry it does not cover.
  public func inclusionReceipt(sequence: UInt64) throws(AuditError) -> Receipt {
    guard let note = try lastNote(signers) else { throw AuditError(.missing, file: "checkpoint") }
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
  private func publish(
    _ piece: Publication, behind published: SignedNote?, _ held: LogSigners
  ) throws(AuditError) -> SignedNote {
    let chosen = try signersOf(piece, behind: published, held)
    var folders: Set<String> = []
    let write = { (place: TilePath, bytes: [UInt8]) throws(AuditError) in
      folders.formUnion(try sink.create(place.text, bytes))
    }
    let last = try published.map { note throws(AuditError) in try Checkpoint(parsing: note.body) }
    var edge = try GrowingEdge(reader: reader, origin: origin, published: last)
    for entry in piece.entries { try edge.append(entry, write) }
    try edge.flush(write)
    try sink.synchronise(folders)
    for place in edge.completed { try sink.removeAll(in: place.partials) }
    try announce(chosen, isFirst: published == nil)

    let head = Checkpoint(origin: origin.text, size: edge.size, root: edge.root)
    let note = try SignedNote.signing(head.text, by: chosen)
    try sink.replace("checkpoint", Array(note.text.utf8))
    try export(note)
    return note
  }

  /// The key whose turn it is, and the one that takes over under this checkpoint, if any.
  private func signersOf(
    _ piece: Publication, behind published: SignedNote?, _ held: LogSigners
  ) throws(AuditError) -> [NoteSigner] {
    let current: NoteSigner
    if let published {
      current = try held.current(behind: published)
    } else if let rotation = piece.rotation {
      current = try held.signer(of: rotation.old)
    } else {
      guard let last = signers.last else { throw AuditError(.unsuitableKey) }
      current = last
    }
    guard let rotation = piece.rotation else { return [current] }
    guard try current.verifierKey() == rotation.old else { throw AuditError(.inconsistent) }
    return [current, try held.signer(of: rotation.new)]
  }

  /// Makes sure that `vkey` has the lines of the keys that sign now, behind those of all earlier ones.
  ///
  /// This comes before the checkpoint: whoever copies the checkpoint first finds all of its keys. So after a crash the
  /// file may have a last line that no checkpoint covers, which the next publication writes again.
  private func announce(_ chosen: [NoteSigner], isFirst: Bool) throws(AuditError) {
    let new = try chosen.map { signer throws(AuditError) in try signer.verifierKey() }
    guard let bytes = try sink.read("vkey", maximum: VerifierKeys.maximumBytes) else {
      return try sink.synchronise(try sink.create("vkey", VerifierKeys(new).bytes))
    }
    let found = try VerifierKeys(parsing: bytes)
    var wanted = VerifierKeys(new)
    if let position = found.keys.firstIndex(of: new[0]) {
      // Without an announcement a line behind the current key's stays: it belongs to an entry that is about to come.
      if new.count == 1 { return }
      wanted = VerifierKeys(found.keys[..<position] + new)
      guard !found.keys[..<position].contains(new[1]) else { throw AuditError(.unsuitableKey, file: "vkey") }
    } else if !isFirst {
      throw AuditError(.inconsistent, file: "vkey")
    }
    if wanted != found { try sink.replace("vkey", wanted.bytes) }
  }

  /// Copies a checkpoint to its own file. A crash may have come between the two.
  func export(_ note: SignedNote) throws(AuditError) {
    let size = try Checkpoint(parsing: note.body).size
    try sink.synchronise(try sink.create(Self.checkpointName(size), Array(note.text.utf8)))
  }

  /// The checkpoint as published, verified by one of the keys at least.
  func lastNote(_ signers: [NoteSigner]) throws(AuditError) -> SignedNote? {
    guard let note = try reader.checkpoint() else {
      var exported = false
      try sink.list("checkpoints") { _, _ in exported = true }
      if exported { throw AuditError(.inconsistent, file: "checkpoint") }
      return nil
    }
    try note.verified(by: try LogSigners(origin: origin, all: signers).keys())
    guard try Checkpoint(parsing: note.body).origin == origin.text else {
      throw AuditError(.inconsistent, file: "checkpoint")
    }
    return note
  }
}
