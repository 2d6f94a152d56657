public import Foundation
public import Signing
public import StrictJSON

/// What a backup holds, as its `manifest.json` says (`backup/v1`, docs/backup.md). It finds accidents: who can change a
/// dump can change the manifest, too.
public struct BackupManifest: Sendable, Hashable {
  /// The file's name in a backup's folder.
  public static let fileName = "manifest.json"
  /// The format's name.
  public static let schema = "backup/v1"

  /// When the backup was begun, to the second.
  public let takenAt: Date
  /// The installation of the keyring that opens its keys; nil when the vault was never used.
  public let installation: UUID?
  /// The dumps, data before vault; of the vault alone in a vault-only backup.
  public let dumps: [BackupDump]
  /// What the vault's dump holds.
  public let keys: BackupKeyCounts

  /// A dump by its database.
  public func dump(of database: BackedUpDatabase) -> BackupDump? { dumps.first { $0.database == database } }

  /// The manifest as JSON.
  public var json: JSONValue {
    .object([
      JSONMember("schema", .string(Self.schema)),
      JSONMember("taken_at", .string(takenAt.formatted(.iso8601))),
      JSONMember("installation", installation.map { .string($0.uuidString.lowercased()) } ?? .null),
      JSONMember("dumps", .array(dumps.map(\.json))),
      JSONMember(
        "keys",
        .object([
          JSONMember("live", .integer(keys.live)), JSONMember("destroyed", .integer(keys.destroyed)),
          JSONMember("epochs", .array(keys.epochs.map { .integer(Int64($0)) })),
        ])),
    ])
  }

  init(takenAt: Date, installation: UUID?, dumps: [BackupDump], keys: BackupKeyCounts) {
    self.takenAt = takenAt
    self.installation = installation
    self.dumps = dumps
    self.keys = keys
  }

  /// Reads a manifest.
  ///
  /// - Throws: `.notABackup` for what is no JSON, another format, or a version that this program doesn't know.
  public init(parsing bytes: [UInt8]) throws(BackupError) {
    do {
      self = try Self.read(try JSONValue(parsing: bytes))
    } catch let error as BackupError {
      throw error
    } catch let error as FieldErrors {
      let first = error.errors.first.map { "\($0.pointer) \($0.code)" } ?? "unknown"
      throw BackupError(.notABackup, "\(Self.fileName) is not what \(Self.schema) says: \(first)")
    } catch {
      throw BackupError(.notABackup, "\(Self.fileName) is not JSON")
    }
  }

  private static func read(_ document: JSONValue) throws -> BackupManifest {
    guard document["schema"]?.string == schema else {
      throw BackupError(.notABackup, "\(fileName) is of another format than \(schema)")
    }
    let reader = ObjectReader(document)
    _ = reader.string("schema", maxCharacters: 20)
    let takenAt = reader.string("taken_at", maxCharacters: 20).flatMap { text -> Date? in
      let date = try? Date(text, strategy: .iso8601)
      if date == nil { reader.fault("taken_at", "format") }
      return date
    }
    var installation: UUID?
    if reader.value("installation")?.isNull == false { installation = reader.uuid("installation") }
    let dumps = (reader.objects("dumps", maxCount: 2) ?? []).map(BackupDump.read)
    let counts = reader.object("keys")
    let live = counts?.integer("live", range: 0...Int64.max)
    let destroyed = counts?.integer("destroyed", range: 0...Int64.max)
    let epochs = counts.map { numbers($0, "epochs", upTo: Int64(Int32.max)) } ?? []
    if ![[.data, .vault], [.vault]].contains(dumps.map { $0?.database }) { reader.fault("dumps", "not_allowed") }
    try reader.finish()
    guard let takenAt, let live, let destroyed else { throw BackupError(.notABackup, "\(fileName) is incomplete") }
    return BackupManifest(
      takenAt: takenAt, installation: installation, dumps: dumps.compactMap { $0 },
      keys: BackupKeyCounts(live: live, destroyed: destroyed, epochs: epochs.map { Int32($0) }))
  }

  /// Ascending positive numbers.
  fileprivate static func numbers(_ reader: ObjectReader, _ name: String, upTo limit: Int64) -> [Int64] {
    guard let elements = reader.value(name) else { return [] }
    let numbers = (elements.array ?? []).compactMap(\.integer)
    let isAscending = zip(numbers, numbers.dropFirst()).allSatisfy { $0 < $1 }
    if numbers.count != elements.array?.count || !isAscending || !numbers.allSatisfy({ 1...limit ~= $0 }) {
      reader.fault(name, "format")
      return []
    }
    return numbers
  }
}

/// One dump of a backup, made by `pg_dump` in its custom format.
public struct BackupDump: Sendable, Hashable {
  /// Which database it is of.
  public let database: BackedUpDatabase
  /// The file's length.
  public let bytes: Int64
  /// SHA-256 of the file.
  public let sha256: SHA256Digest
  /// Major version of the server it came from, and of the `pg_dump` that made it.
  public let serverMajor: Int
  /// The server's version as it calls itself.
  public let serverVersion: String
  /// The migrations that had run.
  public let migrations: [Int]
  /// The roles that have rights in it besides the owner: they have to exist where it is restored.
  public let roles: [String]

  /// The file's name.
  public var name: String { database.dumpName }

  fileprivate var json: JSONValue {
    .object([
      JSONMember("database", .string(database.rawValue)), JSONMember("file", .string(name)),
      JSONMember("bytes", .integer(bytes)), JSONMember("sha256", .string(sha256.hex)),
      JSONMember("server_major", .integer(Int64(serverMajor))), JSONMember("server_version", .string(serverVersion)),
      JSONMember("migrations", .array(migrations.map { .integer(Int64($0)) })),
      JSONMember("roles", .array(roles.map(JSONValue.string))),
    ])
  }

  /// Nil when a field is faulty; the reader knows which.
  fileprivate static func read(_ reader: ObjectReader) -> BackupDump? {
    let database = reader.oneOf("database", BackedUpDatabase.allCases.map(\.rawValue))
      .flatMap(BackedUpDatabase.init(rawValue:))
    _ = reader.oneOf("file", database.map { [$0.dumpName] } ?? [])
    let bytes = reader.integer("bytes", range: 1...Int64.max)
    let digest = reader.string("sha256", maxCharacters: 64).flatMap { text -> SHA256Digest? in
      let digest = SHA256Digest(hex: text)
      if digest == nil { reader.fault("sha256", "format") }
      return digest
    }
    let major = reader.integer("server_major", range: 1...1_000)
    let version = reader.string("server_version", maxCharacters: 200)
    let migrations = BackupManifest.numbers(reader, "migrations", upTo: 1_000_000)
    let roles = reader.strings("roles", allowed: nil, maxCount: 100, required: true)
    guard let database, let bytes, let digest, let major, let version, let roles else { return nil }
    return BackupDump(
      database: database, bytes: bytes, sha256: digest, serverMajor: Int(major), serverVersion: version,
      migrations: migrations.map { Int($0) }, roles: roles)
  }
}

/// What the vault's dump of a backup holds, counted by reading it.
public struct BackupKeyCounts: Sendable, Hashable {
  /// Wrapped keys.
  public var live: Int64 = 0
  /// Tombstones.
  public var destroyed: Int64 = 0
  /// The epochs under which the wrapped keys are wrapped, ascending: the keyring has to hold them all.
  public var epochs: [Int32] = []
}
