import Logging
import Postgres
import Schema

/// Both databases brought up to date.
struct DatabaseMigration {
  let dataURL: String
  let vaultURL: String
  let logger: Logger

  /// Runs what is missing, data first; returns the names of what ran.
  func run() async throws -> (data: [String], vault: [String]) {
    let data = try await Migrator(
      url: dataURL, migrations: DataMigrations.all, lock: DataMigrations.lock, logger: logger
    ).run()
    let vault = try await Migrator(
      url: vaultURL, migrations: VaultMigrations.all, lock: VaultMigrations.lock, logger: logger
    ).run()
    return (data, vault)
  }
}
