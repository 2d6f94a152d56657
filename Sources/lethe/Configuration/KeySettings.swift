import Custody
import ProfilesAPI
import Vault

/// What the environment says of keys.
struct KeySettings {
  let passphrasePath: String?
  let suite: Suite
  let rotationDays: Int?
  let cachedKeys: Int
  let requiredStandbys: [String]
  let vaultBackups: any VaultBackups
}

extension ServerSettings {
  /// The same settings with those of keys.
  func with(_ keys: KeySettings) -> ServerSettings {
    var settings = self
    settings.keyringPassphrasePath = keys.passphrasePath
    settings.suite = keys.suite
    settings.rotationDays = keys.rotationDays
    settings.cachedKeys = keys.cachedKeys
    settings.requiredStandbys = keys.requiredStandbys
    settings.vaultBackups = keys.vaultBackups
    return settings
  }
}
