import Foundation
import PostgresTesting
import Schema
import ServiceTesting
import Signing
import StrictJSON
import Testing

@testable import Backups

@Suite("Restoring a backup")
struct RestoreTests {
  /// How a backup is spoilt, and what is said then.
  enum Damage: String, CaseIterable, CustomTestStringConvertible {
    case flippedByte, truncated, longer, missing, extra, hidden, link, noManifest, notJSON, otherSchema, otherDigest
    case otherName, dumpTwice

    var testDescription: String { rawValue }

    var code: BackupError.Code {
      switch self {
      case .flippedByte, .truncated, .longer, .missing, .extra, .hidden, .otherDigest: .damaged
      case .link: .folder
      case .noManifest, .notJSON, .otherSchema, .otherName, .dumpTwice: .notABackup
      }
    }

    func spoil(_ folder: String) throws {
      let files = FileManager.default
      let dump = URL(fileURLWithPath: folder + "/vault.dump")
      let manifest = URL(fileURLWithPath: folder + "/manifest.json")
      var bytes = try Data(contentsOf: dump)
      var text = try String(contentsOf: manifest, encoding: .utf8)
      switch self {
      case .flippedByte:
        bytes[bytes.count / 2] ^= 1
        try bytes.write(to: dump)
      case .truncated: try bytes.dropLast().write(to: dump)
      case .longer: try (bytes + [0]).write(to: dump)
      case .missing: try files.removeItem(at: dump)
      case .extra: try Data("x".utf8).write(to: URL(fileURLWithPath: folder + "/keyring"))
      case .hidden: try Data("x".utf8).write(to: URL(fileURLWithPath: folder + "/.keyring"))
      case .link:
        try files.moveItem(atPath: dump.path, toPath: folder + "-moved")
        try files.createSymbolicLink(atPath: dump.path, withDestinationPath: folder + "-moved")
      case .noManifest: try files.removeItem(at: manifest)
      case .notJSON: try Data("{".utf8).write(to: manifest)
      case .otherSchema:
        text = text.replacing("backup/v1", with: "backup/v2")
        try Data(text.utf8).write(to: manifest)
      case .otherDigest:
        let digest = SHA256Digest.hash(Array(bytes)).hex
        try #require(text.contains(digest))
        text = text.replacing(digest, with: SHA256Digest.hash([]).hex)
        try Data(text.utf8).write(to: manifest)
      case .otherName:
        text = text.replacing("vault.dump", with: "../vault.dump")
        try Data(text.utf8).write(to: manifest)
      case .dumpTwice:
        text = text.replacing(#""database": "data""#, with: #""database": "vault""#).replacing(
          "data.dump", with: "vault.dump")
        try Data(text.utf8).write(to: manifest)
      }
    }
  }

  @Test("a backup that is not what its manifest says is refused", arguments: Damage.allCases)
  func damaged(damage: Damage) async throws {
    try await withBackupScene { scene in
      try await scene.fillVault()
      let folder = try await scene.backup().folder
      _ = try await Backup.open(folder)
      try damage.spoil(folder)
      let refused = try await refusalOf { try await Backup.open(folder) }
      #expect(refused.code == damage.code, "\(refused)")
      #expect(!refused.description.contains("\n"))
    }
  }

  @Test("a folder that isn't there, and one that holds something else, are no backups")
  func notABackup() async throws {
    let folder = NSTemporaryDirectory() + "lethe-backups-" + UUID().uuidString.prefix(8)
    #expect(try await refusalOf { try await Backup.open(folder) }.code == .folder)
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let refused = try await refusalOf { try await Backup.open(folder) }
    #expect(refused.code == .notABackup)
    #expect(refused.description.contains("has no manifest.json"))
  }

  @Test("a database that has something in it is refused, and neither is touched")
  func notEmpty() async throws {
    try await withBackupScene { scene in
      let backup = try await scene.backup()
      for script in [
        "CREATE TABLE mine (i int)", "CREATE SCHEMA mine",
        "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE TYPE mine AS ENUM ('a')",
      ] {
        try await withEmptyDatabases { data, vault in
          try await data.sql(script)
          let before = try await data.objects()
          let refused = try await refusalOf { try await scene.restore(backup, data: data, vault: vault) }
          #expect(refused.code == .notEmpty)
          #expect(refused.description.hasPrefix("the data database is not empty"))
          let after = (try await data.objects(), try await vault.objects())
          #expect(after.0 == before)
          #expect(after.1 == "0\n")
        }
      }
      // The one that the backup came from is not empty, either, and is not a backup's to overwrite.
      try await scene.data.sql("ALTER DATABASE \"\(scene.data.name)\" OWNER TO lethe_owner")
      #expect(try await refusalOf { try await scene.restore(backup, data: scene.data) }.code == .notEmpty)
    }
  }

