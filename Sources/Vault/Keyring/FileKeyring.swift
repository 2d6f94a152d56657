public import Foundation
import Synchronization

/// A keyring in one file, for one node. Its format and rules are in docs/keyring.md.
///
/// The file is read when it is opened, and again by ``refresh()``; its epoch keys are in guarded memory in between. Any
/// number of processes on the node may have it open and change it.
public final class FileKeyring: Keyring {
  /// The random id drawn when the file was made.
  public let installation: UUID
  /// The epoch under which new keys are wrapped.
  public var activeEpoch: EpochNumber { current.active.description.number }
  /// The one or two epochs in the file, earliest first.
  public var epochs: [EpochDescription] { current.keys.map(\.description) }
  /// Whether a passphrase seals the file.
  public var isSealed: Bool { current.seal != nil }
  /// Whether the system locked the memory in which unwrapped keys are held; false beyond `RLIMIT_MEMLOCK`.
  public var isLocked: Bool { slab.isLocked }

  private let path: String
  /// Memory for keys in use. Beyond its slots each takes guarded memory of its own, which is slow.
  private let slab: GuardedSlab
  private let state: Mutex<Loaded>
  /// Held while the file is read again or changed, so that what was read first is not taken for the later.
  private let turn = Mutex<Void>(())

  /// How many keys can be in use without taking memory of their own.
  static let workingKeys = 1024

  /// Makes a keyring with epoch 1, readable by its owner only, and returns it opened. Once this returns the file is
  /// on the disk under its name, whole; a crash earlier leaves either that or nothing there. With a passphrase the file
  /// is sealed by it; opening it will take the time and memory of `cost`.
  ///
  /// Throws ``VaultError/Code/keyringExists`` when anything is at the path, ``VaultError/Code/keyringIO`` when the
  /// folder can't be written to. The folder must exist.
  public static func create(
    at path: String, passphrase: KeyringPassphrase? = nil, cost: Argon2Cost = .moderate
  ) throws(VaultError) -> FileKeyring {
    let description = EpochDescription(number: EpochNumber(rawValue: 1), state: .active, createdAt: now())
    let contents = try KeyringContents(installation: UUID(), keys: [EpochKey(random: description)])
    let stored = StoredKeyring(contents: contents, seal: try seal(passphrase, cost))
    try KeyringFile(path: path).create(stored.encoded())
    return try FileKeyring(stored, path: path)
  }

  /// Opens the keyring at the path, or says in one line what is wrong with it.
  ///
  /// Throws one of the `keyring…` codes of ``VaultError/Code``: the file is missing, a link or no file, another
  /// user's (root may open any), open to others, something else, or damaged. Throws one of the `passphrase…` codes when
  /// the passphrase is missing, wrong, or given for a file that has none.
  public static func open(at path: String, passphrase: KeyringPassphrase? = nil) throws(VaultError) -> FileKeyring {
    try FileKeyring(StoredKeyring(reading: path, passphrase: passphrase), path: path)
  }

  init(_ stored: StoredKeyring, path: String) throws(VaultError) {
    installation = stored.contents.installation
    self.path = path
    slab = try GuardedSlab(slots: Self.workingKeys, of: SealingKey.memoryBytes)
    state = Mutex(try Loaded(stored, path: path))
  }

  /// A plain keyring that has no file yet, for tests.
  convenience init(_ contents: KeyringContents, path: String) throws(VaultError) {
    try self.init(StoredKeyring(contents: contents, seal: nil), path: path)
  }

  /// Makes a key from the system's random generator and wraps it under the active epoch.
  public func newKey(for owner: KeyOwner) throws(VaultError) -> (key: DataKey, wrapped: WrappedKey) {
    let key = try DataKey.random(in: slab)
    return (key, try wrap(key, for: owner))
  }

  /// Wraps a key under the active epoch.
  public func wrap(_ key: DataKey, for owner: KeyOwner) throws(VaultError) -> WrappedKey {
    try current.active.wrap(key, for: owner)
  }

  /// Opens a wrapped key and compares it, in constant time, with its commitment.
  public func unwrap(_ wrapped: WrappedKey, for owner: KeyOwner) throws(VaultError) -> DataKey {
    try current.key(of: wrapped.epoch).unwrap(wrapped, for: owner, in: slab)
  }

  /// Opens a wrapped key into memory for a moment, compares it with its commitment, and wraps it under the active epoch.
  public func rewrap(_ wrapped: WrappedKey, for owner: KeyOwner) throws(VaultError) -> WrappedKey {
    let current = current
    return try current.key(of: wrapped.epoch).rewrap(wrapped, for: owner, under: current.active, in: slab)
  }

  /// Derives the key of a tenant's lookup tags in an epoch.
  public func indexKey(
    epoch: EpochNumber, tenant: UUID, tenantSecret: DataKey
  ) throws(VaultError) -> IndexKey {
    try current.key(of: epoch).indexKey(tenant: tenant, tenantSecret: tenantSecret)
  }

  /// Reads the file again. True when its epochs are not those that were held before.
  ///
  /// Throws what ``open(at:passphrase:)`` throws, ``VaultError/Code/keyringOther`` when the file is another keyring,
  /// ``VaultError/Code/keyringOlder`` when it lacks an epoch that is held, or has one again that was destroyed; what is
  /// held then stays as it is.
  public func refresh() throws(VaultError) -> Bool {
    try turn.withLock { _ throws(VaultError) in
      let before = current
      let stored = try StoredKeyring(reading: path, passphrase: before.seal?.passphrase, known: before.seal)
      return try adopt(stored, after: before)
    }
  }

