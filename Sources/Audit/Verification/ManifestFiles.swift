internal import Dispatch
internal import Signing
internal import Synchronization

/// Compares the files that a manifest lists with those that are there now.
///
/// A partial file may have been superseded: then the file in its place begins with what the manifest lists.
struct ManifestFiles: Sendable {
  let files: ArchiveFolder
  let reader: ArchiveReader
  /// The log's size now.
  let size: UInt64
  /// Bundles that end at or before this entry may be missing.
  let firstKept: UInt64
  let options: VerifierOptions

  /// What is wrong with the files of a manifest whose list is the right one; in their order.
  func findings(_ manifest: Manifest) -> [Finding] {
    let files = manifest.files
    let path = Manifest.path(manifest.number)
    let workers = max(1, min(options.workers, 16))
    let found = Mutex<[(position: Int, finding: Finding)]>([])
    // Each thread takes every so manieth file, and keeps one of them in memory.
    DispatchQueue.concurrentPerform(iterations: workers) { worker in
      for position in stride(from: worker, to: files.count, by: workers) {
        if let finding = check(files[position], path) { found.withLock { $0.append((position, finding)) } }
      }
    }
    return found.withLock { $0.sorted { $0.position < $1.position }.map(\.finding) }
  }

  private func check(_ file: ManifestFile, _ manifest: String) -> Finding? {
    let place = now(file.place)
    do throws(AuditError) {
      switch file.place.content {
      case .hashes:
        guard file.length == file.place.width * SHA256Digest.byteCount else {
          return Finding(.manifest, file: manifest, "a listed length is not that of its hashes")
        }
        return try compare(file, reader.content(place).bytes, place)
      case .entries:
        if !options.digests, place == file.place, let length = try files.length(place.text) {
          return length == file.length ? nil : Self.wrongLength(place)
        }
        let bytes = try reader.content(place).bytes
        guard EntryBundle.ranges(in: bytes, width: file.place.width)?.last?.upperBound == file.length else {
          return Self.wrongLength(place)
        }
        return options.digests ? try compare(file, bytes, place) : nil
      }
    } catch {
      let end = file.place.index * 256 + UInt64(file.place.width)
      if error.code == .missing, file.place.content == .entries, end <= firstKept { return nil }
      return Finding(error, file: place.text)
    }
  }

  private func compare(_ file: ManifestFile, _ bytes: [UInt8], _ place: TilePath) throws(AuditError) -> Finding? {
    guard file.length <= bytes.count else { return Self.wrongLength(place) }
    let hash = SHA256Digest.hash(file.length == bytes.count ? bytes : Array(bytes.prefix(file.length)))
    return hash == file.hash ? nil : Finding(.digest, file: place.text, "not the file that its manifest lists")
  }

  /// The file that a log of today's size has at a place.
  private func now(_ place: TilePath) -> TilePath {
    let level: UInt64 =
      switch place.content {
      case .hashes(let level): UInt64(level)
      case .entries: 0
      }
    return ArchiveReader.place(place.with(width: TilePath.fullWidth), count: size >> (8 * level))
  }

  private static func wrongLength(_ place: TilePath) -> Finding {
    Finding(.digest, file: place.text, "its length is not the one that its manifest lists")
  }
}
