import Audit
import Foundation
import Signing

/// Copies a tenant's log into an auditor's folder, and goes on from what is there.
///
/// Order matters: the checkpoint first, then everything that it covers, then the erasure ledger (which the log must
/// not be ahead of), then the comparison with the checkpoint that was held, the checkpoints between both and the
/// manifests; only then the new checkpoint takes the place of the old one. Whatever stops it, the folder holds a log
/// that was accepted.
///
/// Entries may be deleted at the end of their time meanwhile: then the retention note is newer than the checkpoint, and
/// what the note repeats from the log is not under it yet. The checkpoint is fetched again, and what it covers besides.
struct LogDownload {
  /// The largest erasure ledger of one tenant that is taken, in bytes.
  static let maximumLedgerBytes = 64 << 20
  /// How many files are asked for at once.
  static let concurrency = 8
  /// How many checkpoints are tried when entries are being deleted meanwhile.
  static let attempts = 3

  /// What an export did.
  struct Outcome: Sendable, Equatable {
    /// The log as it is held now.
    let checkpoint: Checkpoint
    /// How many entries were held before; nil for a new copy.
    let heldBefore: UInt64?
    /// How many files were downloaded.
    let files: Int
    /// The folder of the log.
    let folder: String
  }

  let client: ServiceClient
  let log: HeldLog
  /// The keys that the auditor has from somewhere else; empty to believe the server the first time.
  let keys: [NoteKey]
  /// Whether files that are here already are downloaded again.
  let again: Bool
  let progress: @Sendable (_ done: UInt64, _ total: UInt64) -> Void

  /// Downloads, compares, and accepts.
  func run() async throws -> Outcome {
    var earlier: [TilePath] = []
    for _ in 1..<Self.attempts {
      if let outcome = try await attempt(&earlier, isLast: false) { return outcome }
    }
    if let outcome = try await attempt(&earlier, isLast: true) { return outcome }
    throw Self.unannounced
  }

  /// Tries one checkpoint.
  ///
  /// - Parameters:
  ///   - earlier: the files of the checkpoints that were tried before.
  ///   - isLast: whether the log is refused when the retention note doesn't go with it.
  /// - Returns: `nil` when the retention note is newer than the checkpoint.
  private func attempt(_ earlier: inout [TilePath], isLast: Bool) async throws -> Outcome? {
    let remote = RemoteLog(client: client)
    // The checkpoint first: whatever key signed it is among those that are named afterwards.
    let (note, head) = try await remote.checkpoint()
    let offered = try await remote.keys()
    try Self.compare(note, head, with: offered)
    let known = try knownKeys(offered, note)
    let held = try heldCheckpoint()
    try Self.compare(held, head)
    let places = TilePlan.places(size: head.size)
    let trusted = Set(TilePlan.places(size: held?.size ?? 0))
    let missing = places.filter { !log.has($0) || (again && !trusted.contains($0)) }
    let lacking: [TilePath]
    let ledger: [UInt8]
    let signed: [NoteKey]
    let retention: OfferedRetention?
    let exported: [RemoteLog.ExportedCheckpoint]?
    let manifests: [SignedNote]
    do {
      lacking = try await download(missing, remote)
      ledger = try await downloadLedger()
      let files = FetchedLog(reader: log.reader) { place in try await fetch(place, remote) }
      signed = try await KeySuccession(remote: remote, log: files, note: note, head: head)
        .believed(offered, known: known, held: held?.size ?? 0)
      let expired: UInt64
      (retention, expired) = try await downloadRetention(remote, keys: signed, head)
      try Self.permit(lacking, expired)
      guard try isAnnounced(retention, head) else {
        if isLast { throw Self.unannounced }
        earlier += places
        return nil
      }
      try verify(held, head, expired: expired)
      exported = try await downloadCheckpoints(remote, head, keys: signed, files, note)
      // A copy without all checkpoints can't be compared with the manifests that count them.
      manifests = exported == nil ? [] : try await downloadManifests(remote, head, keys: signed)
    } catch let failure as Failure where failure.status == .notValid {
      // Files of a log that isn't the one held must not be taken for good ones the next time.
      let doubtful = (earlier + places).filter { !trusted.contains($0) }
      log.remove(doubtful + doubtful.map(\.full).filter { !trusted.contains($0) })
      throw failure
    }
    try log.writeLedger(ledger)
    // Where nothing is missing here, the log is whole without the note, and until it is there the old one will do.
    if let retention, !lacking.isEmpty { try log.write(retention: retention.note) }
    try log.accept(note, keys: signed)
    for checkpoint in exported ?? [] { try log.write(checkpoint.note, checkpoint: checkpoint.size) }
    if !log.hasCheckpoint(head.size) {
      try log.write(try Self.withoutWitnesses(note, keys: signed), checkpoint: head.size)
    }
    let count = log.manifestCount()
    for (index, manifest) in manifests.enumerated() { try log.write(manifest, manifest: count + UInt64(index)) }
    if let retention, lacking.isEmpty { try log.write(retention: retention.note) }
    let needed = Set(places)
    log.remove((earlier + trusted).filter { !$0.isFull && !needed.contains($0) })
    log.removeLeftovers()
    return Outcome(checkpoint: head, heldBefore: held?.size, files: missing.count, folder: log.folder)
  }