  /// Makes an epoch active with a new random key; see ``Keyring/activate(_:)``.
  ///
  /// Throws ``VaultError/Code/keyringIO`` when the file system refuses, a full disk for example. Then the file is as it
  /// was, or, if only the folder could not be flushed, as it should be: repeat the call.
  public func activate(_ number: EpochNumber) throws(VaultError) {
    try change(overwriting: false) { (contents: KeyringContents) throws(VaultError) in
      guard let active = contents.keys.last, active.description.number != number else { return nil }
      let (next, isTooMuch) = active.description.number.rawValue.addingReportingOverflow(1)
      guard contents.keys.count == 1, !isTooMuch, next == number.rawValue else {
        throw VaultError(.epochOrder, path: path)
      }
      let new = EpochDescription(number: number, state: .active, createdAt: Self.now())
      return KeyringContents(
        installation: contents.installation, keys: [try EpochKey(retiring: active), try EpochKey(random: new)])
    }
  }

  /// Destroys the retiring epoch's key; see ``Keyring/destroy(_:)``.
  ///
  /// Throws ``VaultError/Code/keyringIO`` as ``activate(_:)`` does. A call under way that uses the key holds it in memory
  /// until it ends. What a disk keeps of a file that was overwritten is in docs/keyring.md.
  public func destroy(_ number: EpochNumber) throws(VaultError) {
    try change(overwriting: true) { (contents: KeyringContents) throws(VaultError) in
      guard let key = contents.keys.first(where: { $0.description.number == number }) else { return nil }
      guard key.description.state == .retiring else { throw VaultError(.epochActive, path: path) }
      return KeyringContents(
        installation: contents.installation, keys: contents.keys.filter { $0.description.number != number })
    }
  }

  /// Seals the file by another passphrase, or by none. The old file's bytes are overwritten as by ``destroy(_:)``; copies
  /// of it still open with the old passphrase. Other processes that have the keyring open can't refresh or change it
  /// until they have opened it with the new one.
  public func reseal(passphrase: KeyringPassphrase?, cost: Argon2Cost = .moderate) throws(VaultError) {
    let seal = try Self.seal(passphrase, cost)
    try turn.withLock { _ throws(VaultError) in
      let file = try LockedKeyringFile(KeyringFile(path: path))
      let before = current
      let stored = try StoredKeyring(reading: path, passphrase: before.seal?.passphrase, known: before.seal)
      _ = try adopt(stored, after: before)
      let new = StoredKeyring(contents: stored.contents, seal: seal)
      try file.replace(with: new.encoded(), overwriting: true)
      try replaceState(with: new)
    }
  }

  // MARK: What is held

  private struct Loaded {
    let active: EpochKey
    let keys: [EpochKey]
    let seal: KeyringSeal?

    init(_ stored: StoredKeyring, path: String) throws(VaultError) {
      guard let active = stored.contents.keys.first(where: { $0.description.state == .active }) else {
        throw VaultError(.keyringMalformed, path: path, fault: .noActiveEpoch)
      }
      self.active = active
      keys = stored.contents.keys
      seal = stored.seal
    }

    func key(of epoch: EpochNumber) throws(VaultError) -> EpochKey {
      for key in keys where key.description.number == epoch { return key }
      throw VaultError(.unknownEpoch)
    }
  }

  private var current: Loaded { state.withLock { $0 } }

  /// Makes what was read what is held, unless it is something else or older. True when the epochs changed.
  private func adopt(_ stored: StoredKeyring, after before: Loaded) throws(VaultError) -> Bool {
    guard stored.contents.installation == installation else { throw VaultError(.keyringOther, path: path) }
    let held = before.keys.map(\.description.number)
    for key in stored.contents.keys {
      guard let same = before.keys.first(where: { $0.description.number == key.description.number }) else { continue }
      guard same.hasSameRoot(as: key) else { throw VaultError(.keyringOther, path: path) }
    }
    guard let active = stored.contents.keys.last?.description.number, active >= before.active.description.number,
      stored.contents.keys.allSatisfy({ key in
        held.contains(key.description.number) || key.description.number > before.active.description.number
      })
    else { throw VaultError(.keyringOlder, path: path) }
    try replaceState(with: stored)
    return stored.contents.keys.map(\.description) != before.keys.map(\.description)
  }

  private func replaceState(with stored: StoredKeyring) throws(VaultError) {
    let loaded = try Loaded(stored, path: path)
    state.withLock { $0 = loaded }
  }

  /// Reads the file again, changes it, and holds what it says afterwards, all while no other process changes it. `body`
  /// answers nil when the file is already as it should be; then it is made sure that this is on the disk.
  private func change(
    overwriting: Bool, _ body: (KeyringContents) throws(VaultError) -> KeyringContents?
  ) throws(VaultError) {
    try turn.withLock { _ throws(VaultError) in
      let file = try LockedKeyringFile(KeyringFile(path: path))
      let before = current
      let stored = try StoredKeyring(reading: path, passphrase: before.seal?.passphrase, known: before.seal)
      _ = try adopt(stored, after: before)
      guard let contents = try body(stored.contents) else { return try file.settle() }
      let new = StoredKeyring(contents: contents, seal: stored.seal)
      try file.replace(with: new.encoded(), overwriting: overwriting)
      try replaceState(with: new)
    }
  }

  private static func seal(_ passphrase: KeyringPassphrase?, _ cost: Argon2Cost) throws(VaultError) -> KeyringSeal? {
    guard let passphrase else { return nil }
    return try KeyringSeal(passphrase, cost: cost)
  }

  private static func now() -> Int64 { Int64(Date().timeIntervalSince1970) }
}
