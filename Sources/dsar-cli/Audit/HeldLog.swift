import Audit
import Foundation
import Glibc

/// An auditor's copy of one tenant's log, in the layout of the service's own archive:
///
/// ```
/// <archive>/<tenant>/vkey                   the log's verifier key
/// <archive>/<tenant>/checkpoint             the newest checkpoint held
/// <archive>/<tenant>/checkpoints/<size>     every checkpoint ever held, the size in 20 digits
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

  /// The key that the log's checkpoints had to be signed with so far; nil for a new copy.
  func verifierKey() throws(Failure) -> NoteKey? {
    guard let bytes = try contents("vkey", maximum: 1024) else { return nil }
    let text = String(decoding: bytes, as: UTF8.self)
    guard text.hasSuffix("\n"), let key = NoteKey(String(text.dropLast())) else {
      throw Failure(.notValid, "\(folder)/vkey is not a verifier key")
    }
    return key
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

  /// Writes the verifier key, then the checkpoint: under its size, and as the newest one.
  func accept(_ note: SignedNote, _ checkpoint: Checkpoint, key: NoteKey) throws(Failure) {
    let digits = String(checkpoint.size)
    let name = String(repeating: "0", count: 20 - digits.count) + digits
    let bytes = Array(note.text.utf8)
    try PrivateFile.write(Array((key.text + "\n").utf8), to: folder + "/vkey", mode: 0o444, staging: incoming)
    try PrivateFile.write(bytes, to: "\(folder)/checkpoints/\(name)", mode: 0o444, staging: incoming)
    try PrivateFile.write(bytes, to: folder + "/checkpoint", mode: 0o644, staging: incoming)
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

  private func contents(_ name: String, maximum: Int) throws(Failure) -> [UInt8]? {
    let path = folder + "/" + name
    guard FileManager.default.fileExists(atPath: path) else { return nil }
    return try InputFile.read(path, maximum: maximum)
  }
}
