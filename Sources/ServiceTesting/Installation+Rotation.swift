public import Custody
import PostgresTesting

extension Installation {
  /// Rotates the epochs once, with real backups of the vault.
  public func rotate(_ custody: Custody) async throws -> RotationOutcome {
    try await Rotation(custody: custody, backups: vaultBackups).run()
  }
}