  // MARK: Head

  /// Which of the service's keys are believed to begin with: those held, those given, or else those that signed.
  private func knownKeys(_ offered: [NoteKey], _ note: SignedNote) throws(Failure) -> [NoteKey] {
    let held = try log.verifierKeys()
    guard offered.starts(with: held) else {
      throw Failure(.notValid, "the server names another verifier key than the one that is held")
    }
    guard keys.isEmpty || keys.contains(where: offered.contains) else {
      throw Failure(.notValid, "the server's verifier key is not the given one")
    }
    if !held.isEmpty { return held }
    return offered.filter { keys.isEmpty ? KeySuccession.isSigned(note, by: $0) : keys.contains($0) }
  }

  private static func compare(_ note: SignedNote, _ head: Checkpoint, with offered: [NoteKey]) throws(Failure) {
    do { try note.verified(by: offered) } catch { throw Failure(.notValid, "the server's checkpoint: \(error)") }
    guard offered.first?.name == head.origin else { throw Failure(.notValid, "the checkpoint is of another log") }
  }

  private func heldCheckpoint() throws(Failure) -> Checkpoint? {
    guard let note = try log.checkpoint() else { return nil }
    let keys = try log.verifierKeys()
    do {
      try note.verified(by: keys)
      return try Checkpoint(parsing: note.body)
    } catch { throw Failure(.notValid, "the held checkpoint: \(error)") }
  }

  /// The note as the log signed it, so as its archive has it.
  private static func withoutWitnesses(_ note: SignedNote, keys: [NoteKey]) throws(AuditError) -> SignedNote {
    try SignedNote(
      body: note.body,
      signatures: note.signatures.filter { line in keys.contains { $0.name == line.name && $0.keyID == line.keyID } })
  }

  private static func compare(_ held: Checkpoint?, _ head: Checkpoint) throws(Failure) {
    guard let held else { return }
    guard held.origin == head.origin else { throw Failure(.notValid, "the folder holds another log") }
    guard held.size <= head.size else {
      throw Failure(.notValid, "rollback: \(held.size) entries are held, the server shows \(head.size)")
    }
    guard held.size < head.size || held.root == head.root else {
      throw Failure(.notValid, "fork: the server shows other entries than those that are held")
    }
  }

  // MARK: Files

