import Audit
import Foundation
import Glibc

/// What a witness of one log remembers, in a folder of its own:
///
/// ```
/// witness       the witness's own verifier key
/// vkey          the log's verifier keys, the oldest first
/// checkpoint    the newest checkpoint that was verified: written, durably, before anything is signed
/// cosigned      the last note that was signed: a checkpoint with the witness's line
/// submitted     the same note, once the service has it
/// shorter       in how many rounds in a row the log was shorter than the checkpoint, if it was
/// conflict/     what ended the witnessing for good: kind, held, shown, proof
/// lock          held while a round is under way
/// ```
///
/// All files are the user's alone. Nothing here is secret; but whoever could change it could make the witness sign two
/// logs.
struct WitnessState: Sendable {
  /// Why a witness signs no more.
  enum ConflictKind: String, Sendable {
    /// The log is shorter than a checkpoint that was verified before.
    case rollback
    /// The log doesn't continue a checkpoint that was verified before.
    case fork
  }

  /// Two checkpoints signed for one log, of which one can't continue the other.
  struct Conflict: Sendable, Equatable {
    let kind: ConflictKind
    /// The checkpoint that was verified before.
    let held: SignedNote
    /// The one that the service showed.
    let shown: SignedNote
    /// What leads from the root of the larger checkpoint to other entries than the smaller one's; empty for a rollback.
    let proof: String
  }

  let folder: String

  /// Runs one round; the folder is made when it isn't there.
  ///
  /// - Throws: `Failure` with `.refused` while another round is under way; what `round` throws.
  func locked<Result>(_ round: () async throws -> Result) async throws -> Result {
    try PrivateFile.makeFolder(folder)
    // The path is passed as a C string for the call.
    let number = unsafe open(folder + "/lock", O_CREAT | O_RDWR | O_NOFOLLOW | O_CLOEXEC, 0o600)
    guard number >= 0 else { throw Failure(.refused, "\(folder)/lock can't be opened") }
    defer { close(number) }
    guard flock(number, LOCK_EX | LOCK_NB) == 0 else {
      throw Failure(.refused, "another witness is at work in \(folder)")
    }
    // A process that was forked meanwhile may hold the file a moment longer; the lock goes now.
    defer { _ = flock(number, LOCK_UN) }
    return try await round()
  }

  /// The witness's own key; nil before the first round.
  func witness() throws(Failure) -> WitnessKey? {
    guard let text = try line("witness") else { return nil }
    guard let key = WitnessKey(text) else { throw damaged("witness") }
    return key
  }

  /// The log's keys, the oldest first; none before the first round.
  func keys() throws(Failure) -> [NoteKey] {
    guard let bytes = try read("vkey") else { return [] }
    let keys = String(decoding: bytes, as: UTF8.self).split(separator: "\n").map { NoteKey(String($0)) }
    let found = keys.compactMap { $0 }
    guard !found.isEmpty, found.count == keys.count else { throw damaged("vkey") }
    return found
  }

  /// The newest checkpoint that was verified, with the log's signature compared again; nil before the first one.
  ///
  /// One that is older than what was signed, or gone although something was, is refused: somebody took it back.
  func checkpoint() throws(Failure) -> (note: SignedNote, head: Checkpoint)? {
    let signed = try cosigned()
    guard let note = try note("checkpoint") else {
      guard signed == nil else { throw damaged("checkpoint") }
      return nil
    }
    let keys = try keys()
    do {
      try note.verified(by: keys)
      let head = try Checkpoint(parsing: note.body)
      if let signed = try signed.map({ note throws(AuditError) in try Checkpoint(parsing: note.body) }) {
        guard signed.size < head.size || signed == head else { throw damaged("checkpoint") }
      }
      return (note, head)
    } catch let failure as Failure {
      throw failure
    } catch { throw damaged("checkpoint") }
  }

  /// The last note that was signed.
  func cosigned() throws(Failure) -> SignedNote? { try note("cosigned") }

  /// The last note that the service has.
  func submitted() throws(Failure) -> SignedNote? { try note("submitted") }

  /// In how many rounds in a row the log was shorter than the checkpoint that was verified.
  func shorterRounds() throws(Failure) -> Int {
    guard let text = try line("shorter") else { return 0 }
    guard let count = Int(text), count > 0, String(count) == text else { throw damaged("shorter") }
    return count
  }

