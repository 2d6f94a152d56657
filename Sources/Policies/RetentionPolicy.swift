import Foundation
import Signing
import StrictJSON

/// How long things are kept, as `policies/retention.json` says it. Immutable once read; its version is the hash of
/// its content, which the log names with each certificate.
public struct RetentionPolicy: Sendable, Equatable {
  /// Days after which a backup of the data database must be gone. Printed on certificates: a backup still holds
  /// linkable values (country, language, dates) of a person erased since.
  public let dataBackupDays: Int
  /// Days for which an access package can be downloaded.
  public let packageDays: Int
  /// The first 16 hex digits of SHA-256 over the canonical bytes.
  public let version: String

  /// What applies when no file is named: 35 days for backups, 7 for packages.
  public static let standard = RetentionPolicy(dataBackupDays: 35, packageDays: 7)

  init(dataBackupDays: Int, packageDays: Int) {
    self.dataBackupDays = dataBackupDays
    self.packageDays = packageDays
    let canonical = "{\"data_backup_days\":\(dataBackupDays),\"package_days\":\(packageDays)}"
    version = String(SHA256Digest.hash(Array(canonical.utf8)).hex.prefix(16))
  }

  /// Reads a policy. Unknown members, wrong types and values out of range are refused, each with its pointer.
  public init(parsing bytes: [UInt8]) throws {
    let reader = ObjectReader(try JSONValue(parsing: bytes))
    _ = reader.oneOf("schema", ["retention/v1"])
    let backups = reader.integer("data_backup_days", range: 1...3_650)
    let packages = reader.integer("package_days", range: 1...90)
    try reader.finish()
    self.init(dataBackupDays: Int(backups ?? 35), packageDays: Int(packages ?? 7))
  }

  /// Reads the policy of a folder; the standard one where the folder has no `retention.json`.
  public init(folder: String) throws {
    let path = folder + "/retention.json"
    guard FileManager.default.fileExists(atPath: path) else {
      self = .standard
      return
    }
    try self.init(parsing: Array(try Data(contentsOf: URL(fileURLWithPath: path))))
  }
}
