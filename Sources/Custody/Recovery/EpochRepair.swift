import Foundation
import Postgres
import Vault

/// Puts the epochs of both databases to where the keyring is, and makes lookup tags again that are of other epochs.
///
/// First the tags that the keyring's epochs need are added, tenant by tenant; when all of them are there, tags of epochs
/// that are gone are deleted, and so is what a restored database says of a rotation.
struct EpochRepair: Sendable {
  let recovery: Recovery
  /// The subjects of the ledger: nobody erased gets a tag again.
  let erased: [TenantID: Set<SubjectID>]

  private var custody: Custody { recovery.custody }
  private static let batchSize = 500

  /// Returns whether the epochs had to be put right.
  func run(_ tenants: [TenantID], _ tally: RecoveryTally, progress: (String) -> Void) async throws -> Bool {
    let state = try await EpochComparison.taken(custody)
    let needsRepair = !state.dataFits || !state.vault.contains(state.active)
    if needsRepair {
      let held = state.held.map { String($0.rawValue) }.joined(separator: ", ")
      progress("putting epochs right: the keyring holds \(held)")
      try await admit(state)
    }
    let written = try await writtenEpochs(state, isRepaired: needsRepair)
    for tenant in tenants { try await makeTags(of: tenant, written, tally, progress) }
    guard needsRepair else { return false }
    try await settle(state, tenants)
    try recovery.afterStep(.epochsRepaired)
    return true
  }

  /// The epochs whose tags every value has to have: one, or two while a rotation writes both.
  private func writtenEpochs(_ state: EpochComparison, isRepaired: Bool) async throws -> [EpochNumber] {
    if isRepaired { return state.held }
    // While tags of two epochs are written, only those of the earlier one have to be complete.
    return try await custody.translating {
      try await custody.worker.transaction(opening: EpochStore.hold) { transaction in
        Array(try EpochStore.held(transaction.opening).prefix(1))
      }
    }
  }

  /// Lets both databases name the keyring's epochs.
  private func admit(_ state: EpochComparison) async throws {
    let now = Microseconds.now()
    let store = VaultRotationStore(pool: custody.keyStore.pool)
    try await custody.translating {
      for epoch in state.held {
        // An epoch that retires is not given back to the vault: no key may be wrapped under it any more.
        if epoch == state.active { try await store.insert(epoch, at: now) }
        try await custody.worker.transaction { try EpochStore.insert(epoch, at: now, in: $0) }
      }
    }
  }

  private func makeTags(
    of tenant: TenantID, _ epochs: [EpochNumber], _ tally: RecoveryTally, _ progress: (String) -> Void
  ) async throws {
    let settings = AccessContext.operation(tenant).settings
    try await restoreSecret(of: tenant)
    let lacking = try await custody.translating {
      try await custody.worker.transaction(settings: settings, readOnly: true) { transaction in
        try epochs.filter {
          try !RecoveryStore.hasEveryTag(under: $0, tenant: tenant, in: transaction)
        }
      }
    }
    if lacking.isEmpty { return }
    progress("tenant \(tenant): making lookup tags again")
    let gone = erased[tenant] ?? []
    var unreadable = 0
    var last: SubjectID?
    while true {
      let after = last
      let page = try await custody.translating {
        try await custody.worker.read(
          RecoveryStore.live(after: after, limit: Self.batchSize, tenant: tenant), settings: settings
        ).map { SubjectID(try $0.decode("subject_id", as: UUID.self)) }
      }
      guard let end = page.last else { break }
      last = end
      let subjects = page.filter { !gone.contains($0) }
      let made = try await custody.translating {
        let keys = try await custody.keys.liveKeys(among: subjects, tenant: tenant)
        let indexKeys = try await custody.keys.indexKeys(of: tenant).filter { lacking.contains($0.epoch) }
        return try await custody.worker.transaction(settings: settings) { transaction in
          var made = (added: 0, unreadable: 0)
          for index in indexKeys {
            let batch = try TagBackfill.rebuild(under: index, keys: keys, tenant: tenant, in: transaction)
            made = (made.added + batch.added, made.unreadable + batch.unreadable)
          }
          return made
        }
      }
      unreadable += made.unreadable
      try tally.change(tenant) { $0.tagsRebuilt += made.added }
      try recovery.afterStep(.tagsRebuilt)
    }
    let total = unreadable
    try tally.change(tenant) { $0.tagsUnreadable = total }
  }

  /// A secret for a tenant that this vault does not know. Tags that were made with the one before can't be found by any
  /// more, and go.
  private func restoreSecret(of tenant: TenantID) async throws {
    let owner = KeyOwner(kind: .tenant, tenant: tenant.uuid, id: tenant.uuid)
    try await custody.translating {
      guard try await custody.keyStore.find(.tenant, [tenant.uuid], tenant: tenant).isEmpty else { return }
      // The tags first: one that outlived a new secret would be found by nothing, and nobody would know.
      try await custody.worker.transaction(settings: AccessContext.operation(tenant).settings) {
        try RecoveryStore.deleteTags(except: [], tenant: tenant, in: $0)
      }
      _ = try await custody.keys.create(owner)
    }
  }

  /// Tags, epochs and rotations that the keyring knows nothing of, go; a retiring epoch gets its rotation back.
  private func settle(_ state: EpochComparison, _ tenants: [TenantID]) async throws {
    let now = Microseconds.now()
    try await custody.translating {
      for tenant in tenants {
        try await custody.worker.transaction(settings: AccessContext.operation(tenant).settings) {
          try RecoveryStore.deleteTags(except: state.held, tenant: tenant, in: $0)
        }
      }
      try await custody.worker.transaction { transaction in
        if !state.dataFits { try RecoveryStore.deleteRotation(in: transaction) }
        for epoch in state.data where !state.held.contains(epoch) { try EpochStore.delete(epoch, in: transaction) }
        if let retiring = state.held.first, retiring != state.active {
          if !state.dataFits {
            try RecoveryStore.resumeRotation(from: retiring, to: state.active, at: now, in: transaction)
          }
        } else if state.active.rawValue > 1 {
          let before = EpochNumber(rawValue: state.active.rawValue - 1)
          try RecoveryStore.noteRetired(from: before, to: state.active, at: now, in: transaction)
        }
      }
      let store = VaultRotationStore(pool: custody.keyStore.pool)
      for epoch in state.vault where !state.held.contains(epoch) && state.keys[epoch, default: 0] == 0 {
        try await store.delete(epoch)
      }
      try await store.announce()
    }
  }
}
