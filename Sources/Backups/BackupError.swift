/// Why a backup can't be taken, opened or put back, in one line that shows no value of any row.
public struct BackupError: Error, Sendable, Hashable, CustomStringConvertible {
  /// The kind of failure, for callers to branch on.
  public enum Code: Sendable, Hashable {
    /// A database can't be reached or read.
    case connection
    /// The role of a URL is the wrong one: it may do too much, or too little.
    case role
    /// A database has no migrations, or was migrated while it was dumped.
    case migrations
    /// PostgreSQL's programs are missing, or of another version than the server.
    case programs
    /// `pg_dump` or `pg_restore` failed.
    case failed
    /// A folder or file can't be made, read or written.
    case folder
    /// The folder holds no backup that this program knows.
    case notABackup
    /// A file of the backup is missing, is one too many, or is not what the manifest says.
    case damaged
    /// The database to restore into has something in it.
    case notEmpty
    /// A key's row in a dump is not what the vault writes.
    case malformedKey
    /// The task was cancelled.
    case cancelled
  }

  /// The kind of failure.
  public let code: Code
  /// What happened and what to do, in one line.
  public let description: String

  init(_ code: Code, _ description: String) {
    self.code = code
    self.description = description
  }
}