  /// Downloads files, and gives the entry bundles that the service has no more.
  private func download(_ places: [TilePath], _ remote: RemoteLog) async throws -> [TilePath] {
    let total = UInt64(places.count)
    progress(0, total)
    return try await withThrowingTaskGroup(of: TilePath?.self) { group in
      func add(_ place: TilePath) {
        group.addTask { try await fetch(place, remote) ? nil : place }
      }
      var rest = places[...]
      for place in rest.prefix(Self.concurrency) { add(place) }
      rest = rest.dropFirst(Self.concurrency)
      var done: UInt64 = 0
      var lacking: [TilePath] = []
      while let lacked = try await group.next() {
        done += 1
        progress(done, total)
        if let lacked {
          guard case .entries = lacked.content else { throw Self.lacks(lacked) }
          lacking.append(lacked)
        }
        if let place = rest.popFirst() { add(place) }
      }
      return lacking
    }
  }

  /// Downloads one file; false when the service doesn't have it. A partial one may have given way to the full one
  /// since the checkpoint was signed.
  private func fetch(_ place: TilePath, _ remote: RemoteLog) async throws -> Bool {
    guard let found = try await remote.found(place) else { return false }
    try log.write(found.place, found.bytes)
    return true
  }

  /// That every bundle that the service lacks ends where the entries begin that are kept.
  private static func permit(_ lacking: [TilePath], _ firstKept: UInt64) throws(Failure) {
    for place in lacking.sorted(by: { $0.index < $1.index })
    where place.index * UInt64(TilePath.fullWidth) + UInt64(place.width) > firstKept {
      throw lacks(place)
    }
  }

  private static func lacks(_ place: TilePath) -> Failure {
    Failure(.notValid, "the server lacks \(place.text), which its checkpoint covers")
  }

  /// The note that says which entries may be missing, if it is another one than the one held, and the first entry that
  /// is kept.
  private func downloadRetention(
    _ remote: RemoteLog, keys: [NoteKey], _ head: Checkpoint
  ) async throws -> (OfferedRetention?, UInt64) {
    let held = try log.retention().map { note throws(Failure) in
      try OfferedRetention(note, keys: keys, origin: head.origin, name: "the held retention note")
    }
    let before = held?.content.firstKept ?? 0
    guard let note = try await remote.retention() else {
      guard before == 0 else { throw Failure(.notValid, "the server has no retention note any more") }
      return (nil, 0)
    }
    let offered = try OfferedRetention(
      note, keys: keys, origin: head.origin, name: "the server's retention note")
    guard offered.content.firstKept >= before else {
      throw Failure(.notValid, "the server's retention note goes back")
    }
    // What is held was compared with an older checkpoint already.
    return (note == held?.note ? nil : offered, offered.content.firstKept)
  }

  private func isAnnounced(_ retention: OfferedRetention?, _ head: Checkpoint) throws(Failure) -> Bool {
    do { return try retention?.isAnnounced(in: log.reader, size: head.size) ?? true } catch {
      throw Failure(.notValid, "the downloaded log: \(error)")
    }
  }

  private static let unannounced = Failure(
    .notValid, "no entry that the server's checkpoint covers says what its retention note says")

  /// The checkpoints that are not here yet, each compared with the log; nil when the service doesn't list them.
  private func downloadCheckpoints(
    _ remote: RemoteLog, _ head: Checkpoint, keys: [NoteKey], _ files: FetchedLog, _ note: SignedNote
  ) async throws -> [RemoteLog.ExportedCheckpoint]? {
    var found: [RemoteLog.ExportedCheckpoint] = []
    // Those that a manifest counts were written before the manifest was.
    let count = log.manifestCount()
    var last = count == 0 ? nil : try Manifest(parsing: log.manifest(count - 1).body).end
    while let page = try await remote.checkpoints(above: last) {
      for exported in page where exported.size <= head.size && !log.hasCheckpoint(exported.size) {
        let name = "the server's checkpoint of size \(exported.size)"
        do {
          try exported.note.verified(by: keys)
          let checkpoint = try Checkpoint(parsing: exported.note.body)
          guard checkpoint.origin == head.origin, checkpoint.size == exported.size,
            try await PrefixProof.compare(checkpoint, with: note, head, in: files) == .continues
          else { throw Failure(.notValid, "\(name) is not of this log") }
        } catch let error as AuditError { throw Failure(.notValid, "\(name): \(error)") }
        found.append(exported)
      }
      guard let size = page.last?.size, size < head.size else { return found }
      last = size
    }
    return nil
  }

