import Configuration
import Custody
import Foundation
import Logging
import Policies
import ProfilesAPI
import Redaction
import StrictJSON
import Tokens
import Vault

/// What the environment says. A value that is there and wrong is an error that names the variable and never shows
/// what it holds.
struct Environment {
  private let reader: ConfigReader

  init(_ reader: ConfigReader = ConfigReader(provider: EnvironmentVariablesProvider())) { self.reader = reader }

  /// A variable that is missing or wrong.
  struct Fault: Error, CustomStringConvertible {
    let description: String
  }

  /// A variable, unless it is absent or empty.
  func text(_ name: String, secret: Bool = false) -> String? {
    // LETHE_HOME is the key lethe.home.
    let key = ConfigKey(name.lowercased().split(separator: "_").map(String.init))
    guard let value = reader.string(forKey: key, isSecret: secret), !value.isEmpty else { return nil }
    return value
  }

  /// A variable that has to be there.
  func required(_ name: String, _ meaning: String, secret: Bool = false) throws -> String {
    guard let value = text(name, secret: secret) else { throw Fault(description: "\(name) is not set: \(meaning)") }
    return value
  }

  /// A whole number in a range.
  func integer(_ name: String, in range: ClosedRange<Int>, default standard: Int) throws -> Int {
    guard let value = text(name) else { return standard }
    guard let number = Int(value), range.contains(number) else {
      throw Fault(description: "\(name) is not a whole number from \(range.lowerBound) to \(range.upperBound)")
    }
    return number
  }

  // MARK: Paths

  /// The folder of everything that this installation keeps in files.
  var home: String { text("LETHE_HOME") ?? ".lethe" }
  var keyringPath: String { text("LETHE_KEYRING") ?? home + "/keyring" }
  var signingKeyPath: String { text("LETHE_SIGNING_KEY") ?? home + "/signing-key.pem" }
  var archivePath: String { text("LETHE_ARCHIVE") ?? home + "/archive" }
  var backupsPath: String { text("LETHE_BACKUPS") ?? home + "/backups" }

  // MARK: The server

  /// The settings of a server, every part of it named.
  func serverSettings() throws -> ServerSettings {
    let httpPort = try integer("HTTP_PORT", in: 0...65_535, default: 3002)
    return ServerSettings(
      databaseURL: try required("DATABASE_URL", "the data database, as lethe_app", secret: true),
      workerDatabaseURL: try required("WORKER_DATABASE_URL", "the data database, as lethe_worker", secret: true),
      vaultDatabaseURL: try required("VAULT_DATABASE_URL", "the vault database, as lethe_vault", secret: true),
      keyringPath: keyringPath, signingKeyPath: signingKeyPath, archivePath: archivePath,
      publicOrigin: try required("PUBLIC_ORIGIN", "the origin that callers see, such as https://privacy.example.com"),
      tokenIssuer: try required("TOKEN_ISSUER", "the iss of access tokens"),
      tokenAudience: try required("TOKEN_AUDIENCE", "the aud of access tokens"),
      keySource: try keySource(try required("TOKEN_JWKS", "the issuer's keys: an https URL or a file")),
      bind: text("BIND") ?? "127.0.0.1", httpPort: httpPort,
      opsPort: try integer("OPS_PORT", in: 0...65_535, default: 9464),
      checkpointSeconds: try integer("CHECKPOINT_SECONDS", in: 1...3_600, default: 1), retention: try retention()
    ).with(try keySettings()).with(try logSettings()).with(try witnesses())
  }

  /// What concerns the log in a server's settings.
  func logSettings() throws -> LogSettings {
    let seconds = try integer("AUDIT_HEARTBEAT_SECONDS", in: 0...86_400, default: 3_600)
    let immutable = text("AUDIT_IMMUTABLE") ?? "no"
    guard ["yes", "no"].contains(immutable) else { throw Fault(description: "AUDIT_IMMUTABLE is neither yes nor no") }
    return LogSettings(heartbeatSeconds: seconds == 0 ? nil : seconds, immutableArchive: immutable == "yes")
  }

