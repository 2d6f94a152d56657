import Postgres
import Vault

/// What the keyring and both databases say of epochs, taken together.
///
/// The states that a rotation goes through all fit; anything else comes from a backup, of a database or of the keyring.
struct EpochComparison: Sendable {
  /// What the keyring holds, earliest first.
  let held: [EpochNumber]
  /// The epochs that tags may name.
  let data: Set<EpochNumber>
  /// The epochs that keys may be wrapped under.
  let vault: Set<EpochNumber>
  /// How many live keys there are of each of the vault's epochs.
  let keys: [EpochNumber: Int64]
  /// The rotation that is under way, by the data database.
  let rotation: RotationRecord?
  /// The epoch under which new keys are wrapped.
  let active: EpochNumber

  /// Asks all three. The databases before the keyring: a rotation changes it between two states of theirs.
  static func taken(_ custody: Custody) async throws -> EpochComparison {
    let (data, rotation) = try await custody.translating {
      try await custody.worker.transaction(readOnly: true) { transaction in
        (
          Set(try transaction.query(EpochStore.all).map(EpochStore.decode)),
          try transaction.query(RotationStore.current).first.map(RotationStore.decode)
        )
      }
    }
    return try await custody.translating {
      let store = VaultRotationStore(pool: custody.keyStore.pool)
      let vault = try await store.epochs().map(\.epoch)
      var keys: [EpochNumber: Int64] = [:]
      for epoch in vault { keys[epoch] = try await store.keys(of: epoch).map(\.live).reduce(0, +) }
      _ = try custody.keyring.refresh()
      return EpochComparison(
        held: custody.keyring.epochs.map(\.number), data: data, vault: Set(vault), keys: keys, rotation: rotation,
        active: custody.keyring.activeEpoch)
    }
  }

  /// The findings, once they have stayed the same: a rotation that goes on meanwhile is none.
  static func findings(_ custody: Custody) async throws -> [StartupComparison.Finding] {
    var found = try await taken(custody).findings
    for _ in 0..<3 where !found.isEmpty {
      try await Task.sleep(for: .milliseconds(300))
      found = try await taken(custody).findings
    }
    return found
  }

  /// An epoch that is only prepared: both databases may know it before the keyring does.
  private var prepared: EpochNumber? {
    guard let rotation, rotation.state == .prepared, rotation.to.rawValue == active.rawValue + 1 else { return nil }
    return rotation.to
  }

  /// An epoch that is on its last way out: the data database may know it after the keyring does.
  private var leaving: EpochNumber? {
    guard let rotation, rotation.state == .retire, rotation.to == active else { return nil }
    return rotation.from
  }

  /// The newest epoch that the databases need and that is younger than the keyring.
  private var younger: EpochNumber? {
    let needed = data.union(keys.filter { $0.value > 0 }.keys)
    // One that is prepared wraps nothing yet, unless this keyring is an older copy.
    return needed.filter { $0 > active && ($0 != prepared || keys[$0, default: 0] > 0) }.max()
  }

  /// How many live keys are wrapped under epochs that are gone: nobody opens them again.
  var lostKeys: Int64 {
    keys.filter { !held.contains($0.key) && $0.key < active }.map(\.value).reduce(0, +)
  }

  /// Whether the data database's epochs and rotation are what the keyring has.
  var dataFits: Bool {
    guard data.contains(active) else { return false }
    for epoch in data where !held.contains(epoch) && epoch != prepared && epoch != leaving { return false }
    if held.count > 1 {
      // Keys and tags of the earlier epoch move on only by a rotation.
      guard let rotation, rotation.to == active, rotation.from == held.first else { return false }
    }
    if let rotation, [.switched, .retire].contains(rotation.state), keys[rotation.from, default: 0] > 0 {
      return false
    }
    return true
  }

  /// What is wrong; empty while a rotation takes its usual way.
  var findings: [StartupComparison.Finding] {
    // Nothing else can be said by an old keyring.
    if let younger { return [.keyringOlder(keyring: active.rawValue, needed: younger.rawValue)] }
    var findings: [StartupComparison.Finding] = []
    if !dataFits {
      findings.append(.epochsDiffer(data: data.map(\.rawValue).sorted(), keyring: held.map(\.rawValue)))
    }
    if !vault.contains(active) { findings.append(.vaultBehindEpochs(active: active.rawValue)) }
    if lostKeys > 0 { findings.append(.keysOfLostEpochs(count: lostKeys)) }
    return findings
  }
}