  /// What ended the witnessing; nil as long as nothing did.
  func conflict() throws(Failure) -> Conflict? {
    guard FileManager.default.fileExists(atPath: conflictFolder) else { return nil }
    guard let text = try line("conflict/kind"), let kind = ConflictKind(rawValue: text),
      let held = try note("conflict/held"), let shown = try note("conflict/shown")
    else { throw Failure(.notValid, "\(conflictFolder) is damaged; nothing is signed from this folder any more") }
    let proof = try read("conflict/proof") ?? []
    return Conflict(kind: kind, held: held, shown: shown, proof: String(decoding: proof, as: UTF8.self))
  }

  // MARK: Writing

  func write(witness key: WitnessKey) throws(Failure) { try write(key.text + "\n", "witness") }

  func write(keys: [NoteKey]) throws(Failure) { try write(keys.map { $0.text + "\n" }.joined(), "vkey") }

  func write(checkpoint note: SignedNote) throws(Failure) { try write(note.text, "checkpoint") }

  func write(cosigned note: SignedNote) throws(Failure) { try write(note.text, "cosigned") }

  func write(submitted note: SignedNote) throws(Failure) { try write(note.text, "submitted") }

  func write(shorterRounds count: Int) throws(Failure) { try write("\(count)\n", "shorter") }

  /// Forgets rounds in which the log was shorter.
  func clearShorterRounds() throws(Failure) {
    guard try shorterRounds() > 0 else { return }
    // The path is passed as a C string for the call.
    guard unsafe unlink(folder + "/shorter") == 0 else { throw Failure(.refused, "\(folder) can't be written") }
    try synchronise(folder)
  }

  /// Keeps the evidence: all of it under its name, or nothing.
  func write(_ conflict: Conflict) throws(Failure) {
    let staging = folder + "/.conflict"
    try? FileManager.default.removeItem(atPath: staging)
    try PrivateFile.makeFolder(staging)
    let files = [
      ("kind", conflict.kind.rawValue + "\n"), ("held", conflict.held.text), ("shown", conflict.shown.text),
      ("proof", conflict.proof),
    ]
    for (name, text) in files { try PrivateFile.write(Array(text.utf8), to: "\(staging)/\(name)") }
    try synchronise(staging)
    // Paths are passed as C strings for the call.
    guard unsafe rename(staging, conflictFolder) == 0 else {
      throw Failure(.notValid, "\(conflict.kind.rawValue), and the evidence can't be written to \(conflictFolder)")
    }
    try synchronise(folder)
  }

  /// The folder of the evidence.
  var conflictFolder: String { folder + "/conflict" }

  /// A folder for the tiles of one round, empty.
  func emptyTiles() throws(Failure) -> String {
    let path = folder + "/.tiles"
    try? FileManager.default.removeItem(atPath: path)
    try PrivateFile.makeFolder(path)
    return path
  }

  /// Removes the tiles of a round.
  func removeTiles() { try? FileManager.default.removeItem(atPath: folder + "/.tiles") }

  /// Writes a file durably, its name included.
  private func write(_ text: String, _ name: String) throws(Failure) {
    try PrivateFile.write(Array(text.utf8), to: "\(folder)/\(name)")
    try synchronise(folder)
  }

  /// Waits until a folder's names are on the disk.
  private func synchronise(_ folder: String) throws(Failure) {
    // The path is passed as a C string for the call.
    let number = unsafe open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard number >= 0 else { throw Failure(.refused, "\(folder) can't be opened") }
    defer { close(number) }
    guard fsync(number) == 0 else { throw Failure(.refused, "\(folder) can't be written") }
  }

  private func read(_ name: String) throws(Failure) -> [UInt8]? {
    try PrivateFile.read("\(folder)/\(name)", maximum: SignedNote.maximumBytes + 8192)
  }

  private func line(_ name: String) throws(Failure) -> String? {
    guard let bytes = try read(name) else { return nil }
    guard bytes.last == 0x0a else { throw damaged(name) }
    return String(decoding: bytes.dropLast(), as: UTF8.self)
  }

  private func note(_ name: String) throws(Failure) -> SignedNote? {
    guard let bytes = try read(name) else { return nil }
    do { return try SignedNote(parsing: bytes) } catch { throw damaged(name) }
  }

  private func damaged(_ name: String) -> Failure {
    Failure(.refused, "\(folder)/\(name) is damaged; nothing is signed")
  }
}
