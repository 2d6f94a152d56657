public import Foundation

/// The few epoch keys that wrap all others, kept outside of the databases: in a file here, in a key service elsewhere.
public protocol Keyring: Sendable {
  /// A random id, which binds a vault database to its keyring.
  var installation: UUID { get }

  /// The epoch under which new keys are wrapped.
  var activeEpoch: EpochNumber { get }

  /// Every epoch the keyring holds, earliest first.
  var epochs: [EpochDescription] { get }

  /// Makes a random key and wraps it for its owner under the active epoch. The caller stores the wrapped form durably
  /// before anything sealed by the key.
  func newKey(for owner: KeyOwner) throws(VaultError) -> (key: DataKey, wrapped: WrappedKey)

  /// Wraps a key, which was unwrapped for the same owner, under the active epoch: this is how keys leave an epoch.
  func wrap(_ key: DataKey, for owner: KeyOwner) throws(VaultError) -> WrappedKey

  /// Opens a wrapped key.
  ///
  /// Throws ``VaultError/Code/unknownEpoch`` when its epoch is gone, ``VaultError/Code/notOpened`` for another owner
  /// or altered bytes, ``VaultError/Code/commitmentMismatch`` when another key than the stored commitment names opens.
  func unwrap(_ wrapped: WrappedKey, for owner: KeyOwner) throws(VaultError) -> DataKey

  /// Derives the key of a tenant's lookup tags in an epoch, from the epoch's key and the tenant's secret: without
  /// either one nothing can be looked up. The same arguments give the same key.
  ///
  /// Throws ``VaultError/Code/unknownEpoch``.
  func indexKey(epoch: EpochNumber, tenant: UUID, tenantSecret: DataKey) throws(VaultError) -> IndexKey
}
