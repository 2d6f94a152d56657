import Postgres
public import Vault

extension Custody {
  /// The rotation that is under way; nil for none.
  public func rotation() async throws -> RotationRecord? {
    try await translating { try await worker.read(RotationStore.current).first.map(RotationStore.decode) }
  }

  /// Every rotation that ended an epoch, the last one first.
  public func pastRotations() async throws -> [RotationRecord] {
    try await translating { try await worker.read(RotationStore.past).map(RotationStore.decode) }
  }

  /// The epochs whose keys are destroyed, with the time of the destruction, microseconds since the Unix epoch; as far as
  /// the data database knows and the keyring agrees.
  public func retiredEpochs() async throws -> [(epoch: Int32, retiredAt: Int64)] {
    let held = Set(keyring.epochs.map(\.number))
    return try await pastRotations().compactMap { rotation in
      guard let at = rotation.retiredAt, !held.contains(rotation.from) else { return nil }
      return (rotation.from.rawValue, at)
    }
  }

  /// What the keyring holds, earliest first.
  public var keyringEpochs: [EpochDescription] { keyring.epochs }

  /// How many live keys each epoch wraps, over all tenants, those included whose tenant was never committed.
  public func liveKeys() async throws -> [Int32: Int64] {
    try await translating {
      let store = VaultRotationStore(pool: keyStore.pool)
      var counts: [Int32: Int64] = [:]
      for (epoch, _) in try await store.epochs() {
        counts[epoch.rawValue] = try await store.keys(of: epoch).map(\.live).reduce(0, +)
      }
      return counts
    }
  }
}
