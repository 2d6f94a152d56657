public import Vault

/// One key as a backup of the vault has it.
public struct BackedUpKey: Sendable {
  /// Whose key.
  public let owner: KeyOwner
  /// The key as it was wrapped; nil for a tombstone.
  public let wrapped: WrappedKey?

  /// Describes one row of a backup.
  public init(owner: KeyOwner, wrapped: WrappedKey?) {
    self.owner = owner
    self.wrapped = wrapped
  }
}

/// Takes backups of the vault database. How is the composition's affair.
public protocol VaultBackups: Sendable {
  /// Takes a backup now, then reads it back and hands every key in it to `body`, in any order. Returns its name.
  ///
  /// Throws what is wrong, in words for the operator, or what `body` throws.
  func take(_ body: @escaping @Sendable (BackedUpKey) throws -> Void) async throws -> String
}
