import CSodium

/// The library under the vault.
public enum Sodium {
  /// Initialises libsodium, the first time; afterwards it costs nothing. May be called from any thread. Every entry
  /// point of the vault calls it, so a program does so only to fail early. Throws ``VaultError/Code/library``.
  public static func start() throws(VaultError) {
    guard started else { throw VaultError(.library) }
  }

  /// `sodium_init` answers 0 the first time and 1 afterwards.
  private static let started = sodium_init() >= 0
}
