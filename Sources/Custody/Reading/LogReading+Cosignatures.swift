public import Audit
import Postgres

/// Which cosignature: a witness's key, and the checkpoint that it cosigned.
public struct CosignaturePosition: Sendable, Hashable {
  /// The checkpoint's size.
  public let size: Int64
  /// The witness's name.
  public let witness: String
  /// Which of that name's keys.
  public let keyID: UInt32

  /// Names a cosignature.
  public init(size: Int64, witness: String, keyID: UInt32) {
    self.size = size
    self.witness = witness
    self.keyID = keyID
  }
}

/// A cosignature that was taken in.
public struct StoredCosignature: Sendable, Hashable {
  /// Which one.
  public let position: CosignaturePosition
  /// When the witness signed, by its own clock, in seconds since the Unix epoch.
  public let time: Int64
}

/// A page of cosignatures, newest checkpoint first.
public struct CosignaturePage: Sendable {
  /// The cosignatures.
  public let cosignatures: [StoredCosignature]
  /// Where the next page begins; nil at the end.
  public let next: CosignaturePosition?
}

extension LogReading {
  /// How far a witness's clock may be ahead, in seconds.
  private static let clockTolerance: UInt64 = 300

  /// Takes in the cosignatures below a published checkpoint's note, in one unit of work. Lines by anybody else are
  /// ignored; a cosignature that is there already is left as it is.
  ///
  /// No entry says so: it would make another checkpoint, to be witnessed again, without end.
  ///
  /// Throws ``LogReadingError``: `.unknownCheckpoint` unless the note's body is that of a checkpoint which this log has
  /// published, `.unknownWitness`, `.invalidCosignature`.
  ///
  /// - Parameter witnesses: the keys of those who may witness.
  /// - Returns: the cosignatures of those witnesses, and how many of them are new.
  public func witness(_ note: SignedNote, by witnesses: [WitnessKey], _ context: AccessContext) async throws
    -> (cosignatures: [StoredCosignature], new: Int)
  {
    let origin = custody.origin(of: context.tenant)
    guard let checkpoint = try? Checkpoint(parsing: note.body), checkpoint.origin == origin.text,
      let size = Int64(exactly: checkpoint.size)
    else { throw LogReadingError.unknownCheckpoint }
    let cosignatures: [Cosignature]
    do { cosignatures = try note.cosignatures(by: witnesses) } catch { throw LogReadingError.invalidCosignature }
    guard !cosignatures.isEmpty else { throw LogReadingError.unknownWitness }
    let latest = UInt64(Microseconds.now() / 1_000_000) + Self.clockTolerance
    guard cosignatures.allSatisfy({ $0.time <= latest }) else { throw LogReadingError.invalidCosignature }
    let isPublished = try await reading(context) { [archive = archive(of: context.tenant)] _, _ in
      do {
        return try archive.checkpoint(size: checkpoint.size).body.utf8.elementsEqual(note.body.utf8)
      } catch let error as AuditError where error.code == .missing {
        return false
      }
    }
    guard isPublished else { throw LogReadingError.unknownCheckpoint }
    let new = try await custody.write(context) { unit in
      var new = 0
      for cosignature in cosignatures {
        let isNew = try CosignatureStore.insert(
          cosignature, size: size, tenant: context.tenant, at: unit.now, in: unit.database)
        if isNew { new += 1 }
      }
      return new
    }
    return (
      cosignatures.map {
        StoredCosignature(
          position: CosignaturePosition(size: size, witness: $0.name, keyID: $0.keyID), time: Int64(clamping: $0.time))
      }, new
    )
  }

  /// The newest checkpoint with the cosignature lines that it has; nil before the first one.
  public func checkpoint(_ context: AccessContext) async throws -> SignedNote? {
    try await reading(context) { [archive = archive(of: context.tenant)] _, transaction in
      guard let note = try archive.checkpoint() else { return nil }
      guard let size = Int64(exactly: try Checkpoint(parsing: note.body).size) else { return note }
      return try note.adding(CosignatureStore.lines(of: size, tenant: context.tenant, in: transaction))
    }
  }

  /// A page of cosignatures, newest checkpoint first.
  public func cosignatures(after position: CosignaturePosition?, limit: Int, _ context: AccessContext) async throws
    -> CosignaturePage
  {
    let rows = try await custody.rows(
      CosignatureStore.page(after: position, limit: limit + 1, tenant: context.tenant), context
    ).map(CosignatureStore.decode)
    let shown = Array(rows.prefix(limit))
    return CosignaturePage(cosignatures: shown, next: rows.count > limit ? shown.last?.position : nil)
  }
}
