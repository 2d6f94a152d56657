import Audit

/// A checkpoint that was exported, as the archive has it.
public struct PublishedCheckpoint: Sendable, Hashable {
  /// How many entries it covers.
  public let size: Int64
  /// The text of its file: the signed note, without cosignatures.
  public let note: String
}

extension LogReading {
  /// The exported checkpoints above a size, ascending, at most `limit`; from the first one on without it.
  ///
  /// They are rows of the database, whatever number of files there is. Only where the archive is ahead of the rows, as
  /// it is until a publication commits, the end is read off the files.
  public func checkpoints(above size: UInt64?, limit: Int, _ context: AccessContext) async throws
    -> [PublishedCheckpoint]
  {
    let above = size.map(Int64.init(clamping:)) ?? -1
    return try await reading(context) { [archive = archive(of: context.tenant)] _, transaction in
      // Before the rows: those of the checkpoints before this one are there by then.
      let newest = try archive.checkpoint().map { try Checkpoint(parsing: $0.body).size }
      var found = try LogReadingStore.checkpoints(
        above: above, limit: limit, tenant: context.tenant, in: transaction)
      let last = found.last.map { UInt64($0.size) } ?? size
      guard found.count < limit, let newest, last.map({ $0 < newest }) ?? true else { return found }
      for missing in try archive.exportedSizes(above: last).prefix(limit - found.count) {
        let note = try archive.checkpoint(size: missing)
        found.append(PublishedCheckpoint(size: Int64(clamping: missing), note: note.text))
      }
      return found
    }
  }
}
