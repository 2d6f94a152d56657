/// For how long entries of the audit log are kept.
public struct LogRetention: Sendable, Equatable {
  /// Days after which a log's entries are deleted everywhere. Its hashes, checkpoints and manifests stay.
  public var days: Int
  /// Days for which entries stay in the database besides the archive, at least.
  public var databaseDays: Int

  /// Ten years, one of them in the database.
  public static let standard = LogRetention(days: 3_650, databaseDays: 365)

  static let allowedDays: ClosedRange<Int64> = 30...36_500
  static let allowedDatabaseDays: ClosedRange<Int64> = 2...36_500

  /// Terms in whole days.
  public init(days: Int, databaseDays: Int) {
    self.days = days
    self.databaseDays = databaseDays
  }
}
