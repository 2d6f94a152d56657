import Audit
import Foundation

/// The offline verification of an auditor's folder: one log, or an archive with one folder a tenant.
struct LogVerification {
  let folder: String
  /// Keys from somewhere else; empty to take those in the folder, which proves nothing about who signed.
  let keys: [NoteKey]
  /// Checkpoints that were kept elsewhere.
  let held: [SignedNote]
  /// The erasure ledger to compare with; nil for the one that belongs to the folder.
  let ledger: String?
  var workers = max(1, min(ProcessInfo.processInfo.activeProcessorCount, 8))

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
    let used = keys.isEmpty ? try VerifierKeys.file(folder + "/vkey") : keys
    let beside = ((folder as NSString).standardizingPath as NSString).deletingLastPathComponent
    let sibling = (beside.isEmpty ? "." : beside) + "/erasures/ledger"
    let file = ledger ?? (FileManager.default.fileExists(atPath: sibling) ? sibling : nil)
    guard held.count <= 1 else { throw Failure(.refused, "one log has one held checkpoint") }
    let report = ArchiveVerifier(
      folder: folder, keys: used, held: held.first, ledger: file.map { ErasureLedger(path: $0) }, workers: workers
    ).verify(progress: progress)
    return LogVerdict(reports: [report], keysWereGiven: !keys.isEmpty, comparedLedger: file != nil)
  }

  private func verifyAll(_ progress: (UInt64, UInt64) -> Void) throws(Failure) -> LogVerdict {
    guard ledger == nil else {
      throw Failure(.refused, "--ledger goes with one log: name the tenant's folder in \(folder)")
    }
    let reports = ArchiveVerifier.verifyAll(
      archive: folder, keys: keys.isEmpty ? try foundKeys() : keys, held: held, workers: workers
    ) { _, done, total in progress(done, total) }
    return LogVerdict(reports: reports, keysWereGiven: !keys.isEmpty, comparedLedger: true)
  }

  private func foundKeys() throws(Failure) -> [NoteKey] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    var found: [NoteKey] = []
    for name in names.sorted() where FileManager.default.fileExists(atPath: "\(folder)/\(name)/vkey") {
      found += try VerifierKeys.file("\(folder)/\(name)/vkey")
    }
    guard !found.isEmpty else { throw Failure(.refused, "\(folder) holds no log") }
    return found
  }
}
