import Audit
import Foundation

/// The offline verification of an auditor's folder: one log, or an archive with one folder a tenant.
struct LogVerification {
  let folder: String
  /// Keys from somewhere else, one of each log at least; empty to take those in the folder, which proves nothing about
  /// who signed.
  let keys: [NoteKey]
  /// Checkpoints that were kept elsewhere.
  let held: [SignedNote]
  /// The erasure ledger to compare with; nil for the one that belongs to the folder.
  let ledger: String?
  /// Checkpoints up to which the logs were verified before: what is older is not read again.
  var since: [SignedNote] = []
  /// What else is checked, and by how many threads.
  var options = VerifierOptions(workers: max(1, min(ProcessInfo.processInfo.activeProcessorCount, 8)))

  /// Runs every check.
  ///
  /// - Parameter progress: called with the entries done and the entries of the log under way.
  /// - Throws: `Failure` when there is nothing that could be verified.
  func run(progress: (UInt64, UInt64) -> Void = { _, _ in }) throws(Failure) -> LogVerdict {
    guard (try? FileManager.default.contentsOfDirectory(atPath: folder)) != nil else {
      throw Failure(.refused, "there is no folder \(folder)")
    }
    return try isOneLog ? verifyOne(progress) : verifyAll(progress)
  }

  /// Whether the folder is a tenant's own.
  private var isOneLog: Bool {
    ["checkpoint", "vkey", "tile"].contains { FileManager.default.fileExists(atPath: "\(folder)/\($0)") }
  }

  private func verifyOne(_ progress: (UInt64, UInt64) -> Void) throws(Failure) -> LogVerdict {
    let used = keys.isEmpty ? try Self.keys(beside: folder) : keys
    guard !used.isEmpty else { throw Failure(.refused, "\(folder)/vkey holds no verifier key") }
    let beside = ((folder as NSString).standardizingPath as NSString).deletingLastPathComponent
    let sibling = (beside.isEmpty ? "." : beside) + "/erasures/ledger"
    let file = ledger ?? (FileManager.default.fileExists(atPath: sibling) ? sibling : nil)
    guard held.count <= 1, since.count <= 1 else {
      throw Failure(.refused, "one log has one held checkpoint, and one to begin at")
    }
    let report = ArchiveVerifier(
      folder: folder, keys: used, held: held.first, since: since.first,
      ledger: file.map { ErasureLedger(path: $0) }, options: options
    ).verify(progress: progress)
    return LogVerdict(reports: [report], keysWereGiven: !keys.isEmpty, comparedLedger: file != nil)
  }

  private func verifyAll(_ progress: (UInt64, UInt64) -> Void) throws(Failure) -> LogVerdict {
    guard ledger == nil else {
      throw Failure(.refused, "--ledger goes with one log: name the tenant's folder in \(folder)")
    }
    let reports = ArchiveVerifier.verifyAll(
      archive: folder, keys: keys.isEmpty ? try foundKeys() : keys, held: held, since: since, options: options
    ) { _, done, total in progress(done, total) }
    return LogVerdict(reports: reports, keysWereGiven: !keys.isEmpty, comparedLedger: true)
  }

  private func foundKeys() throws(Failure) -> [NoteKey] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    var found: [NoteKey] = []
    // A name that isn't a tenant's may be a link to anywhere.
    for name in names.sorted() where UUID(uuidString: name)?.uuidString.lowercased() == name {
      let kind = try? FileManager.default.attributesOfItem(atPath: "\(folder)/\(name)")[.type] as? FileAttributeType
      if kind == .typeDirectory { found += try Self.keys(beside: "\(folder)/\(name)") }
    }
    guard !found.isEmpty else { throw Failure(.refused, "\(folder) holds no log") }
    return found
  }

  /// The keys in a log's own folder, never read through a link.
  private static func keys(beside folder: String) throws(Failure) -> [NoteKey] {
    do { return try ArchiveVerifier.keys(beside: folder) } catch {
      throw Failure(.refused, "\(folder)/vkey holds no verifier key: \(error)")
    }
  }
}
