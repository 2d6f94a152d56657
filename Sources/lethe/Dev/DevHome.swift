import Foundation
import Logging
import ProfilesAPI
import Redaction
import StrictJSON

/// `$LETHE_HOME`: everything that `lethe dev` keeps on this machine.
struct DevHome {
  /// The folder, as it was named.
  let path: String

  /// Makes the folder and its parts, for this user only.
  init(_ environment: Environment) throws {
    path = environment.home
    for folder in ["", "/dev", "/log", "/run"] {
      do {
        try FileManager.default.createDirectory(
          atPath: path + folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
      } catch {
        throw Environment.Fault(description: "LETHE_HOME: the folder \(path)\(folder) can't be made")
      }
    }
  }

  var clusterFolder: String { path + "/postgres" }
  var clusterLog: String { path + "/log/postgres.log" }
  var issuerKey: String { path + "/dev/issuer.pem" }
  var keySet: String { path + "/dev/jwks.json" }
  var identities: String { path + "/dev/identities.json" }
  var sampleCount: String { path + "/dev/sample" }

  /// A logger into a file of the home: the terminal is for people.
  func logger(_ environment: Environment) throws -> Logger {
    let file = path + "/log/lethe.jsonl"
    let exists =
      FileManager.default.fileExists(atPath: file)
      || FileManager.default.createFile(atPath: file, contents: nil, attributes: [.posixPermissions: 0o600])
    guard exists, let handle = FileHandle(forWritingAtPath: file) else {
      throw Environment.Fault(description: "LETHE_HOME: \(file) can't be written")
    }
    _ = try handle.seekToEnd()
    return try environment.logger { line in handle.write(Data((line + "\n").utf8)) }
  }

  /// Writes a file that only this user may read, in one step.
  func write(_ bytes: [UInt8], to file: String) throws {
    try Data(bytes).write(to: URL(fileURLWithPath: file), options: .atomic)
    try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: file)
  }

  /// Writes what a second process needs to reach the same parts: `set -a; . $LETHE_HOME/run/environment`.
  func writeEnvironment(_ settings: ServerSettings, _ identities: DevIdentities, _ databases: DevDatabases) throws {
    var variables = [
      ("DATABASE_URL", settings.databaseURL), ("WORKER_DATABASE_URL", settings.workerDatabaseURL),
      ("VAULT_DATABASE_URL", settings.vaultDatabaseURL), ("LETHE_KEYRING", settings.keyringPath),
      ("LETHE_SIGNING_KEY", settings.signingKeyPath), ("LETHE_ARCHIVE", settings.archivePath),
      ("PUBLIC_ORIGIN", settings.publicOrigin), ("TOKEN_ISSUER", settings.tokenIssuer),
      ("TOKEN_AUDIENCE", settings.tokenAudience), ("TOKEN_JWKS", identities.keySetLocation),
    ]
    if let backups = databases.backupURLs {
      variables += [("BACKUP_DATABASE_URL", backups.data), ("BACKUP_VAULT_DATABASE_URL", backups.vault)]
    }
    let lines = variables.map { "\($0)='\($1)'\n" }
    try write(Array(lines.joined().utf8), to: path + "/run/environment")
  }
}
