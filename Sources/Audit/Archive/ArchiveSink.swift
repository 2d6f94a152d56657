/// Where a log's files are read from: a folder, or whatever holds objects under such paths.
///
/// Paths are relative to the log and use slashes: `tile/0/000`.
public protocol ArchiveSource: Sendable {
  /// A file's bytes, or `nil` when there is none.
  ///
  /// - Throws: `.tooLarge` above `maximum` bytes, before anything is read; `.notRegular`; `.inputOutput`.
  func read(_ path: String, maximum: Int) throws(AuditError) -> [UInt8]?

  /// Calls `body` with each name directly in a folder and what it stands for, in no order; a missing folder has none.
  ///
  /// - Throws: `.notRegular`, `.inputOutput`.
  func list(_ folder: String, _ body: (String, FileKind) -> Void) throws(AuditError)
}

/// Where a log's files are written: the little that `ArchiveWriter` needs, so that an object store with a compliance
/// lock can take the place of a folder.
///
/// Every call either has its whole effect or none, also when the process is killed within it.
public protocol ArchiveSink: ArchiveSource {
  /// Runs `body` as the only writer of this log, after removing what an interrupted one left unnamed.
  ///
  /// - Throws: `.busy` at once while another writer is at work; what `body` throws; `.inputOutput`.
  func exclusively<Result>(_ body: () throws(AuditError) -> Result) throws(AuditError) -> Result

  /// Writes a file that must not exist yet, for good: its contents are durable before it has its name.
  ///
  /// A file of the same content is left as it is, which makes a repeated call harmless.
  ///
  /// - Returns: the folders to be handed to `synchronise(_:)`, after which the name is durable too.
  /// - Throws: `.inconsistent` when a file of other content is there; `.inputOutput`.
  func create(_ path: String, _ bytes: [UInt8]) throws(AuditError) -> Set<String>

  /// Puts a file in the place of another, durably, in one step.
  func replace(_ path: String, _ bytes: [UInt8]) throws(AuditError)

  /// Waits until the names in these folders are durable.
  func synchronise(_ folders: Set<String>) throws(AuditError)

  /// Removes a file, its protection first where it has one; a missing one is fine.
  func remove(_ path: String) throws(AuditError)

  /// Removes the files in a folder, and the folder; a missing one is fine.
  func removeAll(in folder: String) throws(AuditError)

  /// Forbids everybody to change or remove a file, as far as the system can. Repeating it is harmless.
  ///
  /// - Throws: `.inputOutput` with `EPERM`, `ENOTTY` or `EOPNOTSUPP` where that is not permitted or not possible.
  func protect(_ path: String) throws(AuditError)

  /// Whether `protect(_:)` was called for the file.
  func isProtected(_ path: String) throws(AuditError) -> Bool
}
