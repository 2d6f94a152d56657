internal import Foundation
internal import Signing

/// Verifies one tenant's folder of the archive offline, trusting nothing but the keys it is given.
///
/// Entries are streamed a bundle at a time, so that the memory needed does not grow with the log; it grows
/// by a few bytes for each exported checkpoint and manifest, and by 64 for each line of the erasure ledger. The order
/// of the checks and their codes are in `docs/audit-log-spec.md`.
///
/// One key of a log is enough: the others are learnt from its entries, once a checkpoint over them is verified.
public struct ArchiveVerifier: Sendable {
  private let folder: String
  private let keys: [NoteKey]
  private let held: SignedNote?
  private let since: SignedNote?
  private let ledger: ErasureLedger?
  private let options: VerifierOptions

  /// Verifies the log in `folder`.
  ///
  /// - Parameters:
  ///   - folder: the tenant's folder, or a copy of it.
  ///   - keys: one or more of the log's verifier keys, from somewhere else than this folder; others are ignored.
  ///   - held: the last checkpoint that the auditor kept; without it a truncated log looks whole.
  ///   - since: a checkpoint up to which the auditor has verified this log already: entries before it are not read
  ///     again, only their hashes; whatever was signed before it is counted only. It is compared like `held`. Where
  ///     the keys that were given lead to the head's only by way of those entries, they are read after all.
  ///   - ledger: the erasure ledger to compare with; `nil` leaves that check out.
  ///   - options: threads, clock, and what else is checked.
  public init(
    folder: String, keys: [NoteKey], held: SignedNote? = nil, since: SignedNote? = nil, ledger: ErasureLedger? = nil,
    options: VerifierOptions
  ) {
    self.folder = folder
    self.keys = keys
    self.held = held
    self.since = since
    self.ledger = ledger
    self.options = options
  }

  /// Verifies the log in `folder` with nothing but the usual checks.
  ///
  /// - Parameter workers: how many bundles are hashed at once; 1 to 16.
  public init(
    folder: String, keys: [NoteKey], held: SignedNote? = nil, ledger: ErasureLedger? = nil, workers: Int = 1
  ) {
    self.init(folder: folder, keys: keys, held: held, ledger: ledger, options: VerifierOptions(workers: workers))
  }

  /// The verifier keys beside a log, the oldest first; none when there is no file `vkey`.
  ///
  /// They show that the log is consistent, not who wrote it.
  ///
  /// - Throws: `.notRegular` for a link or a device, `.tooLarge`, `.malformed`, `.inputOutput`.
  public static func keys(beside folder: String) throws(AuditError) -> [NoteKey] {
    try readVerifierKeys(ArchiveFolder(root: folder)) ?? []
  }

  /// Runs every check. Never throws: what cannot be read is a finding.
  ///
  /// - Parameter progress: called now and then with the entries done and the entries in the log.
  public func verify(progress: (UInt64, UInt64) -> Void = { _, _ in }) -> VerificationReport {
    if let report = verify(readingAll: false, progress) { return report }
    return verify(readingAll: true, progress) ?? VerificationReport(folder: folder)
  }

