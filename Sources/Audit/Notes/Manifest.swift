public import Signing

/// A file that a manifest lists, as it was when its segment was sealed.
public struct ManifestFile: Sendable, Hashable {
  /// Where it lay; a wider file that supersedes a partial one begins with the same bytes.
  public let place: TilePath
  /// Its length in bytes.
  public let length: Int
  /// SHA-256 of these bytes.
  public let hash: SHA256Digest

  /// Lists `length` bytes at `place`.
  public init(place: TilePath, length: Int, hash: SHA256Digest) {
    self.place = place
    self.length = length
    self.hash = hash
  }
}

/// What a sealed segment of a log consists of: entries `first` to `end` - 1, their files and checkpoints.
///
/// Its text is the body of a signed note, the file `segments/<number>`; `docs/audit-log-spec.md` has the format. A
/// manifest names the hash of the one before it, so that neither one nor several neighbouring ones can be taken out.
public struct Manifest: Sendable, Hashable {
  /// The longest manifest, note and all, in bytes.
  public static let maximumBytes = 1_048_576
  /// The most entries that a segment has.
  public static let maximumEntries: UInt64 = 65_536

  /// The log.
  public let origin: LogOrigin
  /// 0, 1, 2 … without gaps.
  public let number: UInt64
  /// SHA-256 of the body of the manifest before, or the log's genesis.
  public let previous: SHA256Digest
  /// The first entry of the segment.
  public let first: UInt64
  /// The entry after its last; always above `first`.
  public let end: UInt64
  /// When it was sealed, in microseconds since 1970-01-01T00:00:00Z.
  public let time: Int64
  /// How many exported checkpoints have a size above `first` and up to `end`; for segment 0 also that of size 0.
  public let checkpointCount: Int
  /// The Merkle root over these checkpoint files' bytes, ascending by size.
  public let checkpointRoot: SHA256Digest
  /// The files; those of a right manifest are at `places(first:end:)`, in this order.
  public let files: [ManifestFile]

  /// Puts a manifest together. Only `text` and reading it back refuse numbers that no segment has.
  public init(
    origin: LogOrigin, number: UInt64, previous: SHA256Digest, first: UInt64, end: UInt64, time: Int64,
    checkpointCount: Int, checkpointRoot: SHA256Digest, files: [ManifestFile]
  ) {
    self.origin = origin
    self.number = number
    self.previous = previous
    self.first = first
    self.end = end
    self.time = time
    self.checkpointCount = checkpointCount
    self.checkpointRoot = checkpointRoot
    self.files = files
  }

  /// The note's body.
  public var text: String {
    """
    \(Self.header)
    \(origin.text)
    \(number)
    \(previous.base64)
    \(first) \(end)
    \(time)
    checkpoints \(checkpointCount) \(checkpointRoot.base64)

    """ + files.map { "file \($0.place.text) \($0.length) \($0.hash.base64)\n" }.joined()
  }

  /// SHA-256 of `text`: what the next manifest names as `previous`.
  public var hash: SHA256Digest { SHA256Digest.hash(Array(text.utf8)) }

  /// Reads a manifest's body; exactly what `text` writes is accepted.
  ///
  /// The list of files is read as it is: whether it is the one for `first` and `end` is for the verifier to say.
  ///
  /// - Throws: `.malformed`; `.tooLarge` above `maximumBytes`; `.outOfRange` for a segment without entries, or with
  ///   more than `maximumEntries`.
  public init(parsing body: String) throws(AuditError) {
    guard body.utf8.count <= Self.maximumBytes else { throw AuditError(.tooLarge) }
    let lines = body.utf8.split(separator: 0x0a, omittingEmptySubsequences: false)
    guard lines.count >= 8, lines[lines.count - 1].isEmpty, lines[0].elementsEqual(Self.header.utf8),
      let name = String(lines[1]), let origin = LogOrigin(name),
      let number = Decimal.unsigned(lines[2]),
      let previous = Self.digest(lines[3]),
      let time = Decimal.unsigned(lines[5]).flatMap(Int64.init(exactly:))
    else { throw AuditError(.malformed) }
    let range = lines[4].split(separator: 0x20, omittingEmptySubsequences: false)
    guard range.count == 2, let first = Decimal.unsigned(range[0]), let end = Decimal.unsigned(range[1]) else {
      throw AuditError(.malformed)
    }
    let checkpoints = lines[6].split(separator: 0x20, omittingEmptySubsequences: false)
    guard checkpoints.count == 3, checkpoints[0].elementsEqual("checkpoints".utf8),
      let count = Decimal.unsigned(checkpoints[1]).flatMap(Int.init(exactly:)),
      let root = Self.digest(checkpoints[2])
    else { throw AuditError(.malformed) }
    guard first < end, end - first <= Self.maximumEntries else { throw AuditError(.outOfRange) }
    var files: [ManifestFile] = []
    for line in lines[7..<(lines.count - 1)] { files.append(try Self.file(line)) }
    self.init(
      origin: origin, number: number, previous: previous, first: first, end: end, time: time,
      checkpointCount: count, checkpointRoot: root, files: files)
  }

  /// What manifest 0 names as the hash before it: SHA-256 of `"audit-manifest-genesis/v1\n" ‖ origin ‖ "\n"`.
  public static func genesis(_ origin: LogOrigin) -> SHA256Digest {
    SHA256Digest.hash(Array("audit-manifest-genesis/v1\n\(origin.text)\n".utf8))
  }

  /// The files that the manifest of entries `first` to `end` - 1 lists, in its order: every bundle and tile that holds
  /// something of them in a log of `end` entries.
  ///
  /// Empty for numbers that no segment has, so that nobody else's numbers decide how long the list is.
  public static func places(first: UInt64, end: UInt64) -> [TilePath] {
    guard first < end, end - first <= maximumEntries else { return [] }
    var places = (first / 256...(end - 1) / 256).map { ArchiveReader.place(.entries(index: $0), count: end) }
    for level in 0..<8 {
      let start = first >> (8 * UInt64(level))
      let count = end >> (8 * UInt64(level))
      guard start < count else { break }
      for index in start / 256...(count - 1) / 256 {
        places.append(ArchiveReader.place(.tile(level: level, index: index), count: count))
      }
    }
    return places
  }

  /// The file that holds the manifest of a segment, relative to the log's folder: its number in 20 digits.
  public static func path(_ number: UInt64) -> String {
    let digits = String(number)
    return "\(folder)/" + String(repeating: "0", count: 20 - digits.count) + digits
  }

  /// The folder of all manifests, relative to the log's folder.
  static let folder = "segments"
  private static let header = "audit-manifest/v1"

  private static func file(_ line: Substring.UTF8View) throws(AuditError) -> ManifestFile {
    let parts = line.split(separator: 0x20, omittingEmptySubsequences: false)
    guard parts.count == 4, parts[0].elementsEqual("file".utf8), let path = String(parts[1]),
      let place = TilePath(path), let length = Decimal.unsigned(parts[2]).flatMap(Int.init(exactly:)),
      let hash = digest(parts[3])
    else { throw AuditError(.malformed) }
    return ManifestFile(place: place, length: length, hash: hash)
  }

  private static func digest(_ text: Substring.UTF8View) -> SHA256Digest? {
    String(text).flatMap { StrictBase64.decode($0, .standard) }.flatMap { SHA256Digest($0) }
  }
}
