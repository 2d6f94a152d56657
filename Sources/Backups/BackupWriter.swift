import Foundation
import Glibc
public import Logging
import PostgresPrograms
import Signing
import StrictJSON
import Synchronization

/// Makes backups in a folder, each in a folder of its own.
///
/// The data database is dumped first, then the vault. A subject's key is committed before its first row, and a
/// destroyed key leaves a tombstone; so whatever row is in the data's dump, its key or tombstone is in the vault's,
/// though no snapshot spans both databases.
///
/// A backup grows under another name and gets its own when all of it is on the disk. It holds neither keyring nor
/// signing key. Both roles may read everything and write nothing.
public struct BackupWriter: Sendable {
  private let folder: String
  private let logger: Logger
  private let progress: @Sendable (String) -> Void

  /// - Parameters:
  ///   - folder: where backups are kept; made with mode 0700 when it isn't there.
  ///   - progress: gets a line for a person now and then.
  public init(into folder: String, logger: Logger, progress: @escaping @Sendable (String) -> Void = { _ in }) {
    self.folder = URL(fileURLWithPath: folder).path
    self.logger = logger
    self.progress = progress
  }

  /// Dumps both databases into a new folder `backup-TIME-RANDOM`.
  ///
  /// - Parameters:
  ///   - dataURL: the data database, as `lethe_backup`.
  ///   - vaultURL: the vault database, as `lethe_vault_backup`.
  /// - Returns: the backup, durable and read once from end to end.
  /// - Throws: `BackupError`; nothing is left then.
  public func write(dataURL: String, vaultURL: String) async throws(BackupError) -> Backup {
    do {
      return try await write("backup", [(.data, dataURL), (.vault, vaultURL)]) { _ in }
    } catch {
      throw error as? BackupError ?? BackupError(.failed, "the backup can't be made")
    }
  }

  /// Dumps the vault database alone into a new folder `vault-backup-TIME-RANDOM`: a rotation takes one under the new
  /// epoch before the old epoch's key is destroyed.
  ///
  /// - Parameters:
  ///   - url: the vault database, as `lethe_vault_backup`.
  ///   - eachKey: called with every key, read from the dump's file, on a thread of its own.
  /// - Throws: `BackupError`, and what `eachKey` throws; nothing is left then.
  public func writeVault(url: String, eachKey: @escaping @Sendable (VaultDumpKey) throws -> Void) async throws -> Backup
  {
    try await write("vault-backup", [(.vault, url)], eachKey: eachKey)
  }

  private struct Source {
    let database: BackedUpDatabase
    let store: DatabaseFactsStore
    let facts: DatabaseFacts
    let programs: InstalledPrograms
  }

  private func write(
    _ kind: String, _ urls: [(BackedUpDatabase, String)], eachKey: @escaping @Sendable (VaultDumpKey) throws -> Void
  ) async throws -> Backup {
    var sources: [Source] = []
    for (database, url) in urls { sources.append(try await source(database, url)) }
    let takenAt = Date(timeIntervalSince1970: Date().timeIntervalSince1970.rounded(.down))
    let partial = try PartialFolder(for: Self.name(kind, takenAt), in: folder)
    do {
      var files: [BackedUpDatabase: DumpFile] = [:]
      var dumps: [BackupDump] = []
      for source in sources {
        let file = try DumpFile(creating: "\(partial.path)/\(source.database.dumpName)")
        dumps.append(try await writeDump(of: source, into: file))
        files[source.database] = file
      }
      if Task.isCancelled { throw BackupError(.cancelled, "the backup was stopped") }
      progress("reading the keys of \(BackedUpDatabase.vault.dumpName)")
      let keys = try await Self.counts(
        VaultDump(path: "\(partial.path)/\(BackedUpDatabase.vault.dumpName)"), eachKey)
      let manifest = BackupManifest(
        takenAt: takenAt, installation: sources.last?.facts.installation, dumps: dumps, keys: keys)
      try Self.write(manifest, into: partial.path)
      return Backup(folder: try partial.finish(), manifest: manifest, files: files)
    } catch {
      partial.remove()
      throw error
    }
  }

