import Audit
import Foundation
import Signing

/// Copies a tenant's log into an auditor's folder, and goes on from what is there.
///
/// Order matters: the checkpoint first, then everything that it covers, then the erasure ledger (which the log must
/// not be ahead of), then the comparison with the checkpoint that was held; only then the new checkpoint takes the
/// place of the old one. Whatever stops it, the folder holds a log that was accepted.
struct LogDownload {
  /// The largest erasure ledger of one tenant that is taken, in bytes.
  static let maximumLedgerBytes = 64 << 20
  /// How many files are asked for at once.
  static let concurrency = 8

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
    let key = try await verifierKey()
    let (note, head) = try await checkpoint(key)
    let held = try heldCheckpoint(key)
    try Self.compare(held, head)
    let places = TilePlan.places(size: head.size)
    let trusted = Set(TilePlan.places(size: held?.size ?? 0))
    let missing = places.filter { !log.has($0) || (again && !trusted.contains($0)) }
    let ledger: [UInt8]
    do {
      try await download(missing)
      ledger = try await downloadLedger()
      try verify(held, head)
    } catch let failure as Failure where failure.status == .notValid {
      // Files of a log that isn't the one held must not be taken for good ones the next time.
      let doubtful = places.filter { !trusted.contains($0) }
      log.remove(doubtful + doubtful.map(Self.full).filter { !trusted.contains($0) })
      throw failure
    }
    try log.writeLedger(ledger)
    try log.accept(note, head, key: key)
    let needed = Set(places)
    log.remove(trusted.filter { !$0.isFull && !needed.contains($0) })
    log.removeLeftovers()
    return Outcome(checkpoint: head, heldBefore: held?.size, files: missing.count, folder: log.folder)
  }

  // MARK: Head

  private func verifierKey() async throws -> NoteKey {
    let text = String(decoding: try await client.bytes("/audit/key"), as: UTF8.self)
    guard text.hasSuffix("\n"), let key = NoteKey(String(text.dropLast())) else {
      throw Failure(.refused, "the server's answer is not a verifier key")
    }
    if let held = try log.verifierKey(), held != key {
      throw Failure(.notValid, "the server names another verifier key than the one that is held")
    }
    guard keys.isEmpty || keys.contains(key) else {
      throw Failure(.notValid, "the server's verifier key is not the given one")
    }
    return key
  }

  private func checkpoint(_ key: NoteKey) async throws -> (SignedNote, Checkpoint) {
    guard let bytes = try await client.bytesIfPresent("/audit/checkpoint") else {
      throw Failure(.refused, "the log has no checkpoint yet; the service publishes one within a minute")
    }
    do {
      let note = try SignedNote(parsing: bytes)
      try note.verified(by: [key])
      let head = try Checkpoint(parsing: note.body)
      guard head.origin == key.name, LogOrigin(head.origin)?.tenant == client.session.claims.tenant else {
        throw Failure(.notValid, "the checkpoint is of another log")
      }
      return (note, head)
    } catch let error as AuditError {
      throw Failure(.notValid, "the server's checkpoint: \(error)")
    }
  }

  private func heldCheckpoint(_ key: NoteKey) throws(Failure) -> Checkpoint? {
    guard let note = try log.checkpoint() else { return nil }
    do {
      try note.verified(by: [key])
      return try Checkpoint(parsing: note.body)
    } catch { throw Failure(.notValid, "the held checkpoint: \(error)") }
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

  private func download(_ places: [TilePath]) async throws {
    let total = UInt64(places.count)
    progress(0, total)
    try await withThrowingTaskGroup(of: Void.self) { group in
      var rest = places[...]
      for place in rest.prefix(Self.concurrency) { group.addTask { try await fetch(place) } }
      rest = rest.dropFirst(Self.concurrency)
      var done: UInt64 = 0
      while try await group.next() != nil {
        done += 1
        progress(done, total)
        if let place = rest.popFirst() { group.addTask { try await fetch(place) } }
      }
    }
  }

  /// Downloads one file. A partial one may have given way to the full one since the checkpoint was signed.
  private func fetch(_ place: TilePath) async throws {
    if let bytes = try await bytes(place) { return try log.write(place, bytes) }
    let full = Self.full(place)
    guard !place.isFull, let bytes = try await bytes(full) else {
      throw Failure(.notValid, "the server lacks \(place.text), which its checkpoint covers")
    }
    try log.write(full, bytes)
  }

  private func bytes(_ place: TilePath) async throws -> [UInt8]? {
    let maximum =
      switch place.content {
      case .hashes: place.width * SHA256Digest.byteCount
      case .entries: place.width * (2 + Entry.maximumBytes)
      }
    let found = try await client.bytesIfPresent("/audit/\(place.text)", maximumBytes: max(maximum, 65_536))
    guard let bytes = found else { return nil }
    if case .hashes = place.content, bytes.count != maximum {
      throw Failure(.notValid, "the server's \(place.text) has not the length of its hashes")
    }
    return bytes
  }

  private static func full(_ place: TilePath) -> TilePath {
    switch place.content {
    case .hashes(let level): .tile(level: level, index: place.index)
    case .entries: .entries(index: place.index)
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
  private func verify(_ held: Checkpoint?, _ head: Checkpoint) throws(Failure) {
    guard head.size > 0 else {
      guard head.root == MerkleTree.emptyRoot else { throw Failure(.notValid, "the empty log has another root") }
      return
    }
    do {
      let last = head.size - 1
      let leaf = MerkleTree.leafHash(try log.reader.entry(at: last, size: head.size))
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
