import Audit

/// A log's files, of which those that aren't here yet are downloaded when a proof needs them.
///
/// What is read is not verified: every proof made from it is compared with a signed root.
struct FetchedLog {
  /// What reads the files that are here.
  let reader: ArchiveReader
  /// Brings one file here; false when there is none.
  let fetch: (TilePath) async throws -> Bool

  /// Reads with `body`, again and again, until every file that it needs is here.
  ///
  /// - Throws: what `body` throws, so `.missing` for a file that isn't to be had.
  func reading<Result>(_ body: (ArchiveReader) throws(AuditError) -> Result) async throws -> Result {
    var last: String?
    while true {
      do {
        return try body(reader)
      } catch let error {
        // The same file twice: it was fetched, and is missing all the same.
        guard error.code == .missing, let file = error.file, file != last, let place = TilePath(file),
          try await fetch(place)
        else { throw error }
        last = file
      }
    }
  }
}
