/// Why a database's schema can't be brought up to date.
public struct MigrationError: Error, Sendable, CustomStringConvertible {
  /// The kind of failure, for callers to branch on.
  public enum Code: Sendable, Hashable {
    /// The list given is not in ascending order of positive numbers.
    case unorderedList
    /// A migration's text is not what was applied under its number.
    case changed
    /// The database has a migration this program doesn't know: it was migrated by a newer one.
    case unknownApplied
    /// A migration that was never applied comes before one that was.
    case outOfOrder
    /// A statement of a migration failed, or the database can't be used; see `cause`.
    case failed
  }

  /// The kind of failure.
  public let code: Code
  /// The number of the migration concerned.
  public let number: Int?
  /// What the database said, for `.failed`.
  public let cause: PostgresError?

  init(_ code: Code, number: Int? = nil, cause: PostgresError? = nil) {
    self.code = code
    self.number = number
    self.cause = cause
  }

  /// One line with the migration's number and the cause's code.
  public var description: String {
    let which = number.map { "migration \($0)" } ?? "migrations"
    return switch code {
    case .unorderedList: "\(which): numbers must be positive and ascending"
    case .changed: "\(which) was changed after it had been applied"
    case .unknownApplied: "\(which) was applied by a newer version of this program"
    case .outOfOrder: "\(which) was never applied, but later ones were"
    case .failed: "\(which) failed: \(cause.map(\.description) ?? "unknown cause")"
    }
  }
}
