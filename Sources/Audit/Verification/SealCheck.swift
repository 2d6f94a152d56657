internal import Signing

/// What was signed besides the head: exported checkpoints, and the manifests of sealed segments.
///
/// It runs after the entries were read, when the log's keys are known. One note is held at a time.
struct SealCheck {
  let files: ArchiveFolder
  let reader: ArchiveReader
  let head: Checkpoint
  let keys: KeyChain
  /// The sizes of the exported checkpoints, ascending.
  let exported: [UInt64]
  /// The numbers of the manifests, ascending.
  let numbers: [UInt64]
  /// The size of the auditor's own checkpoint; what ends before it is counted only. 0 to verify everything.
  let since: UInt64
  /// Entries before this number may be missing.
  let firstKept: UInt64
  let options: VerifierOptions

  func run(_ report: inout VerificationReport) {
    let (position, start) = firstManifest()
    var checkpoints = ExportedCheckpoints(self, from: start)
    var chain = Link(number: 0, hash: LogOrigin(head.origin).map(Manifest.genesis), end: 0)
    if position > 0 {
      report.note("\(position) manifests from before the auditor's checkpoint were counted, not verified")
      let before = try? load(numbers[position - 1]).manifest
      chain = Link(number: numbers[position - 1] + 1, hash: before?.hash, end: before?.end ?? 0)
      report.sealed = min(chain.end, head.size)
    }
    if checkpoints.passed > 0 {
      report.note("\(checkpoints.passed) checkpoints from before the auditor's own were counted, not verified")
    }
    for number in numbers[position...] {
      if number != chain.number {
        report.add(Finding(.missing, file: Manifest.path(chain.number), "a segment has no manifest"))
      }
      verify(number, &chain, &checkpoints, &report)
      // An archive of nothing but wrong manifests need not be read to its end.
      if report.omitted > 0 { return }
    }
    checkpoints.verifyRest(&report)
    if checkpoints.unknown > 0 {
      report.note(
        "\(checkpoints.unknown) checkpoints are signed by a key that nothing here names: counted, not verified")
    }
  }

  /// What the next manifest has to continue.
  private struct Link {
    var number: UInt64
    /// SHA-256 of the body before; `nil` when that can't be read.
    var hash: SHA256Digest?
    var end: UInt64
  }

  /// Which manifest is the first to verify, and the size of the first checkpoint.
  ///
  /// That is the last manifest that begins before the auditor's checkpoint, so that one is always there to continue.
  private func firstManifest() -> (position: Int, size: UInt64) {
    guard since > 0 else { return (0, 0) }
    var position = numbers.count
    while position > 0 {
      position -= 1
      guard let manifest = try? load(numbers[position]).manifest else { return (position, since) }
      if manifest.first < since { return (position, position == 0 ? 0 : min(since, manifest.first + 1)) }
    }
    return (0, since)
  }

  private func load(_ number: UInt64) throws(AuditError) -> (note: SignedNote, manifest: Manifest) {
    let name = Manifest.path(number)
    guard let bytes = try files.read(name, maximum: Manifest.maximumBytes) else {
      throw AuditError(.missing, file: name)
    }
    let note = try SignedNote(parsing: bytes, maximumBytes: Manifest.maximumBytes)
    return (note, try Manifest(parsing: note.body))
  }

  private func verify(
    _ number: UInt64, _ chain: inout Link, _ checkpoints: inout ExportedCheckpoints,
    _ report: inout VerificationReport
  ) {
    let path = Manifest.path(number)
    let before = chain
    chain = Link(number: number == .max ? number : number + 1, hash: nil, end: before.end)
    let manifest: Manifest
    var sound = true
    do {
      let (note, found) = try load(number)
      chain.hash = found.hash
      chain.end = found.end
      manifest = found
      sound = try keys.verify(note, notBefore: found.end)
      if !sound { report.note("\(path) is signed by a key that nothing here names") }
    } catch { return report.add(Finding(error, file: path)) }
    guard manifest.origin.text == head.origin else {
      return report.add(Finding(.origin, file: path, "the manifest of another log"))
    }
    guard manifest.end <= head.size else {
      return report.add(Finding(.rollback, file: path, "it seals entries beyond the file `checkpoint`"))
    }
    func refuse(_ text: String) {
      sound = false
      report.add(Finding(.manifest, file: path, text))
    }
    if manifest.number != number { refuse("its number is not the one in its name") }
    if before.number == number, let hash = before.hash, manifest.previous != hash || manifest.first != before.end {
      refuse("does not continue the one before")
    } else if before.number != number {
      refuse("the one before is missing")
    }
    if manifest.files.map(\.place) != Manifest.places(first: manifest.first, end: manifest.end) {
      refuse("lists other files than it must")
    } else {
      let list = ManifestFiles(files: files, reader: reader, size: head.size, firstKept: firstKept, options: options)
      for finding in list.findings(manifest) where !report.findings.contains(finding) {
        sound = false
        report.add(finding)
      }
    }
    let (count, root) = checkpoints.verify(manifest, &report)
    if count != manifest.checkpointCount || root != manifest.checkpointRoot {
      sound = false
      report.add(Finding(.digest, file: path, "the checkpoints of the segment are not those that it counts"))
    }
    report.sealed = max(report.sealed, manifest.end)
    if sound { report.manifests += 1 }
  }
}

/// The exported checkpoints, each read once: whose they are, and their hashes for the manifest that counts them.
private struct ExportedCheckpoints {
  /// How many are passed over.
  let passed: Int
  /// How many were verified before by keys that aren't known any more.
  private(set) var unknown = 0
  private let check: SealCheck
  private var rest: ArraySlice<UInt64>

  init(_ check: SealCheck, from start: UInt64) {
    self.check = check
    let published = check.exported.filter { $0 <= check.head.size }
    rest = published.drop { $0 < start }
    passed = published.count - rest.count
  }

  /// Verifies the checkpoints of a segment, and those before it that belong to none.
  ///
  /// - Returns: how many the segment has, and the Merkle root over their bytes.
  mutating func verify(_ manifest: Manifest, _ report: inout VerificationReport) -> (Int, SHA256Digest) {
    var tree = TreeFrontier()
    while let size = rest.first, size <= manifest.end {
      rest.removeFirst()
      let bytes = verify(size, &report)
      guard size > manifest.first || manifest.number == 0, let bytes else { continue }
      tree.append(MerkleTree.leafHash(bytes))
    }
    return (Int(clamping: tree.size), tree.root)
  }

  mutating func verifyRest(_ report: inout VerificationReport) {
    while let size = rest.popFirst() { _ = verify(size, &report) }
  }

  /// The bytes of a checkpoint; what is wrong with them besides the signature was found with the tree.
  private mutating func verify(_ size: UInt64, _ report: inout VerificationReport) -> [UInt8]? {
    let name = ArchiveWriter.checkpointName(size)
    guard let bytes = try? check.files.read(name, maximum: SignedNote.maximumBytes) else { return nil }
    do {
      let note = try SignedNote(parsing: bytes)
      if try check.keys.verify(note, size: size) { report.checkpoints += 1 } else { unknown += 1 }
    } catch {
      let finding = Finding(error, file: name)
      if !report.findings.contains(finding) { report.add(finding) }
    }
    return bytes
  }
}
