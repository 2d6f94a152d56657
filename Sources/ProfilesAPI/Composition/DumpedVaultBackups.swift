import Backups
import Foundation
public import Custody
public import Logging
import Vault

/// Backups of the vault database by `pg_dump`, read back through `pg_restore`.
public struct DumpedVaultBackups: VaultBackups {
  private let url: String
  private let folder: String
  private let logger: Logger

  /// - Parameters:
  ///   - url: the vault database under the backup's role.
  ///   - folder: where backups are kept.
  public init(url: String, folder: String, logger: Logger) {
    self.url = url
    self.folder = folder
    self.logger = logger
  }

  /// Writes a backup of the vault alone, and reads every key from its file. One that doesn't open proves nothing, and is
  /// not kept.
  public func take(_ body: @escaping @Sendable (BackedUpKey) throws -> Void) async throws -> String {
    try await BackupWriter(into: folder, logger: logger).writeVault(url: url) { key in
      guard let number = UInt8(exactly: key.kind), let kind = KeyOwner.Kind(rawValue: number) else {
        throw CustodyError(.unreadable, field: "key_kind")
      }
      let wrapped = key.wrapped.flatMap { blob in
        key.epoch.map { WrappedKey(epoch: EpochNumber(rawValue: $0), blob: blob, commitment: key.commitment) }
      }
      try body(BackedUpKey(owner: KeyOwner(kind: kind, tenant: key.tenant, id: key.id), wrapped: wrapped))
    }.name
  }
}
