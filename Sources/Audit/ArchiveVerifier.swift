internal import Dispatch
internal import Foundation
internal import Signing
internal import Synchronization

/// Verifies one tenant's folder of the archive offline, trusting nothing but the keys it is given.
///
/// Entries are streamed a bundle at a time, so that the memory needed does not grow with the log; it grows
/// by a few bytes for each exported checkpoint, and by 64 for each line of the erasure ledger. The order of
/// the checks and their codes are in `docs/audit-log-spec.md`.
public struct ArchiveVerifier: Sendable {
  private let folder: String
  private let keys: [NoteKey]
  private let held: SignedNote?
  private let ledger: ErasureLedger?
  private let workers: Int

  /// Verifies the log in `folder`.
  ///
  /// - Parameters:
  ///   - folder: the tenant's folder, or a copy of it.
  ///   - keys: the log's verifier keys, from somewhere else than this folder.
  ///   - held: the last checkpoint that the auditor kept; without it a truncated log looks whole.
  ///   - ledger: the erasure ledger to compare with; `nil` leaves that check out.
  ///   - workers: how many bundles are hashed at once.
  public init(
    folder: String, keys: [NoteKey], held: SignedNote? = nil, ledger: ErasureLedger? = nil, workers: Int = 1
  ) {
    self.folder = folder
    self.keys = keys
    self.held = held
    self.ledger = ledger
    self.workers = max(1, min(workers, 16))
  }

  /// Runs every check. Never throws: what cannot be read is a finding.
  ///
  /// - Parameter progress: called now and then with the entries done and the entries in the log.
  public func verify(progress: (UInt64, UInt64) -> Void = { _, _ in }) -> VerificationReport {
    var report = VerificationReport(folder: folder)
    let files = ArchiveFolder(root: folder)
    guard let (head, key) = readHead(files, &report) else { return report }
    report.origin = head.origin
    report.size = head.size
    report.root = head.root.base64
    checkFolderName(head, &report)

    var layout = LayoutCheck(files: files, size: head.size)
    layout.run(&report)
    for size in layout.exported where size > head.size {
      report.add(
        Finding(.rollback, file: ArchiveWriter.checkpointName(size), "newer than the file `checkpoint`"))
    }
    if layout.hasVerifierKey { checkVerifierKey(files, key, &report) }
    let checkpoints = CheckpointCheck(
      files: files, keys: keys, origin: head.origin, held: readHeld(head, &report))
    let lines = ledger.flatMap { ledger in
      LogOrigin(head.origin)?.tenant.flatMap { LedgerCheck(ledger, tenant: $0, &report) }
    }
    let tree = TreeCheck(
      reader: ArchiveReader(folder: folder), head: head, layout: layout, checkpoints: checkpoints, ledger: lines)
    stream(tree, head, layout, &report, progress)
    return report
  }

  /// Verifies every tenant's folder of an archive, with the erasure ledger beside them.
  ///
  /// - Parameters:
  ///   - archive: the folder that holds one folder a tenant, and `erasures`.
  ///   - keys: the verifier keys of all logs.
  ///   - held: checkpoints that the auditor kept, each for the log that its first line names.
  ///   - workers: how many bundles are hashed at once.
  ///   - progress: called with the folder's name, the entries done and the entries in that log.
  /// - Returns: one report a tenant, by folder name; a last one for the archive itself when it holds
  ///   something else, cannot be read, or lacks the log of a held checkpoint.
  public static func verifyAll(
    archive: String, keys: [NoteKey], held: [SignedNote] = [], workers: Int = 1,
    progress: (String, UInt64, UInt64) -> Void = { _, _, _ in }
  ) -> [VerificationReport] {
    var whole = VerificationReport(folder: archive)
    var tenants: [String] = []
    do {
      try ArchiveFolder(root: archive).list("") { name, kind in
        if kind == .folder, UUID(uuidString: name)?.uuidString.lowercased() == name {
          tenants.append(name)
        } else if (name, kind) != ("erasures", .folder) {
          whole.add(LayoutCheck.foreign(name, kind))
        }
      }
    } catch { whole.add(Finding(error, file: ".")) }
    let ledger = ErasureLedger(path: archive + "/erasures/ledger")
    let notes = held.map { note in (note: note, origin: (try? Checkpoint(parsing: note.body))?.origin) }
    let reports = tenants.sorted().map { tenant in
      let kept = notes.first { $0.origin?.hasSuffix("/" + tenant) ?? false }?.note
      return ArchiveVerifier(
        folder: archive + "/" + tenant, keys: keys, held: kept, ledger: ledger, workers: workers
      ).verify { done, total in progress(tenant, done, total) }
    }
    for note in notes where !tenants.contains(where: { note.origin?.hasSuffix("/" + $0) ?? false }) {
      whole.add(Finding(.missing, "the log of a held checkpoint is not in the archive"))
    }
    if tenants.isEmpty { whole.add(Finding(.missing, "the archive has no log")) }
    return whole.isValid ? reports : reports + [whole]
  }
}