  @Test("one database can be put back alone")
  func only() async throws {
    try await withBackupScene { scene in
      try await scene.fillVault()
      let backup = try await scene.backup()
      try await withEmptyDatabases { data, vault in
        try await scene.restore(backup, data: data)
        let untouched = try await vault.objects()
        #expect(untouched == "0\n")
        try await scene.restore(backup, vault: vault)
        let contents = (try await scene.vault.contents(), try await vault.contents())
        #expect(contents.1 == contents.0)
        #expect(contents.0.contains("vault.keys|1000|"))
      }
    }
  }

  @Test("only the database's owner restores into it", arguments: ["lethe_app", "lethe_backup", "postgres"])
  func notOwner(role: String) async throws {
    try await withBackupScene { scene in
      let backup = try await scene.backup()
      try await withEmptyDatabases { data, _ in
        let refused = try await refusalOf {
          try await BackupRestore(backup, logger: scene.log.logger).run(dataURL: data.url(user: role), vaultURL: nil)
        }
        #expect(refused.code == .role)
        #expect(refused.description.contains("as \(role), which is not its owner"))
        let untouched = try await data.objects()
        #expect(untouched == "0\n")
      }
    }
  }

  @Test("roles that the server lacks, and a server older than the dump's, are refused first")
  func otherServer() async throws {
    try await withBackupScene { scene in
      let folder = try await scene.backup().folder
      let manifest = URL(fileURLWithPath: folder + "/manifest.json")
      let text = try String(contentsOf: manifest, encoding: .utf8)
      try await withEmptyDatabases { data, vault in
        try Data(text.replacing("\"lethe_app\"", with: "\"lethe_absent\"").utf8).write(to: manifest)
        let roles = try await refusalOf { try await scene.restore(try await Backup.open(folder), data: data) }
        #expect(roles.code == .role)
        #expect(roles.description.contains("lacks the roles lethe_absent"))
        let major = try #require(
          try JSONValue(parsing: Array(text.utf8))["dumps"]?.array?.first?["server_major"]?.integer)
        try Data(text.replacing("\"server_major\": \(major)", with: "\"server_major\": 999").utf8).write(to: manifest)
        let older = try await refusalOf { try await scene.restore(try await Backup.open(folder), vault: vault) }
        #expect(older.code == .programs)
        #expect(older.description.contains("came from PostgreSQL 999"))
        let untouched = (try await data.objects(), try await vault.objects())
        #expect(untouched == ("0\n", "0\n"))
      }
    }
  }

  @Test("a dump that breaks off leaves the database as empty as it was")
  func breaksOff() async throws {
    try await withBackupScene { scene in
      try await scene.fillVault()
      let folder = try await scene.backup().folder
      // Cut, and vouched for by its manifest: only pg_restore can find out.
      let dump = URL(fileURLWithPath: folder + "/vault.dump")
      let manifest = URL(fileURLWithPath: folder + "/manifest.json")
      let whole = try Data(contentsOf: dump)
      let cut = whole.prefix(whole.count - 5_000)
      try cut.write(to: dump)
      let text = try String(contentsOf: manifest, encoding: .utf8)
        .replacing(SHA256Digest.hash(Array(whole)).hex, with: SHA256Digest.hash(Array(cut)).hex)
        .replacing("\"bytes\": \(whole.count),", with: "\"bytes\": \(cut.count),")
      try Data(text.utf8).write(to: manifest)
      try await withEmptyDatabases { _, vault in
        let backup = try await Backup.open(folder)
        let refused = try await refusalOf { try await scene.restore(backup, vault: vault) }
        #expect(refused.code == .failed)
        #expect(refused.description.hasPrefix("pg_restore failed: "))
        let untouched = try await vault.objects()
        #expect(untouched == "0\n")
      }
    }
  }
}
