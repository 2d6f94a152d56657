public import Logging
import PostgresPrograms

/// Puts a backup back into empty databases, under their owners' roles.
///
/// Each database is restored in one transaction: it is whole afterwards, or as empty as before. Tables belong to the
/// role that restores, and get the rights and policies they had.
///
/// A restored database may be older than an erasure: the service doesn't serve it before `lethe recover`.
public struct BackupRestore: Sendable {
  private let backup: Backup
  private let logger: Logger
  private let progress: @Sendable (String) -> Void

  /// - Parameters:
  ///   - backup: as ``Backup/open(_:)`` verified it.
  ///   - progress: gets a line for a person now and then.
  public init(_ backup: Backup, logger: Logger, progress: @escaping @Sendable (String) -> Void = { _ in }) {
    self.backup = backup
    self.logger = logger
    self.progress = progress
  }

  /// Restores what is asked for, the vault first: no row then lacks its key. Every check of both databases comes before
  /// the first change.
  ///
  /// - Parameters:
  ///   - dataURL: the data database, as `lethe_owner`; nil leaves it out.
  ///   - vaultURL: the vault database, as `lethe_vault_owner`; nil leaves it out.
  /// - Throws: `.notEmpty`, `.role` (not the owner, or roles that are missing in the cluster), `.programs` (the server is
  ///   older than the one the dump came from), `.notABackup` (a dump that isn't in this backup), `.failed`.
  public func run(dataURL: String?, vaultURL: String?) async throws(BackupError) {
    var targets: [Target] = []
    if let vaultURL { targets.append(try await target(.vault, vaultURL)) }
    if let dataURL { targets.append(try await target(.data, dataURL)) }
    for target in targets {
      progress("restoring the \(target.dump.database.rawValue) database")
      try await restore(target)
    }
  }

  private struct Target {
    let dump: BackupDump
    let file: DumpFile
    let store: DatabaseFactsStore
    let programs: InstalledPrograms
  }

  private func target(_ database: BackedUpDatabase, _ url: String) async throws(BackupError) -> Target {
    let name = database.rawValue
    guard let dump = backup.manifest.dump(of: database), let file = backup.files[database] else {
      throw BackupError(.notABackup, "\(backup.folder) has no \(database.dumpName): it is a backup of the vault alone")
    }
    let store = DatabaseFactsStore(url: url, database: database, logger: logger)
    let facts = try await store.facts()
    guard facts.ownsDatabase, !facts.isSuperuser else {
      throw BackupError(
        .role, "the \(name) database would be restored as \(facts.role), which is not its owner: docs/backup.md")
    }
    guard facts.objects == 0 else {
      throw BackupError(
        .notEmpty, "the \(name) database is not empty: a backup is restored into a new one only")
    }
    let missing = dump.roles.filter { !facts.roles.contains($0) }
    guard missing.isEmpty else {
      throw BackupError(
        .role, "the \(name) database's server lacks the roles \(missing.joined(separator: ", ")): docs/postgres.md")
    }
    guard facts.serverMajor >= dump.serverMajor else {
      throw BackupError(
        .programs,
        "\(dump.name) came from PostgreSQL \(dump.serverMajor), and the \(name) database's server is "
          + "PostgreSQL \(facts.serverMajor)")
    }
    return Target(
      dump: dump, file: file, store: store,
      programs: try DumpProgram.programs(major: facts.serverMajor, for: database))
  }

  private func restore(_ target: Target) async throws(BackupError) {
    let name = target.dump.database.rawValue
    let nowhere = try DumpFile(nowhere: ())
    let report = progress
    target.file.rewind()
    try await DumpProgram(
      target.programs, "pg_restore", ["--no-owner", "--single-transaction", "--exit-on-error"], url: target.store.url
    ).run(input: target.file.descriptor, output: nowhere.descriptor) { report("still restoring the \(name) database") }
    guard try await target.store.migrations() == target.dump.migrations else {
      throw BackupError(.damaged, "the restored \(name) database has other migrations than the manifest says")
    }
  }
}