  /// The manifests that are not here yet, of segments that the checkpoint covers, each behind the one before it.
  private func downloadManifests(
    _ remote: RemoteLog, _ head: Checkpoint, keys: [NoteKey]
  ) async throws -> [SignedNote] {
    guard let origin = LogOrigin(head.origin) else { return [] }
    var found: [SignedNote] = []
    var number = log.manifestCount()
    do {
      var previous = Manifest.genesis(origin)
      var first: UInt64 = 0
      if number > 0 {
        let last = try Manifest(parsing: log.manifest(number - 1).body)
        (previous, first) = (last.hash, last.end)
      }
      while let note = try await remote.manifest(number) {
        try note.verified(by: keys)
        let manifest = try Manifest(parsing: note.body)
        guard manifest.end <= head.size else { break }
        guard manifest.origin == origin, manifest.number == number, manifest.previous == previous,
          manifest.first == first
        else { throw Failure(.notValid, "the server's \(Manifest.path(number)) doesn't continue the one before") }
        found.append(note)
        (previous, first) = (manifest.hash, manifest.end)
        number += 1
      }
      return found
    } catch let error as AuditError {
      throw Failure(.notValid, "the server's \(Manifest.path(number)): \(error)")
    }
  }

  /// The tenant's lines of the ledger, once they are known to be well-formed and to continue those held.
  private func downloadLedger() async throws -> [UInt8] {
    let bytes = try await client.bytes("/audit/ledger", maximumBytes: Self.maximumLedgerBytes)
    let held = try log.ledgerBytes()
    guard bytes.starts(with: held) else {
      throw Failure(.notValid, "the erasure ledger doesn't continue the one that is held")
    }
    do {
      let records = try ErasureLedger(path: try log.stageLedger(bytes)).records()
      guard records.allSatisfy({ $0.tenant == client.session.claims.tenant }) else {
        throw Failure(.notValid, "the erasure ledger has another tenant's lines")
      }
    } catch let error as AuditError {
      throw Failure(.notValid, "the server's erasure ledger: \(error)")
    }
    return bytes
  }

  // MARK: Comparison

  /// That the downloaded tiles lead to the signed root, and begin with what was held.
  private func verify(_ held: Checkpoint?, _ head: Checkpoint, expired: UInt64) throws(Failure) {
    guard head.size > 0 else {
      guard head.root == MerkleTree.emptyRoot else { throw Failure(.notValid, "the empty log has another root") }
      return
    }
    do {
      let last = head.size - 1
      let leaf =
        last < expired
        ? try log.reader.leafHash(at: last, size: head.size)
        : MerkleTree.leafHash(try log.reader.entry(at: last, size: head.size))
      let proof = try log.reader.inclusionProof(index: last, size: head.size)
      guard MerkleTree.verifyInclusion(leaf: leaf, index: last, size: head.size, proof: proof, root: head.root) else {
        throw Failure(.notValid, "the downloaded files don't lead to the signed root")
      }
      guard let held else { return }
      let consistency = try log.reader.consistencyProof(from: held.size, to: head.size)
      guard
        MerkleTree.verifyConsistency(
          from: held.size, to: head.size, oldRoot: held.root, newRoot: head.root, proof: consistency)
      else { throw Failure(.notValid, "fork: the log doesn't continue the checkpoint that is held") }
    } catch let failure as Failure {
      throw failure
    } catch {
      throw Failure(.notValid, "the downloaded log: \(error)")
    }
  }
}
