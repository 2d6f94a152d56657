public import Signing

/// Many entries and hashes at once, each file of the archive read once.
extension ArchiveReader {
  /// The stored bytes of the entries in `range`, in order, of a log of `size` entries.
  ///
  /// Nothing is verified: the caller follows the chain from an entry that it trusts, or checks the last one's proof.
  ///
  /// - Throws: `.outOfRange`, `.missing`, `.malformed`.
  public func entries(in range: Range<UInt64>, size: UInt64) throws(AuditError) -> [[UInt8]] {
    guard range.upperBound <= size else { throw AuditError(.outOfRange, sequence: range.upperBound) }
    var entries: [[UInt8]] = []
    entries.reserveCapacity(range.count)
    var position = range.lowerBound
    while position < range.upperBound {
      let place = Self.place(.entries(index: position / 256), count: size)
      let (bundle, _) = try content(place)
      let end = min(range.upperBound, (position / 256 + 1) * 256)
      let width = Int((end - 1) % 256) + 1
      guard let ranges = EntryBundle.ranges(in: bundle, width: width) else {
        throw AuditError(.malformed, file: place.text, sequence: position)
      }
      for found in ranges[Int(position % 256)...] { entries.append(Array(bundle[found])) }
      position = end
    }
    return entries
  }

  /// The leaf hashes in `range`, in order, from the tiles of a log of `size` entries.
  ///
  /// - Throws: `.outOfRange`, `.missing`.
  public func leafHashes(in range: Range<UInt64>, size: UInt64) throws(AuditError) -> [SHA256Digest] {
    guard range.upperBound <= size else { throw AuditError(.outOfRange, sequence: range.upperBound) }
    var source = TileSource(reader: self, size: size)
    var hashes: [SHA256Digest] = []
    for sequence in range { hashes.append(try source.node(level: 0, position: sequence)) }
    return hashes
  }

  /// The sizes of the checkpoints that were published and kept, above `size`, smallest first.
  public func checkpointSizes(above size: UInt64) throws(AuditError) -> [UInt64] {
    var sizes: [UInt64] = []
    try files.list("checkpoints") { name, _ in
      if name.utf8.count == 20, let found = UInt64(name), found > size { sizes.append(found) }
    }
    return sizes.sorted()
  }

  /// The kept checkpoint of that size; not verified.
  ///
  /// - Throws: `.missing`, `.malformed`.
  public func checkpoint(size: UInt64) throws(AuditError) -> SignedNote {
    let name = ArchiveWriter.checkpointName(size)
    guard let bytes = try files.read(name, maximum: SignedNote.maximumBytes) else {
      throw AuditError(.missing, file: name)
    }
    do { return try SignedNote(parsing: bytes) } catch { throw AuditError(error.code, file: name) }
  }

  /// How many segments are sealed.
  ///
  /// - Throws: `.missing` when a manifest before the newest one is not there.
  public func manifestCount() throws(AuditError) -> UInt64 {
    var count: UInt64 = 0
    var newest: UInt64?
    try files.list(Manifest.folder) { name, _ in
      guard let number = Decimal.padded(name) else { return }
      count += 1
      newest = max(number, newest ?? 0)
    }
    guard let newest else { return 0 }
    guard count == newest + 1 else { throw AuditError(.missing, file: Manifest.folder) }
    return count
  }

  /// The manifest of a segment, or `nil` when it is not there; not verified.
  ///
  /// - Throws: `.malformed`, `.tooLarge`.
  public func manifest(_ number: UInt64) throws(AuditError) -> SignedNote? {
    try note(Manifest.path(number), maximum: Manifest.maximumBytes)
  }

  /// The note on which entries were deleted, or `nil` when none were; not verified.
  ///
  /// - Throws: `.malformed`, `.tooLarge`.
  public func retention() throws(AuditError) -> SignedNote? {
    try note(RetentionNote.file, maximum: SignedNote.maximumBytes)
  }

  private func note(_ path: String, maximum: Int) throws(AuditError) -> SignedNote? {
    guard let bytes = try files.read(path, maximum: maximum) else { return nil }
    do { return try SignedNote(parsing: bytes, maximumBytes: maximum) } catch {
      throw AuditError(error.code, file: path)
    }
  }
}
