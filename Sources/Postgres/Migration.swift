/// One step of a database's schema, immutable once it has been applied anywhere.
public struct Migration: Sendable, Hashable {
  /// Its place in the order; positive and unique.
  public let number: Int
  /// A short name for people: `profiles`, `audit log`.
  public let name: String
  /// The statements, separated by semicolons. They run in one transaction that they must not end themselves.
  public let sql: String

  /// A migration; give `Migrator` the whole list in ascending order.
  public init(number: Int, name: String, sql: String) {
    self.number = number
    self.name = name
    self.sql = sql
  }
}