  /// Runs every check.
  ///
  /// - Parameter readingAll: whether entries that were verified before are read again.
  /// - Returns: `nil` when the log's keys can't be told without them.
  private func verify(readingAll: Bool, _ progress: (UInt64, UInt64) -> Void) -> VerificationReport? {
    var report = VerificationReport(folder: folder)
    let files = ArchiveFolder(root: folder)
    guard let head = readHead(files, &report) else { return report }
    let checkpoint = head.checkpoint
    checkFolderName(checkpoint, &report)

    var layout = LayoutCheck(files: files, size: checkpoint.size)
    layout.run(&report)
    for size in layout.exported where size > checkpoint.size {
      report.add(
        Finding(.rollback, file: ArchiveWriter.checkpointName(size), "newer than the file `checkpoint`"))
    }
    let retention = RetentionCheck(files: files, origin: checkpoint.origin, size: checkpoint.size, &report)
    let known = [held, since].map { $0.flatMap { HeldCheckpoint($0, head: checkpoint) } }
    let reader = ArchiveReader(folder: folder)
    let start = readingAll ? TreeStart() : treeStart(known[1], checkpoint, reader, &report)
    let lines = ledger.flatMap { ledger in
      LogOrigin(checkpoint.origin)?.tenant.flatMap { LedgerCheck(ledger, tenant: $0, &report) }
    }
    var tree = TreeCheck(
      reader: reader, head: checkpoint, start: start, layout: layout,
      checkpoints: CheckpointCheck(
        files: files, origin: checkpoint.origin, held: known.compactMap { $0?.comparable }),
      ledger: lines, retention: retention.content, options: options)
    let bundles = BundleCheck(
      reader: reader, origin: checkpoint.origin, size: checkpoint.size, superseded: layout.superseded,
      firstKept: retention.firstKept, allowedGap: options.allowedGap)
    stream(&tree, bundles, start, checkpoint.size, &report, progress)

    var story = tree.story
    let vkey = layout.hasVerifierKey ? readVerifierKeys(files, &report) : nil
    let isKnown = resolve(&story.keys, head, layout.exported, files, &report)
    if start.size > 0,
      !isKnown || KeyChain.hasStranger(head.note, origin: checkpoint.origin, among: keys + story.keys.keys)
    {
      return nil
    }
    guard isKnown else { return report }
    // Replacements in entries that were not read can't be learnt; what they signed is under the root all the same.
    story.keys.takeOlder(
      vkey ?? [], deletedBefore: report.expired > 0 ? retention.firstKept : 0, given: keys, passed: start.size)
    for key in story.keys.older where !keys.contains(key) {
      report.note("the key \(key.text) is known from the file `vkey` only: its replacement was not read")
    }
    if readingAll { report.note("all entries were read: the key in use was announced before the auditor's checkpoint") }
    report.keys = story.keys.keys.count
    if let vkey {
      checkVerifierKeys(vkey, story.keys, complete: start.size == 0 && report.expired == 0, &report)
    }
    for held in known {
      held?.verify(keys + story.keys.keys + story.keys.olderKeys(held?.comparable?.size ?? .max), &report)
    }
    SealCheck(
      files: files, reader: reader, head: checkpoint, keys: story.keys, exported: layout.exported,
      numbers: layout.manifests, since: known[1]?.comparable?.size ?? 0, firstKept: retention.firstKept,
      options: options
    ).run(&report)
    retention.finish(story, start: start.size, readLast: tree.hasReadLast, &report)
    return report
  }

  /// Verifies every tenant's folder of an archive, with the erasure ledger beside them.
  ///
  /// - Parameters:
  ///   - archive: the folder that holds one folder a tenant, and `erasures`.
  ///   - keys: the verifier keys of all logs, at least one each.
  ///   - held: checkpoints that the auditor kept, each for the log that its first line names.
  ///   - since: checkpoints up to which the logs were verified before, likewise.
  ///   - options: threads, clock, and what else is checked.
  ///   - progress: called with the folder's name, the entries done and the entries in that log.
  /// - Returns: one report a tenant, by folder name; a last one for the archive itself when it holds
  ///   something else, cannot be read, or lacks the log of a held checkpoint.
  public static func verifyAll(
    archive: String, keys: [NoteKey], held: [SignedNote] = [], since: [SignedNote] = [], options: VerifierOptions,
    progress: (String, UInt64, UInt64) -> Void = { _, _, _ in }
  ) -> [VerificationReport] {
    var whole = VerificationReport(folder: archive)
    var tenants: [String] = []
    var ledger: ErasureLedger? = ErasureLedger(path: archive + "/erasures/ledger")
    do {
      try ArchiveFolder(root: archive).list("") { name, kind in
        if kind == .folder, UUID(uuidString: name)?.uuidString.lowercased() == name {
          tenants.append(name)
        } else if (name, kind) != ("erasures", .folder) {
          whole.add(LayoutCheck.foreign(name, kind))
          if name == "erasures" { ledger = nil }
        }
      }
    } catch { whole.add(Finding(error, file: ".")) }
    func origins(_ notes: [SignedNote]) -> [(note: SignedNote, origin: String?)] {
      notes.map { note in (note: note, origin: (try? Checkpoint(parsing: note.body))?.origin) }
    }
    let (kept, read) = (origins(held), origins(since))
    let reports = tenants.sorted().map { tenant in
      func own(_ notes: [(note: SignedNote, origin: String?)]) -> SignedNote? {
        notes.first { $0.origin?.hasSuffix("/" + tenant) ?? false }?.note
      }
      return ArchiveVerifier(
        folder: archive + "/" + tenant, keys: keys, held: own(kept), since: own(read), ledger: ledger, options: options
      ).verify { done, total in progress(tenant, done, total) }
    }
    for note in kept + read where !tenants.contains(where: { note.origin?.hasSuffix("/" + $0) ?? false }) {
      whole.add(Finding(.missing, "the log of a held checkpoint is not in the archive"))
    }
    if tenants.isEmpty { whole.add(Finding(.missing, "the archive has no log")) }
    return whole.isValid ? reports : reports + [whole]
  }

