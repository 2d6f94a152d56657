public import Postgres

/// The data database's migrations, in the order in which they run. A migration that has landed is never edited:
/// its checksum is recorded where it ran, and a changed one is refused.
public enum DataMigrations {
  /// Every migration of the data database, ascending by number.
  public static let all: [Migration] = [
    Migration(number: 1, name: "custody", sql: custody),
    Migration(number: 2, name: "audit", sql: audit),
    Migration(number: 3, name: "profiles", sql: profiles),
    Migration(number: 4, name: "subject_rights", sql: subjectRights),
    Migration(number: 5, name: "epochs", sql: epochs),
    Migration(number: 6, name: "holds", sql: holds),
    Migration(number: 7, name: "finality", sql: finality),
    Migration(number: 8, name: "backups", sql: backups),
    Migration(number: 9, name: "retention", sql: retention),
  ]

  /// The advisory lock that lets one migrator run at a time against the data database.
  public static let lock: Int64 = 0x6c65_7468_6564_6174
}
