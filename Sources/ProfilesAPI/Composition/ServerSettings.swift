public import Custody
public import Policies
public import Tokens
public import Vault

/// What a server is composed from; read from the environment by the program, given by hand in tests.
public struct ServerSettings: Sendable {
  /// The data database under the application's role: a libpq URI.
  public var databaseURL: String
  /// The data database under the worker's role.
  public var workerDatabaseURL: String
  /// The vault database under its own role.
  public var vaultDatabaseURL: String
  /// The keyring's file.
  public var keyringPath: String
  /// The file with the keyring's passphrase; nil for a keyring without one.
  public var keyringPassphrasePath: String?
  /// The cipher of what is sealed from now on.
  public var suite: Suite
  /// The age in days at which an epoch is rotated; nil for never.
  public var rotationDays: Int?
  /// How many subject keys are kept in memory at most.
  public var cachedKeys: Int
  /// Standbys of the vault that must confirm a rotation, by their application names, besides those that are connected.
  public var requiredStandbys: [String]
  /// How a rotation takes its backup of the vault.
  public var vaultBackups: any VaultBackups
  /// The log's signing key, a file of its own.
  public var signingKeyPath: String
  /// The archive's root folder.
  public var archivePath: String
  /// The origin that callers see: scheme, host and port. Proofs are checked against it.
  public var publicOrigin: String
  /// The tokens' issuer, byte for byte.
  public var tokenIssuer: String
  /// The audience that tokens must name.
  public var tokenAudience: String
  /// Where the issuer's keys come from.
  public var keySource: any KeySource
  /// The address to listen on.
  public var bind: String
  /// The port of the API; 0 for any.
  public var httpPort: Int
  /// The port of the health endpoints; 0 for any.
  public var opsPort: Int
  /// Seconds between two checkpoints while something happens.
  public var checkpointSeconds: Int
  /// How long things are kept.
  public var retention: RetentionPolicy
  /// Seconds after which a log in which nothing happens gets an entry that says so; nil for never.
  public var heartbeatSeconds: Int? = 3_600
  /// Whether sealed files of the archive get the immutable attribute, where the system permits it.
  public var immutableArchive = false
  /// Whose cosignatures are taken in and shown.
  public var witnesses: WitnessPolicy = .none

  /// Everything that has no safe default.
  public init(
    databaseURL: String, workerDatabaseURL: String, vaultDatabaseURL: String, keyringPath: String,
    signingKeyPath: String, archivePath: String, publicOrigin: String, tokenIssuer: String, tokenAudience: String,
    keySource: any KeySource, bind: String = "127.0.0.1", httpPort: Int = 3002, opsPort: Int = 9464,
    checkpointSeconds: Int = 1, retention: RetentionPolicy = .standard, keyringPassphrasePath: String? = nil,
    suite: Suite = .preferred, rotationDays: Int? = nil, cachedKeys: Int = 100_000, requiredStandbys: [String] = [],
    vaultBackups: any VaultBackups = NoVaultBackups()
  ) {
    self.keyringPassphrasePath = keyringPassphrasePath
    self.suite = suite
    self.rotationDays = rotationDays
    self.cachedKeys = cachedKeys
    self.requiredStandbys = requiredStandbys
    self.vaultBackups = vaultBackups
    self.databaseURL = databaseURL
    self.workerDatabaseURL = workerDatabaseURL
    self.vaultDatabaseURL = vaultDatabaseURL
    self.keyringPath = keyringPath
    self.signingKeyPath = signingKeyPath
    self.archivePath = archivePath
    self.publicOrigin = publicOrigin
    self.tokenIssuer = tokenIssuer
    self.tokenAudience = tokenAudience
    self.keySource = keySource
    self.bind = bind
    self.httpPort = httpPort
    self.opsPort = opsPort
    self.checkpointSeconds = checkpointSeconds
    self.retention = retention
  }
}

/// Stands for a backup that nobody has configured: a rotation waits.
public struct NoVaultBackups: VaultBackups {
  /// Makes the stand-in.
  public init() {}

  /// Throws, saying which variable is missing.
  public func take(_ body: @escaping @Sendable (BackedUpKey) throws -> Void) async throws -> String {
    throw Server.Refusal("BACKUP_VAULT_DATABASE_URL is not set")
  }
}
