import Audit
import Foundation
import Signing
import Tokens

/// One round of a witness: looks at the log's newest checkpoint, and signs it if it continues everything seen before.
///
/// Order matters: the checkpoint is kept durably before it is signed, so that a witness that is stopped at any moment
/// never signs another one in its place; and the evidence of a conflict is kept before anything else happens.
struct WitnessRound {
  /// What a round did.
  enum Outcome: Sendable, Equatable {
    /// Signed and handed in.
    case cosigned(Checkpoint)
    /// The service has the cosignature of this checkpoint already.
    case unchanged(Checkpoint)
  }

  /// In how many rounds in a row the log may be shorter than before: the last one is a rollback.
  static let shorterRounds = 3

  let remote: RemoteLog
  let state: WitnessState
  /// The witness's key and the name that it signs under.
  let key: SigningKey
  let name: String
  /// Keys of the log that the witness has from elsewhere; empty to believe the server the first time.
  let keys: [NoteKey]
  var now: @Sendable () -> Int64 = UnixClock.now

  /// Runs the round.
  ///
  /// - Throws: `Failure`: with `.notValid` when the log doesn't verify, and for good once a conflict was found; other
  ///   statuses for what may pass.
  func run() async throws -> Outcome {
    try await state.locked {
      defer { state.removeTiles() }
      return try await look()
    }
  }

  /// What is said when a witness has met two logs under one name.
  static func ended(_ kind: WitnessState.ConflictKind, _ state: WitnessState) -> Failure {
    let what =
      switch kind {
      case .rollback: "rollback: the log is shorter than a checkpoint that was verified before"
      case .fork: "fork: the log doesn't continue a checkpoint that was verified before"
      }
    return Failure(.notValid, "\(what); the evidence is in \(state.conflictFolder), and nothing is signed any more")
  }

  // MARK: Comparison

  /// The round itself, once no other one is under way.
  private func look() async throws -> Outcome {
    if let conflict = try state.conflict() { throw Self.ended(conflict.kind, state) }
    let witness = try ownKey()
    let held = try state.checkpoint()
    let origin = try state.keys().first?.name
    if let origin, LogOrigin(origin)?.tenant != remote.client.session.claims.tenant {
      throw Failure(.refused, "\(state.folder) belongs to the log \(origin), not to that of this session")
    }
    let (note, head) = try await remote.checkpoint()
    if let origin, origin != head.origin { throw Failure(.notValid, "the checkpoint is of another log") }
    if let held, head.size <= held.head.size {
      return try await again(note, head, held)
    }
    let signed = try await verified(note, head, held)
    if try state.witness() == nil { try state.write(witness: witness) }
    if try state.keys() != signed { try state.write(keys: signed) }
    try state.write(checkpoint: note)
    try state.clearShorterRounds()
    return try await cosign(note, head)
  }

  /// A checkpoint that is not larger than the one held: the same one, an old answer, or a conflict.
  private func again(
    _ note: SignedNote, _ head: Checkpoint, _ held: (note: SignedNote, head: Checkpoint)
  ) async throws -> Outcome {
    let known = try state.keys()
    // Of the held size, a key counts that signed then: a retired one that was stolen later shows nothing.
    let entitled = head.size < held.head.size ? known : known.filter { KeySuccession.isSigned(held.note, by: $0) }
    do { try note.verified(by: entitled) } catch { throw Failure(.notValid, "the server's checkpoint: \(error)") }
    guard head.size == held.head.size else { throw try await shorter(note, head, held) }
    guard head.root == held.head.root else { throw try stop(.fork, held: held.note, shown: note, proof: "") }
    try state.clearShorterRounds()
    if let submitted = try state.submitted(), submitted.body == held.note.body { return .unchanged(head) }
    return try await cosign(held.note, head)
  }

  /// A checkpoint that is smaller than the one held: a fork when other entries are proved; else, since a cache or a
  /// replica that lags may have answered, a rollback only when it isn't the first time in a row.
  private func shorter(
    _ note: SignedNote, _ head: Checkpoint, _ held: (note: SignedNote, head: Checkpoint)
  ) async throws -> Failure {
    if let proof = try await forkProof(head, held) {
      return try stop(.fork, held: held.note, shown: note, proof: proof)
    }
    let count = try state.shorterRounds() + 1
    guard count < Self.shorterRounds else { return try stop(.rollback, held: held.note, shown: note, proof: "") }
    try state.write(shorterRounds: count)
    return Failure(
      .notValid,
      "the log is shorter than before (\(head.size) entries, not \(held.head.size)), for the \(count). of "
        + "\(Self.shorterRounds) rounds in a row; nothing is signed")
  }

