public import Foundation
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
  /// For how long entries of the audit log are kept, where nothing is said of the tenant.
  public let log: LogRetention
  /// For how long those of single tenants are kept.
  public let tenantLogs: [UUID: LogRetention]
  /// The first 16 hex digits of SHA-256 over the canonical bytes.
  public let version: String

  /// What applies when no file is named: 35 days for backups, 7 for packages, ten years for the log.
  public static let standard = RetentionPolicy(dataBackupDays: 35, packageDays: 7)

  init(
    dataBackupDays: Int, packageDays: Int, log: LogRetention = .standard, tenantLogs: [UUID: LogRetention] = [:]
  ) {
    self.dataBackupDays = dataBackupDays
    self.packageDays = packageDays
    self.log = log
    self.tenantLogs = tenantLogs
    version = String(
      SHA256Digest.hash(Array(Self.canonical(dataBackupDays, packageDays, log, tenantLogs).utf8)).hex.prefix(16))
  }

  /// For how long the entries of that tenant's log are kept.
  public func log(of tenant: UUID) -> LogRetention { tenantLogs[tenant] ?? log }

  /// Reads a policy. Unknown members, wrong types and values out of range are refused, each with its pointer; so is a
  /// log that would be longer in the database than in the archive (`range` at `log_database_days`).
  public init(parsing bytes: [UInt8]) throws {
    let reader = ObjectReader(try JSONValue(parsing: bytes))
    _ = reader.oneOf("schema", ["retention/v1"])
    let backups = reader.integer("data_backup_days", range: 1...3_650)
    let packages = reader.integer("package_days", range: 1...90)
    let log = Self.log(reader, otherwise: .standard)
    var tenantLogs: [UUID: LogRetention] = [:]
    let names = reader.value("tenants", required: false)?.members?.map(\.name) ?? []
    if let tenants = reader.object("tenants", required: false) {
      for name in names {
        // Lower case, as ids are written everywhere: so no tenant is named twice.
        guard let tenant = UUID(uuidString: name), tenant.uuidString.lowercased() == name else {
          _ = tenants.value(name)
          tenants.fault(name, "format")
          continue
        }
        if let terms = tenants.object(name) { tenantLogs[tenant] = Self.log(terms, otherwise: log) }
      }
    }
    try reader.finish()
    self.init(
      dataBackupDays: Int(backups ?? 35), packageDays: Int(packages ?? 7), log: log, tenantLogs: tenantLogs)
  }

  private static func log(_ reader: ObjectReader, otherwise standard: LogRetention) -> LogRetention {
    let days = reader.integer("log_days", range: LogRetention.allowedDays, required: false)
    let database = reader.integer("log_database_days", range: LogRetention.allowedDatabaseDays, required: false)
    var log = standard
    if let days { log.days = Int(days) }
    // Not named, it gives way to a shorter life of the log.
    log.databaseDays = database.map { Int($0) } ?? min(standard.databaseDays, log.days)
    if log.databaseDays > log.days { reader.fault("log_database_days", "range") }
    return log
  }

  /// Members in the order of their names. What is said of logs is left out where it is the standard, so that a policy
  /// that says nothing of them keeps its version.
  private static func canonical(
    _ backups: Int, _ packages: Int, _ log: LogRetention, _ tenants: [UUID: LogRetention]
  ) -> String {
    func members(_ log: LogRetention) -> String { "\"log_database_days\":\(log.databaseDays),\"log_days\":\(log.days)" }
    var parts = ["\"data_backup_days\":\(backups)"]
    if log != .standard { parts.append(members(log)) }
    parts.append("\"package_days\":\(packages)")
    if !tenants.isEmpty {
      let listed = tenants.map { ($0.key.uuidString.lowercased(), $0.value) }.sorted { $0.0 < $1.0 }
      parts.append("\"tenants\":{" + listed.map { "\"\($0.0)\":{\(members($0.1))}" }.joined(separator: ",") + "}")
    }
    return "{" + parts.joined(separator: ",") + "}"
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
