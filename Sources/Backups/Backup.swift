import Foundation
import Glibc
import PostgresPrograms
import Signing

/// A backup in its folder: whole, and each file what the manifest says.
public struct Backup: Sendable {
  /// The folder's path.
  public let folder: String
  /// What its manifest says.
  public let manifest: BackupManifest

  /// The open dumps, by database.
  let files: [BackedUpDatabase: DumpFile]

  /// The folder's own name, which is the backup's.
  public var name: String { URL(fileURLWithPath: folder).lastPathComponent }

  /// The vault's dump, to read its keys from.
  public var vaultDump: VaultDump { VaultDump(path: "\(folder)/\(BackedUpDatabase.vault.dumpName)") }

  /// Opens a backup and verifies it: the manifest, that each file is there and none is too many, and their lengths and
  /// digests. Reads every byte.
  ///
  /// - Throws: `.notABackup`, `.damaged`, or `.folder` when something can't be read.
  public static func open(_ folder: String) async throws(BackupError) -> Backup {
    try await onOwnThread { () -> Result<Backup, BackupError> in
      Result { () throws(BackupError) in try verified(folder) }
    }.get()
  }

  init(folder: String, manifest: BackupManifest, files: [BackedUpDatabase: DumpFile]) {
    self.folder = folder
    self.manifest = manifest
    self.files = files
  }

  private static func verified(_ folder: String) throws(BackupError) -> Backup {
    let folder = URL(fileURLWithPath: folder).path
    guard let names = try? FileManager.default.contentsOfDirectory(atPath: folder) else {
      throw BackupError(.folder, "can't read the folder \(folder)")
    }
    guard names.contains(BackupManifest.fileName) else {
      throw BackupError(.notABackup, "\(folder) has no \(BackupManifest.fileName): it is no backup")
    }
    let manifest = try BackupManifest(parsing: try manifestBytes(folder))
    let expected = Set(manifest.dumps.map(\.name) + [BackupManifest.fileName])
    if let extra = names.filter({ !expected.contains($0) }).min() {
      throw BackupError(.damaged, "\(folder)/\(extra) is not in the manifest")
    }
    var files: [BackedUpDatabase: DumpFile] = [:]
    for dump in manifest.dumps {
      let file = try DumpFile(opening: "\(folder)/\(dump.name)")
      let length = try file.length()
      guard length == dump.bytes else {
        throw BackupError(.damaged, "\(file.path) has \(length) bytes, and the manifest says \(dump.bytes)")
      }
      guard try file.digest() == dump.sha256 else {
        throw BackupError(.damaged, "\(file.path) was changed: its SHA-256 is not the manifest's")
      }
      files[dump.database] = file
    }
    return Backup(folder: folder, manifest: manifest, files: files)
  }

  private static func manifestBytes(_ folder: String) throws(BackupError) -> [UInt8] {
    let file = try DumpFile(opening: "\(folder)/\(BackupManifest.fileName)")
    guard try file.length() <= 65_536 else {
      throw BackupError(.notABackup, "\(file.path) is too long to be a manifest")
    }
    var bytes = [UInt8](repeating: 0, count: 65_536)
    // Reads at most the array's length into memory lent for the call.
    let count = unsafe read(file.descriptor, &bytes, bytes.count)
    guard count >= 0 else { throw BackupError(.folder, "can't read \(file.path) (errno \(errno))") }
    return Array(bytes.prefix(count))
  }
}