  /// What proves that the log held doesn't begin with a smaller checkpoint; nil when it does, or nothing is proved.
  private func forkProof(
    _ head: Checkpoint, _ held: (note: SignedNote, head: Checkpoint)
  ) async throws -> String? {
    let log = try files()
    do {
      guard case .forks(let proof) = try await PrefixProof.compare(head, with: held.note, held.head, in: log) else {
        return nil
      }
      return proof
    } catch let error as CancellationError {
      throw error
    } catch {
      // Without the files of the longer log nothing is shown; that doesn't excuse the service.
      return nil
    }
  }

  /// Verifies a checkpoint that is larger than the one held, or the first one, and gives the log's keys.
  private func verified(
    _ note: SignedNote, _ head: Checkpoint, _ held: (note: SignedNote, head: Checkpoint)?
  ) async throws -> [NoteKey] {
    let files = try files()
    do {
      let offered = try await remote.keys()
      let succession = KeySuccession(remote: remote, log: files, note: note, head: head)
      let signed = try await succession.believed(
        offered, known: try known(offered, note), held: held?.head.size ?? 0)
      guard let held else { return signed }
      switch try await PrefixProof.compare(held.head, with: note, head, in: files) {
      case .continues: return signed
      case .unproven: throw Failure(.notValid, "the server's tiles don't lead to its signed root; nothing is signed")
      case .forks(let proof): throw try stop(.fork, held: held.note, shown: note, proof: proof)
      }
    } catch let error as AuditError { throw Failure(.notValid, "the server's log: \(error)") }
  }

  /// The service's files, downloaded for this round.
  private func files() throws(Failure) -> FetchedLog {
    let tiles = try state.emptyTiles()
    let remote = remote
    return FetchedLog(reader: ArchiveReader(folder: tiles)) { place in
      guard let found = try await remote.found(place) else { return false }
      let path = "\(tiles)/\(found.place.text)"
      try PrivateFile.makeFolder((path as NSString).deletingLastPathComponent)
      try PrivateFile.write(found.bytes, to: path)
      return true
    }
  }

  /// Which of the server's keys are believed to begin with: those held, those given, or else those that signed.
  private func known(_ offered: [NoteKey], _ note: SignedNote) throws(Failure) -> [NoteKey] {
    let held = try state.keys()
    guard offered.starts(with: held) else {
      throw Failure(.notValid, "the server names another verifier key than the one that is held")
    }
    guard keys.isEmpty || keys.contains(where: offered.contains) else {
      throw Failure(.notValid, "the server's verifier key is not the given one")
    }
    if !held.isEmpty { return held }
    return offered.filter { keys.isEmpty ? KeySuccession.isSigned(note, by: $0) : keys.contains($0) }
  }

  private func stop(
    _ kind: WitnessState.ConflictKind, held: SignedNote, shown: SignedNote, proof: String
  ) throws(Failure) -> Failure {
    try state.write(WitnessState.Conflict(kind: kind, held: held, shown: shown, proof: proof))
    return Self.ended(kind, state)
  }

  // MARK: Signing

  private func ownKey() throws(Failure) -> WitnessKey {
    let own: WitnessKey
    do { own = try WitnessKey(name: name, key: key.publicKey) } catch {
      throw Failure(.refused, "a witness needs an Ed25519 key, and a name without spaces and plus signs")
    }
    if let held = try state.witness(), held != own {
      throw Failure(.refused, "\(state.folder) belongs to another witness: \(held)")
    }
    return own
  }

  /// Signs the checkpoint, which is kept already, and hands the cosignature in.
  private func cosign(_ note: SignedNote, _ head: Checkpoint) async throws -> Outcome {
    let cosigned: SignedNote
    do {
      let line = try Cosignature.sign(note.body, by: key, name: name, at: UInt64(clamping: now()))
      // Other witnesses hand in their own lines.
      let own = note.signatures.filter { $0.name == head.origin }
      cosigned = try SignedNote(body: note.body, signatures: own).adding([line])
    } catch { throw Failure(.refused, "the checkpoint can't be cosigned: \(error)") }
    try state.write(cosigned: cosigned)
    let answer = try await remote.client.send(
      "POST", "/audit/cosignatures", headers: [("Content-Type", "text/plain; charset=utf-8")],
      body: Array(cosigned.text.utf8))
    guard answer.isSuccess else { throw Refusal(answer).failure }
    try state.write(submitted: cosigned)
    return .cosigned(head)
  }
}
