public import Postgres

/// The vault database's migrations, in the order in which they run; the same rules as for the data database.
public enum VaultMigrations {
  /// Every migration of the vault database, ascending by number.
  public static let all: [Migration] = [
    Migration(number: 1, name: "keys", sql: keys),
    Migration(number: 2, name: "rotation", sql: rotation),
    Migration(number: 3, name: "tombstone trigger", sql: tombstoneTrigger),
  ]

  /// The advisory lock that lets one migrator run at a time against the vault database.
  public static let lock: Int64 = 0x6c65_7468_6576_6c74
}