  /// Makes sure that the dump can be whole: the role reads everything, past row-level security, and is no other one.
  private func source(_ database: BackedUpDatabase, _ url: String) async throws(BackupError) -> Source {
    let store = DatabaseFactsStore(url: url, database: database, logger: logger)
    let facts = try await store.facts()
    let role = "the \(database.rawValue) database's backup logs in as \(facts.role)"
    if facts.isSuperuser || facts.ownsDatabase || facts.mayWrite {
      throw BackupError(.role, "\(role), which may write: use the backup's own role, docs/backup.md")
    }
    guard facts.bypassesRowSecurity else {
      throw BackupError(.role, "\(role), which row-level security holds: rows would be missing; docs/backup.md")
    }
    guard facts.unreadable.isEmpty else {
      let names = facts.unreadable.prefix(3).joined(separator: ", ")
      throw BackupError(
        .role, "\(role), which may not read \(facts.unreadable.count) tables (\(names)): lethe migrate grants it")
    }
    guard !facts.migrations.isEmpty else {
      throw BackupError(.migrations, "the \(database.rawValue) database has no migrations: nothing to back up")
    }
    return Source(
      database: database, store: store, facts: facts,
      programs: try DumpProgram.programs(major: facts.serverMajor, for: database))
  }

  private func writeDump(of source: Source, into file: DumpFile) async throws(BackupError) -> BackupDump {
    let name = source.database.dumpName
    progress("dumping the \(source.database.rawValue) database")
    let report = progress
    // Sealed bytes have nothing to find but their hexadecimal digits: more effort takes twice the time for a twentieth.
    try await DumpProgram(
      source.programs, "pg_dump", ["--format=custom", "--compress=1", "--lock-wait-timeout=60s"], url: source.store.url
    ).run(output: file.descriptor) {
      if let bytes = try? file.length() { report("\(name): \(Self.megabytes(bytes)) so far") }
    }
    let now = try await source.store.migrations()
    guard now == source.facts.migrations else {
      throw BackupError(
        .migrations, "the \(source.database.rawValue) database was migrated meanwhile: take the backup again")
    }
    progress("reading \(name) from end to end")
    try await Self.onThread { () throws(BackupError) in
      try file.synchronise()
      file.rewind()
    }
    let nowhere = try DumpFile(nowhere: ())
    try await DumpProgram(source.programs, "pg_restore", ["--file=-"])
      .run(input: file.descriptor, output: nowhere.descriptor)
    let (bytes, digest) = try await Self.onThread { () throws(BackupError) in
      (try file.length(), try file.digest())
    }
    progress("\(name): \(Self.megabytes(bytes))")
    return BackupDump(
      database: source.database, bytes: bytes, sha256: digest, serverMajor: source.facts.serverMajor,
      serverVersion: source.facts.serverVersion, migrations: now, roles: source.facts.grantees)
  }

  private static func counts(
    _ dump: VaultDump, _ eachKey: @escaping @Sendable (VaultDumpKey) throws -> Void
  ) async throws -> BackupKeyCounts {
    let seen = Mutex((counts: BackupKeyCounts(), epochs: Set<Int32>()))
    _ = try await dump.readKeys { key in
      try eachKey(key)
      seen.withLock { seen in
        if let epoch = key.epoch {
          seen.counts.live += 1
          seen.epochs.insert(epoch)
        } else {
          seen.counts.destroyed += 1
        }
      }
    }
    return seen.withLock { seen in
      var counts = seen.counts
      counts.epochs = seen.epochs.sorted()
      return counts
    }
  }

  private static func write(_ manifest: BackupManifest, into folder: String) throws(BackupError) {
    let file = try DumpFile(creating: "\(folder)/\(BackupManifest.fileName)")
    let bytes = Array((manifest.json.prettyText() + "\n").utf8)
    // Reads within the array lent for the call.
    guard unsafe Glibc.write(file.descriptor, bytes, bytes.count) == bytes.count else {
      throw BackupError(.folder, "can't write \(file.path) (errno \(errno))")
    }
    try file.synchronise()
  }

  /// `backup-20260102T030405Z-1a2b3c4d`
  private static func name(_ kind: String, _ time: Date) -> String {
    let compact = time.formatted(.iso8601).replacing("-", with: "").replacing(":", with: "")
    return "\(kind)-\(compact)-\(UUID().uuidString.prefix(8).lowercased())"
  }

  private static func megabytes(_ bytes: Int64) -> String {
    (Double(bytes) / 1_000_000).formatted(.number.precision(.fractionLength(1)).locale(Locale(identifier: "en")))
      + " MB"
  }

  private static func onThread<Value: Sendable>(
    _ body: @escaping @Sendable () throws(BackupError) -> Value
  ) async throws(BackupError) -> Value {
    try await onOwnThread { Result(catching: body) }.get()
  }
}