  /// What concerns keys in a server's settings.
  ///
  /// - Parameter vaultBackupURL: the vault under the backup's role, where BACKUP_VAULT_DATABASE_URL names none.
  func keySettings(vaultBackupURL: String? = nil) throws -> KeySettings {
    let days = try integer("KEY_ROTATION_DAYS", in: 0...3_650, default: 30)
    return KeySettings(
      passphrasePath: text("LETHE_KEYRING_PASSPHRASE_FILE"), suite: try suite(), rotationDays: days == 0 ? nil : days,
      cachedKeys: try integer("KEY_CACHE_SIZE", in: 0...1_000_000, default: 100_000),
      requiredStandbys: (text("VAULT_STANDBYS") ?? "").split(separator: ",").map {
        $0.trimmingCharacters(in: .whitespaces)
      }, vaultBackups: try vaultBackups(otherwise: vaultBackupURL))
  }

  /// How a rotation takes its backup of the vault: with `pg_dump`, where a role for it is named.
  private func vaultBackups(otherwise standard: String?) throws -> any VaultBackups {
    guard let url = text("BACKUP_VAULT_DATABASE_URL", secret: true) ?? standard else { return NoVaultBackups() }
    return DumpedVaultBackups(url: url, folder: backupsPath, logger: try logger())
  }

  private func suite() throws -> Suite {
    guard let name = text("LETHE_SUITE") else { return .aes256gcm }
    guard let suite = Suite(name: name) else {
      throw Fault(
        description: "LETHE_SUITE is none of \(Suite.allCases.map(\.name).joined(separator: ", "))")
    }
    return suite
  }

  /// The keyring, opened with its passphrase where one is named.
  func keyring() throws -> FileKeyring {
    try FileKeyring.open(at: keyringPath, passphrase: try passphrase())
  }

  /// The keyring's passphrase, from the file that is named; nil where none is.
  func passphrase() throws -> KeyringPassphrase? {
    guard let path = text("LETHE_KEYRING_PASSPHRASE_FILE") else { return nil }
    return try KeyringPassphrase(readingFile: path)
  }

  /// Where the issuer's keys come from: an https URL, or a file.
  func keySource(_ text: String) throws -> any KeySource {
    if text.hasPrefix("https://") { return try HTTPSKeySource(text) }
    if text.contains("://") { throw Fault(description: "TOKEN_JWKS is neither an https URL nor a file") }
    return FileKeySource(text)
  }

  /// The retention policy of the folder `LETHE_POLICIES`.
  func retention() throws -> RetentionPolicy {
    let named = text("LETHE_POLICIES")
    if let named, !FileManager.default.fileExists(atPath: named) {
      throw Fault(description: "LETHE_POLICIES names a folder that isn't there")
    }
    do {
      return try RetentionPolicy(folder: named ?? "policies")
    } catch let faults as FieldErrors {
      let list = faults.errors.map { "\($0.pointer) \($0.code)" }.joined(separator: ", ")
      throw Fault(description: "retention.json in LETHE_POLICIES is not a retention policy: \(list)")
    } catch {
      throw Fault(description: "retention.json in LETHE_POLICIES can't be read or is not JSON")
    }
  }

  /// The witnesses that the folder `LETHE_POLICIES` names.
  func witnesses() throws -> WitnessPolicy {
    do {
      return try WitnessPolicy(folder: text("LETHE_POLICIES") ?? "policies")
    } catch let faults as FieldErrors {
      let list = faults.errors.map { "\($0.pointer) \($0.code)" }.joined(separator: ", ")
      throw Fault(description: "witnesses.json in LETHE_POLICIES is not a list of witnesses: \(list)")
    } catch {
      throw Fault(description: "witnesses.json in LETHE_POLICIES can't be read or is not JSON")
    }
  }

  /// A logger of JSON lines with personal values masked, to standard error or a file.
  func logger(to sink: (@Sendable (String) -> Void)? = nil) throws -> Logger {
    let level = text("LETHE_LOG_LEVEL") ?? "info"
    guard let level = Logger.Level(rawValue: level) else {
      throw Fault(description: "LETHE_LOG_LEVEL is none of trace, debug, info, notice, warning, error, critical")
    }
    var logger = Logger(label: "lethe") { label in
      sink.map { JSONLogHandler(label: label, sink: $0) } ?? JSONLogHandler(label: label)
    }
    logger.logLevel = level
    return logger
  }
}
