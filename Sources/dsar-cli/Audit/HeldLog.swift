import Audit
import Foundation
import Glibc

/// An auditor's copy of one tenant's log, in the layout of the service's own archive:
///
/// ```
/// <archive>/<tenant>/vkey                   the log's verifier keys, the oldest first
/// <archive>/<tenant>/checkpoint             the newest checkpoint held, with its witnesses' lines
/// <archive>/<tenant>/checkpoints/<size>     every checkpoint published so far, the size in 20 digits
/// <archive>/<tenant>/segments/<n>           the manifests of sealed segments, the number in 20 digits
/// <archive>/<tenant>/retention              which entries were deleted at the end of their time, if any
/// <archive>/<tenant>/tile/…                 tiles and entry bundles
/// <archive>/erasures/ledger                 the tenant's lines of the erasure ledger
/// ```
struct HeldLog: Sendable {
  /// The folder of the tenant's log.
  let folder: String
  /// The file of the erasure ledger.
  let ledger: String
  private let archive: String

  /// The copy of the log of `tenant` in `archive`.
  init(archive: String, tenant: UUID) {
    self.archive = archive
    folder = "\(archive)/\(tenant.uuidString.lowercased())"
    ledger = "\(archive)/erasures/ledger"
  }

  /// What reads it.
  var reader: ArchiveReader { ArchiveReader(folder: folder) }

