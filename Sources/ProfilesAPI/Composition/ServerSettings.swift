public import Policies
public import Tokens

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

  /// Everything that has no safe default.
  public init(
    databaseURL: String, workerDatabaseURL: String, vaultDatabaseURL: String, keyringPath: String,
    signingKeyPath: String, archivePath: String, publicOrigin: String, tokenIssuer: String, tokenAudience: String,
    keySource: any KeySource, bind: String = "127.0.0.1", httpPort: Int = 3002, opsPort: Int = 9464,
    checkpointSeconds: Int = 1, retention: RetentionPolicy = .standard
  ) {
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
