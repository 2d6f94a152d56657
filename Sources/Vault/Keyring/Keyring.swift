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

  /// Opens a wrapped key, compares it with its commitment, and wraps it under the active epoch, as `unwrap` and `wrap`
  /// do, but in microseconds: for a rotation's millions. Throws what `unwrap` throws.
  func rewrap(_ wrapped: WrappedKey, for owner: KeyOwner) throws(VaultError) -> WrappedKey

  /// Reads the stored keyring again, so that what other processes did is seen here; true when its epochs changed. When
  /// it throws, because the keyring can't be read or is broken, what was held stays as it is.
  func refresh() throws(VaultError) -> Bool

  /// Makes `number` the active epoch, with a new random key, durably: once this returns, a crash does not undo it. The
  /// epoch that was active is retiring from then on, and still held. Does nothing when `number` is active.
  ///
  /// Throws ``VaultError/Code/epochOrder`` unless `number` follows the active epoch and no other is retiring.
  func activate(_ number: EpochNumber) throws(VaultError)

  /// Destroys the key of the retiring epoch, durably. What is still wrapped under it can never be opened again, so the
  /// caller makes sure first that nothing is. Does nothing when `number` is not held.
  ///
  /// Throws ``VaultError/Code/epochActive`` for the active epoch.
  func destroy(_ number: EpochNumber) throws(VaultError)
}