  /// Makes the folders. A folder that holds something else is refused, unless `force` is set.
  func prepare(force: Bool) throws(Failure) {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: archive)) ?? []
    let foreign = names.contains { $0 != "erasures" && UUID(uuidString: $0)?.uuidString.lowercased() != $0 }
    guard !foreign || force else {
      throw Failure(.refused, "\(archive) holds something else; --force writes into it")
    }
    for part in [folder, incoming, folder + "/checkpoints", archive + "/erasures"] {
      try PrivateFile.makeFolder(part)
    }
  }

  /// The keys that the log's checkpoints had to be signed with so far, the oldest first; none for a new copy.
  func verifierKeys() throws(Failure) -> [NoteKey] {
    guard FileManager.default.fileExists(atPath: folder + "/vkey") else { return [] }
    do { return try VerifierKeys.file(folder + "/vkey") } catch {
      throw Failure(.notValid, "\(folder)/vkey is not a verifier key")
    }
  }

  /// The checkpoint held; nil for a new copy.
  func checkpoint() throws(Failure) -> SignedNote? {
    do { return try reader.checkpoint() } catch { throw Failure(.notValid, "\(folder)/checkpoint: \(error)") }
  }

  /// Whether a file of the log is here.
  func has(_ place: TilePath) -> Bool { FileManager.default.fileExists(atPath: folder + "/" + place.text) }

  /// Writes a file of the log: read-only and in one step.
  func write(_ place: TilePath, _ bytes: [UInt8]) throws(Failure) {
    let path = folder + "/" + place.text
    try PrivateFile.makeFolder((path as NSString).deletingLastPathComponent)
    try PrivateFile.write(bytes, to: path, mode: 0o444, staging: incoming)
  }

  /// Removes files of the log, and their folder where that was the last one.
  func remove(_ places: some Sequence<TilePath>) {
    for place in places {
      let path = folder + "/" + place.text
      // What can't be removed does no harm: a log may have files beyond its checkpoint, and narrower tiles.
      try? FileManager.default.removeItem(atPath: path)
      _ = unsafe rmdir((path as NSString).deletingLastPathComponent)
    }
  }

  /// Whether a checkpoint of that size is here.
  func hasCheckpoint(_ size: UInt64) -> Bool { FileManager.default.fileExists(atPath: file(ofCheckpoint: size)) }

  /// How many manifests are here, from the first one on without a gap.
  func manifestCount() -> UInt64 {
    var count: UInt64 = 0
    while FileManager.default.fileExists(atPath: "\(folder)/\(Manifest.path(count))") { count += 1 }
    return count
  }

  /// The manifest of that number; not verified.
  func manifest(_ number: UInt64) throws(Failure) -> SignedNote {
    let path = "\(folder)/\(Manifest.path(number))"
    do {
      return try SignedNote(
        parsing: try InputFile.read(path, maximum: Manifest.maximumBytes), maximumBytes: Manifest.maximumBytes)
    } catch let failure as Failure {
      throw failure
    } catch { throw Failure(.notValid, "\(path): \(error)") }
  }

  /// Writes a manifest.
  func write(_ note: SignedNote, manifest number: UInt64) throws(Failure) {
    try PrivateFile.makeFolder(folder + "/segments")
    let path = "\(folder)/\(Manifest.path(number))"
    try PrivateFile.write(Array(note.text.utf8), to: path, mode: 0o444, staging: incoming)
  }

  /// The note that says which entries may be missing; nil when there is none. Not verified.
  func retention() throws(Failure) -> SignedNote? {
    let path = "\(folder)/\(RetentionNote.file)"
    guard let bytes = try contents(RetentionNote.file, maximum: SignedNote.maximumBytes) else { return nil }
    do { return try SignedNote(parsing: bytes) } catch { throw Failure(.notValid, "\(path): \(error)") }
  }

  /// Writes the note that says which entries may be missing.
  func write(retention note: SignedNote) throws(Failure) {
    let path = "\(folder)/\(RetentionNote.file)"
    try PrivateFile.write(Array(note.text.utf8), to: path, mode: 0o444, staging: incoming)
  }

  /// Writes an exported checkpoint under its size.
  func write(_ note: SignedNote, checkpoint size: UInt64) throws(Failure) {
    try PrivateFile.write(
      Array(note.text.utf8), to: file(ofCheckpoint: size), mode: 0o444, staging: incoming)
  }

  /// Writes the verifier keys, then the newest checkpoint.
  func accept(_ note: SignedNote, keys: [NoteKey]) throws(Failure) {
    let lines = keys.map { $0.text + "\n" }.joined()
    try PrivateFile.write(Array(lines.utf8), to: folder + "/vkey", mode: 0o444, staging: incoming)
    try PrivateFile.write(Array(note.text.utf8), to: folder + "/checkpoint", mode: 0o644, staging: incoming)
  }

  /// The tenant's lines of the erasure ledger that are held; none for a new copy.
  func ledgerBytes() throws(Failure) -> [UInt8] {
    guard FileManager.default.fileExists(atPath: ledger) else { return [] }
    return try InputFile.read(ledger, maximum: LogDownload.maximumLedgerBytes)
  }

  /// Writes the ledger's lines where they don't count yet, and gives the path.
  func stageLedger(_ bytes: [UInt8]) throws(Failure) -> String {
    let path = incoming + "/ledger"
    try PrivateFile.write(bytes, to: path, staging: incoming)
    return path
  }

  /// Writes the tenant's lines of the erasure ledger.
  func writeLedger(_ bytes: [UInt8]) throws(Failure) {
    try PrivateFile.write(bytes, to: ledger, mode: 0o644, staging: incoming)
  }

  /// Removes what an interrupted export left behind.
  func removeLeftovers() { try? FileManager.default.removeItem(atPath: incoming) }

  /// Files without their name yet: the one folder of a log whose contents mean nothing.
  private var incoming: String { folder + "/.incoming" }

  private func file(ofCheckpoint size: UInt64) -> String {
    let digits = String(size)
    return "\(folder)/checkpoints/" + String(repeating: "0", count: 20 - digits.count) + digits
  }

  private func contents(_ name: String, maximum: Int) throws(Failure) -> [UInt8]? {
    let path = folder + "/" + name
    guard FileManager.default.fileExists(atPath: path) else { return nil }
    return try InputFile.read(path, maximum: maximum)
  }
}