extension ArchiveVerifier {
  private func readHead(_ files: ArchiveFolder, _ report: inout VerificationReport) -> (Checkpoint, NoteKey)? {
    do {
      guard let bytes = try files.read("checkpoint", maximum: SignedNote.maximumBytes) else {
        report.add(Finding(.missing, file: "checkpoint", "the log has no checkpoint"))
        return nil
      }
      let note = try SignedNote(parsing: bytes)
      let signature = try note.verified(by: keys)
      let head = try Checkpoint(parsing: note.body)
      let key = keys.first { $0.name == signature.name && $0.keyID == signature.keyID }
      return key.map { (head, $0) }
    } catch {
      report.add(Finding(error, file: "checkpoint"))
      return nil
    }
  }

  /// A folder that is named by a tenant must hold that tenant's log.
  private func checkFolderName(_ head: Checkpoint, _ report: inout VerificationReport) {
    let name = (folder as NSString).lastPathComponent
    guard let tenant = UUID(uuidString: name) else { return }
    if LogOrigin(head.origin)?.tenant != tenant {
      report.add(Finding(.origin, file: "checkpoint", "the folder holds another tenant's log"))
    }
  }

  private func checkVerifierKey(_ files: ArchiveFolder, _ key: NoteKey, _ report: inout VerificationReport) {
    do {
      let found = try files.read("vkey", maximum: 1024)
      if found != Array((key.text + "\n").utf8) {
        report.add(Finding(.verifierKey, file: "vkey", "not the key that signed the checkpoint"))
      }
    } catch { report.add(Finding(error, file: "vkey")) }
  }

  private func readHeld(_ head: Checkpoint, _ report: inout VerificationReport) -> Checkpoint? {
    guard let held else { return nil }
    do {
      try held.verified(by: keys)
      let checkpoint = try Checkpoint(parsing: held.body)
      if checkpoint.origin != head.origin {
        report.add(Finding(.origin, file: "checkpoint", "the held checkpoint is of another log"))
      } else if checkpoint.size > head.size {
        report.add(Finding(.rollback, file: "checkpoint", "the log is shorter than when it was last seen"))
      } else {
        return checkpoint
      }
    } catch { report.add(Finding(.signature, "the held checkpoint: \(error.description)")) }
    return nil
  }

  private func stream(
    _ tree: TreeCheck, _ head: Checkpoint, _ layout: LayoutCheck, _ report: inout VerificationReport,
    _ progress: (UInt64, UInt64) -> Void
  ) {
    var tree = tree
    let check = BundleCheck(
      reader: ArchiveReader(folder: folder), origin: head.origin, size: head.size, superseded: layout.superseded)
    let bundles = head.size / 256 + (head.size % 256 == 0 ? 0 : 1)
    var next: UInt64 = 0
    while next < bundles {
      let count = Int(min(UInt64(workers), bundles - next))
      for result in Self.results(check, from: next, count: count) { tree.add(result, &report) }
      next += UInt64(count)
      progress(min(next * 256, head.size), head.size)
      // A size that was only claimed must not be walked through bundle by missing bundle.
      if report.omitted > 0 { break }
    }
    tree.finish(&report)
  }

  private static func results(_ check: BundleCheck, from start: UInt64, count: Int) -> [BundleResult] {
    if count == 1 { return [check.check(start)] }
    let results = Mutex<[BundleResult?]>(Array(repeating: nil, count: count))
    DispatchQueue.concurrentPerform(iterations: count) { offset in
      let result = check.check(start + UInt64(offset))
      results.withLock { $0[offset] = result }
    }
    return results.withLock { $0.compactMap(\.self) }
  }
}
