public import Foundation

/// A keyring in one file, for one node. Its format and rules are in docs/keyring.md.
///
/// The file is read once; its epoch keys stay in guarded memory as long as this object.
public final class FileKeyring: Keyring {
  /// The random id drawn when the file was made.
  public let installation: UUID
  /// The epoch under which new keys are wrapped.
  public let activeEpoch: EpochNumber
  /// The one or two epochs in the file, earliest first.
  public var epochs: [EpochDescription] { keys.map(\.description) }

  private let active: EpochKey
  private let keys: [EpochKey]

  /// Makes a keyring with epoch 1, readable by its owner only, and returns it opened. Once this returns the file is
  /// on the disk under its name, whole; a crash earlier leaves either that or nothing there.
  ///
  /// Throws ``VaultError/Code/keyringExists`` when anything is at the path, ``VaultError/Code/keyringIO`` when the
  /// folder can't be written to. The folder must exist.
  public static func create(at path: String) throws(VaultError) -> FileKeyring {
    let description = EpochDescription(
      number: EpochNumber(rawValue: 1), state: .active, createdAt: Int64(Date().timeIntervalSince1970))
    let contents = try KeyringContents(
      installation: UUID(), keys: [EpochKey(random: description)])
    try KeyringFile(path: path).create(contents.encoded())
    return try FileKeyring(contents, path: path)
  }

  /// Opens the keyring at the path, or says in one line what is wrong with it.
  ///
  /// Throws one of the `keyring…` codes of ``VaultError/Code``: the file is missing, a link or no file, another
  /// user's (root may open any), open to others, something else, or damaged.
  public static func open(at path: String) throws(VaultError) -> FileKeyring {
    let bytes = try KeyringFile(path: path).read(atMost: KeyringContents.longest)
    return try FileKeyring(KeyringContents(decoding: bytes, path: path), path: path)
  }

  init(_ contents: KeyringContents, path: String) throws(VaultError) {
    guard let active = contents.keys.first(where: { $0.description.state == .active }) else {
      throw VaultError(.keyringMalformed, path: path, fault: .noActiveEpoch)
    }
    self.installation = contents.installation
    self.active = active
    self.activeEpoch = active.description.number
    self.keys = contents.keys
  }

  /// Makes a key from the system's random generator and wraps it under the active epoch.
  public func newKey(for owner: KeyOwner) throws(VaultError) -> (key: DataKey, wrapped: WrappedKey) {
    let key = try DataKey.random()
    return (key, try wrap(key, for: owner))
  }

  /// Wraps a key under the active epoch.
  public func wrap(_ key: DataKey, for owner: KeyOwner) throws(VaultError) -> WrappedKey {
    try active.wrap(key, for: owner)
  }

  /// Opens a wrapped key and compares it, in constant time, with its commitment.
  public func unwrap(_ wrapped: WrappedKey, for owner: KeyOwner) throws(VaultError) -> DataKey {
    try key(of: wrapped.epoch).unwrap(wrapped, for: owner)
  }

  /// Derives the key of a tenant's lookup tags in an epoch.
  public func indexKey(
    epoch: EpochNumber, tenant: UUID, tenantSecret: DataKey
  ) throws(VaultError) -> IndexKey {
    try key(of: epoch).indexKey(tenant: tenant, tenantSecret: tenantSecret)
  }

  private func key(of epoch: EpochNumber) throws(VaultError) -> EpochKey {
    for key in keys where key.description.number == epoch { return key }
    throw VaultError(.unknownEpoch)
  }
}