  /// Verifies every tenant's folder of an archive with nothing but the usual checks.
  public static func verifyAll(
    archive: String, keys: [NoteKey], held: [SignedNote] = [], workers: Int = 1,
    progress: (String, UInt64, UInt64) -> Void = { _, _, _ in }
  ) -> [VerificationReport] {
    verifyAll(archive: archive, keys: keys, held: held, options: VerifierOptions(workers: workers), progress: progress)
  }
}

extension ArchiveVerifier {
  /// The file `checkpoint`, and whether a key that was given has signed it.
  private struct Head {
    let note: SignedNote
    let checkpoint: Checkpoint
  }

  /// Reads the head. Its signature may be by a key that the entries name later; a given key's must be right at once.
  private func readHead(_ files: ArchiveFolder, _ report: inout VerificationReport) -> Head? {
    do throws(AuditError) {
      guard let bytes = try files.read("checkpoint", maximum: SignedNote.maximumBytes) else {
        report.add(Finding(.missing, file: "checkpoint", "the log has no checkpoint"))
        return nil
      }
      let note = try SignedNote(parsing: bytes)
      let signers = note.signatures.filter { line in
        keys.contains { $0.name == line.name && $0.keyID == line.keyID }
      }
      if !signers.isEmpty { try note.verified(by: keys) }
      let checkpoint = try Checkpoint(parsing: note.body)
      // The key of another log can't lead to this one's.
      guard keys.contains(where: { $0.name == checkpoint.origin }) || !signers.isEmpty else {
        throw AuditError(.signature)
      }
      if !signers.isEmpty { report.trust(checkpoint) }
      return Head(note: note, checkpoint: checkpoint)
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

  /// Where to begin: before the auditor's checkpoint when there is one of this log, else at the beginning.
  private func treeStart(
    _ since: HeldCheckpoint?, _ head: Checkpoint, _ reader: ArchiveReader, _ report: inout VerificationReport
  ) -> TreeStart {
    guard let since = since?.comparable else { return TreeStart() }
    do {
      let start = try TreeStart(held: since.size, size: head.size, reader: reader)
      report.skipped = start.size
      return start
    } catch {
      report.add(
        error.code == .inconsistent
          ? Finding(.tile, file: error.file, "not what the tile above it says") : Finding(error, file: "tile"))
      return TreeStart()
    }
  }

  private func stream(
    _ tree: inout TreeCheck, _ check: BundleCheck, _ start: TreeStart, _ size: UInt64,
    _ report: inout VerificationReport, _ progress: (UInt64, UInt64) -> Void
  ) {
    let bundles = size / 256 + (size % 256 == 0 ? 0 : 1)
    BundlePipeline(check: check, workers: max(1, min(options.workers, 16))).run(start.size / 256..<bundles) { result in
      tree.add(result, &report)
      progress(min((result.index + 1) * 256, size), size)
      // A size that was only claimed must not be walked through bundle by missing bundle.
      return report.omitted == 0
    }
    tree.finish(&report)
  }

  /// Learns the log's keys. When none of those given leads to the head's, nothing in the folder means anything.
  private func resolve(
    _ chain: inout KeyChain, _ head: Head, _ exported: [UInt64], _ files: ArchiveFolder,
    _ report: inout VerificationReport
  ) -> Bool {
    let size = head.checkpoint.size
    var published = exported.filter { $0 <= size }
    if published.last != size { published.append(size) }
    do {
      try chain.resolve(given: keys, head: head.note, size: size, published: published) { size in
        let bytes = try? files.read(ArchiveWriter.checkpointName(size), maximum: SignedNote.maximumBytes)
        return bytes.flatMap { try? SignedNote(parsing: $0) }
      }
      report.trust(head.checkpoint)
      return true
    } catch {
      let finding = Finding(error, file: "checkpoint")
      if report.origin == nil {
        report = VerificationReport(folder: folder)
      }
      report.add(finding)
      return false
    }
  }

  private static func readVerifierKeys(_ files: ArchiveFolder) throws(AuditError) -> [NoteKey]? {
    try files.read("vkey", maximum: VerifierKeys.maximumBytes).map { bytes throws(AuditError) in
      try VerifierKeys(parsing: bytes).keys
    }
  }

  private func readVerifierKeys(_ files: ArchiveFolder, _ report: inout VerificationReport) -> [NoteKey]? {
    do { return try Self.readVerifierKeys(files) } catch {
      report.add(
        error.code == .malformed
          ? Finding(.verifierKey, file: "vkey", "holds something else than verifier keys")
          : Finding(error, file: "vkey"))
      return nil
    }
  }

  /// The file must have the log's keys in their order. One more may wait at its end for its first checkpoint; what
  /// comes before those that could be learnt is left alone when not all entries were read.
  private func checkVerifierKeys(
    _ found: [NoteKey], _ chain: KeyChain, complete: Bool, _ report: inout VerificationReport
  ) {
    let keys = chain.keys
    let begin = complete ? 0 : keys.first.flatMap(found.firstIndex(of:)) ?? 0
    let rest = Array(found[min(begin, found.count)...])
    guard rest.starts(with: keys), rest.count <= keys.count + 1, Set(found).count == found.count else {
      return report.add(Finding(.verifierKey, file: "vkey", "not the keys that signed the checkpoints"))
    }
    if rest.count > keys.count { report.note("the file `vkey` has a key that no published entry names yet") }
  }
}

/// A checkpoint that the auditor has from somewhere else.
private struct HeldCheckpoint {
  private let note: SignedNote
  private let checkpoint: Checkpoint?
  private let head: Checkpoint

  init(_ note: SignedNote, head: Checkpoint) {
    self.note = note
    self.head = head
    checkpoint = try? Checkpoint(parsing: note.body)
  }

  /// What the tree can be compared with: a checkpoint of this log, not larger than the head.
  var comparable: Checkpoint? {
    checkpoint.flatMap { $0.origin == head.origin && $0.size <= head.size ? $0 : nil }
  }

  func verify(_ keys: [NoteKey], _ report: inout VerificationReport) {
    do throws(AuditError) {
      try note.verified(by: keys)
      guard let checkpoint else { throw AuditError(.malformed) }
      if checkpoint.origin != head.origin {
        report.add(Finding(.origin, file: "checkpoint", "the held checkpoint is of another log"))
      } else if checkpoint.size > head.size {
        report.add(Finding(.rollback, file: "checkpoint", "the log is shorter than when it was last seen"))
      }
    } catch { report.add(Finding(.signature, "the held checkpoint: \(error.description)")) }
  }
}
