import Audit
import Foundation
import Logging
import Postgres
import Synchronization
import Vault

/// Replaces the active epoch by the next one, online: prepared → dual-write → backfill → switch → retire.
///
/// Reads, writes, erasures and creations go on all the while. One process at a time rotates; whatever a crash leaves
/// behind is carried on by the next run, from the state that the data database has. The old epoch's key is destroyed
/// last, and only when both databases refuse to name the epoch, every standby of the vault has replayed that, and a
/// fresh backup of the vault has been taken and opened with the new epoch alone.
public struct Rotation: Sendable {
  /// How a run goes about it.
  public struct Options: Sendable {
    /// How many keys are wrapped again in one transaction.
    public var batchSize: Int
    /// How many batches are under way at once, each on a connection to either database.
    public var lanes: Int
    /// How many keys are wrapped again in a second at most; nil for as many as it goes.
    public var keysPerSecond: Int?
    /// How long to wait for standbys, in seconds, before giving up until the next run.
    public var standbyPatience: Int
    /// Standbys that have to be there, by their application names, besides those that are.
    public var requiredStandbys: [String]

    /// The defaults: 1,000 keys a batch, three batches at once, no limit of rate, 60 s for standbys, none required by
    /// name.
    public init(
      batchSize: Int = 1_000, lanes: Int = 3, keysPerSecond: Int? = nil, standbyPatience: Int = 60,
      requiredStandbys: [String] = []
    ) {
      self.batchSize = batchSize
      self.lanes = max(1, lanes)
      self.keysPerSecond = keysPerSecond
      self.standbyPatience = standbyPatience
      self.requiredStandbys = requiredStandbys
    }
  }

  let custody: Custody
  let vault: VaultRotationStore
  private let backups: any VaultBackups
  private let options: Options
  private let progress: @Sendable (RotationProgress) -> Void
  private let began = ContinuousClock.now
  private let keysNow = Counter()

  /// A rotation of everything behind that door.
  ///
  /// - Parameter progress: told after each batch and each change of state.
  public init(
    custody: Custody, backups: any VaultBackups, options: Options = Options(),
    progress: @escaping @Sendable (RotationProgress) -> Void = { _ in }
  ) {
    self.custody = custody
    self.vault = VaultRotationStore(pool: custody.keyStore.pool)
    self.backups = backups
    self.options = options
    self.progress = progress
  }

  /// Begins a rotation, or carries on the one that is under way, as far as it goes.
  ///
  /// Throws ``RotationError`` when keyring and databases don't fit, and ``CustodyError`` `.unavailable` when a database
  /// or the keyring's file can't be used: run it again later, nothing is lost.
  public func run() async throws -> RotationOutcome {
    try await custody.translating {
      guard let lock = try await RotationLock.take(like: custody.worker.configuration, logger: custody.logger) else {
        return .busy
      }
      do {
        let outcome = try await carryOn(lock)
        await lock.release()
        return outcome
      } catch {
        await lock.release()
        throw error
      }
    }
  }

  private func carryOn(_ lock: RotationLock) async throws -> RotationOutcome {
    var next: RotationRecord? = try await currentOrNew()
    var ended = custody.keyring.activeEpoch
    while let rotation = next {
      ended = rotation.from
      try lock.check()
      try await report()
      switch rotation.state {
      case .prepared:
        try await prepare(rotation)
        try await move(rotation, to: .dualWrite)
      case .dualWrite:
        try requireBoth(rotation)
        try await move(rotation, to: .backfill)
      case .backfill:
        try requireBoth(rotation)
        try await backfill(rotation, lock)
        let unreadable = try await catchUp(rotation, lock)
        guard unreadable == 0 else { return try await wait(for: .unreadableTags(unreadable), rotation) }
        // A key that was wrapped meanwhile keeps the epoch open: once more.
        if try await closeEpoch(rotation) { try await move(rotation, to: .switched) }
      case .switched:
        try requireBoth(rotation)
        // Repeated after a crash: once the vault has no such epoch, no key can be wrapped under it.
        if try await closeEpoch(rotation) {
          if let obstacle = try await confirm(rotation) { return try await wait(for: obstacle, rotation) }
          try await move(rotation, to: .retire)
        } else {
          try await backfill(rotation, lock)
          _ = try await addMissingTags(rotation, lock)
        }
      case .retire:
        try await deleteTags(rotation)
        try await deleteEpoch(rotation.from)
        try lock.check()
        // The last look before what can't be undone: a vault that was restored meanwhile needs the old key again.
        if try await closeEpoch(rotation) {
          try custody.keyring.destroy(rotation.from)
          try await finish(rotation)
          return .retired(rotation.from)
        }
        try await reopen(rotation)
      case .retired: return .retired(rotation.from)
      }
      next = try await custody.rotation()
    }
    return .retired(ended)
  }

  // MARK: Prepared

  private func currentOrNew() async throws -> RotationRecord {
    if let current = try await custody.rotation() { return current }
    _ = try custody.keyring.refresh()
    let from = custody.keyring.activeEpoch
    let to = EpochNumber(rawValue: from.rawValue + 1)
    guard custody.keyring.epochs.count == 1 else { throw RotationError(.unknownRotation, epoch: from) }
    try await custody.worker.transaction { transaction in
      try RotationStore.begin(from: from, to: to, at: Microseconds.now(), in: transaction)
    }
    guard let begun = try await custody.rotation() else { throw RotationError(.unknownRotation, epoch: from) }
    return begun
  }

  /// The vault's row first, so that a key which another process wraps under the new epoch finds it there.
  private func prepare(_ rotation: RotationRecord) async throws {
    try await vault.insert(rotation.to, at: Microseconds.now())
    try custody.keyring.activate(rotation.to)
    try await vault.announce()
    for tenant in try await custody.tenants() {
      try await note(.keyRotationStarted, rotation, tenant.id)
    }
  }

  /// Neither key may be missing while both are needed: it would be the wrong keyring, or an old copy.
  private func requireBoth(_ rotation: RotationRecord) throws {
    _ = try custody.keyring.refresh()
    let held = custody.keyring.epochs.map(\.number)
    for epoch in [rotation.from, rotation.to] where !held.contains(epoch) {
      throw RotationError(.epochMissing, epoch: epoch)
    }
  }

  /// Waits until no writer relies on the state before. Long writers are not waited for with everybody else behind us:
  /// the attempt is given up after a moment, and repeated.
  private func move(_ rotation: RotationRecord, to state: RotationState) async throws {
    let settings = [SessionSetting(name: "lock_timeout", value: "1000")]
    for attempt in 0... {
      do {
        try await custody.worker.transaction(settings: settings) { transaction in
          try RotationStore.move(rotation, to: state, at: Microseconds.now(), in: transaction)
        }
        return
      } catch let error as PostgresError where error.sqlState == "55P03" && attempt < 120 {
        try await Task.sleep(for: .milliseconds(500))
      }
    }
  }

  // MARK: Backfill

  private func backfill(_ rotation: RotationRecord, _ lock: RotationLock) async throws {
    let tenants = try await vault.keys(of: rotation.from)
    let total = tenants.map(\.live).reduce(0, +)
    try await custody.worker.transaction { try RotationStore.expect(keys: total, rotation, in: $0) }
    let known = Set(try await custody.tenants().map(\.id))
    for (tenant, _) in tenants {
      // A key whose tenant was never committed has no log to be in; it is wrapped again like any other.
      try await rewrapAll(of: tenant, isCommitted: known.contains(tenant), rotation, lock)
    }
  }

  /// Wraps a tenant's keys again, and makes their subjects' tags: as many batches at once as there are lanes.
  private func rewrapAll(of tenant: TenantID, isCommitted: Bool, _ rotation: RotationRecord, _ lock: RotationLock)
    async throws
  {
    // A batch that fails ends the others, and nothing runs on after this has returned.
    try await withThrowingTaskGroup(of: Void.self) { lanes in
      var place: VaultRotationStore.Place?
      var busy = 0
      while true {
        let batch = try await vault.keys(of: rotation.from, in: tenant, after: place, limit: options.batchSize)
        guard let last = batch.last else { break }
        try lock.check()
        place = last.place
        if busy == options.lanes { try await lanes.next() } else { busy += 1 }
        lanes.addTask {
          let keys = try await vault.rewrap(batch, of: rotation.from, in: tenant, keyring: custody.keyring)
          keysNow.add(keys.count)
          if isCommitted { try await addTags(rewrapped: keys, in: tenant, rotation) }
        }
        try await throttle()
      }
      try await lanes.waitForAll()
    }
  }

  /// Makes what a crash, or a row that somebody held, has left out. Returns how many tags that were.
  private func addMissingTags(_ rotation: RotationRecord, _ lock: RotationLock) async throws -> Int {
    var missing = 0
    for tenant in try await custody.tenants() {
      let settings = AccessContext.operation(tenant.id).settings + RotationStore.bySubject
      var last = Self.noSubject
      while true {
        try lock.check()
        let rows = try await custody.worker.read(
          RotationStore.behind(rotation, after: last, limit: Self.pageSize, tenant: tenant.id), settings: settings)
        var behind: Set<SubjectID> = []
        var end: UUID?
        for row in rows {
          let subject = try row.decode("subject_id", as: UUID.self)
          if try row.decode("behind", as: Bool.self) {
            behind.insert(SubjectID(subject))
            missing += 1
          } else {
            end = subject
          }
        }
        guard let end else { break }
        last = end
        let subjects = behind.sorted()
        for start in stride(from: 0, to: subjects.count, by: options.batchSize) {
          let batch = Array(subjects[start..<min(subjects.count, start + options.batchSize)])
          let keys = try await custody.keys.liveKeys(among: batch, tenant: tenant.id)
          try await addTags(by: keys, rewrapped: 0, in: tenant.id, rotation)
          try await throttle()
        }
      }
    }
    return missing
  }

  /// Before every subject: no random UUID is all zero.
  private static let noSubject = UUID(uuid: (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0))
  /// How many tags are looked at in one statement.
  private static let pageSize = 5_000

  /// The tags of subjects whose keys were just wrapped again, without asking the vault for them once more. Whoever was
  /// erased meanwhile has no tags left.
  private func addTags(
    rewrapped: [VaultRotationStore.Stored], in tenant: TenantID, _ rotation: RotationRecord
  ) async throws {
    let subjects = rewrapped.filter { $0.owner.kind == .subject }
    let keys = WrappedSubjectKeys(
      tenant: tenant, wrapped: Dictionary(subjects.map { (SubjectID($0.owner.id), $0.wrapped) }) { first, _ in first },
      keys: custody.keys)
    try await addTags(by: keys, rewrapped: rewrapped.count, in: tenant, rotation)
  }

  /// One batch: the subjects' tags under the new epoch, and the entry that says so, in one commit.
  private func addTags(
    by keys: WrappedSubjectKeys, rewrapped: Int, in tenant: TenantID, _ rotation: RotationRecord
  ) async throws {
    let context = AccessContext.operation(tenant)
    try await custody.unit(custody.worker, context, keys: [:], created: nil) { unit in
      guard let index = unit.indexKeys.first(where: { $0.epoch == rotation.to }) else { throw EpochsMoved() }
      let made = try TagBackfill.add(under: index, from: rotation.from, keys: keys, tenant: tenant, in: unit.database)
      try RotationStore.count(keys: rewrapped, tags: made.added, rotation, in: unit.database)
      unit.record(
        .keyRewrapped,
        codes: [
          "from_epoch": String(rotation.from.rawValue), "to_epoch": String(rotation.to.rawValue),
          "keys": String(rewrapped), "tags": String(made.added),
        ])
    }
    try await report()
  }

  /// Tags that somebody held while they were to be made again are tried again for a few seconds. Returns how many are
  /// still missing: those whose values don't open.
  private func catchUp(_ rotation: RotationRecord, _ lock: RotationLock) async throws -> Int {
    for _ in 0..<10 {
      if try await addMissingTags(rotation, lock) == 0 { return 0 }
      try await Task.sleep(for: .milliseconds(300))
    }
    return try await addMissingTags(rotation, lock)
  }

  private func throttle() async throws {
    guard let rate = options.keysPerSecond, rate > 0 else { return }
    let due = began + .seconds(Double(keysNow.value) / Double(rate))
    if due > .now { try await Task.sleep(until: due) }
  }

  // MARK: Switch

  /// Removes the old epoch from the vault; false while a key needs it, which another replica wrapped meanwhile.
  private func closeEpoch(_ rotation: RotationRecord) async throws -> Bool {
    do {
      try await vault.delete(rotation.from)
      try await vault.announce()
      return true
    } catch let error as PostgresError where error.sqlState == "23503" {
      return false
    }
  }

  /// Goes back to wrapping again, with the old epoch known to the data database as it is to the vault.
  private func reopen(_ rotation: RotationRecord) async throws {
    try await custody.worker.transaction { try EpochStore.insert(rotation.from, at: Microseconds.now(), in: $0) }
    try await move(rotation, to: .switched)
  }

  /// Has standbys and a fresh backup show that the old epoch is needed nowhere; what is missing, or nil.
  private func confirm(_ rotation: RotationRecord) async throws -> RotationObstacle? {
    let position = try await vault.position()
    let missing = try await unconfirmed(position)
    guard missing.isEmpty else { return .standbys(missing) }
    switch try await freshBackup(rotation) {
    case .success(let name):
      try await custody.worker.transaction { transaction in
        try RotationStore.confirm(position: position, backup: name, rotation, in: transaction)
      }
      return nil
    case .failure(let blocked): return blocked.obstacle
    }
  }

  /// The standbys that have not replayed the position in time.
  private func unconfirmed(_ position: String) async throws -> [String] {
    let deadline = ContinuousClock.now + .seconds(options.standbyPatience)
    while true {
      let standbys = try await vault.standbys(reached: position)
      // By connection, since two standbys may go by one name.
      let behind = standbys.filter { !$0.confirmed }.map(\.name)
      let missing = Set(behind).union(Set(options.requiredStandbys).subtracting(standbys.map(\.name))).sorted()
      if missing.isEmpty || ContinuousClock.now >= deadline { return missing }
      try await Task.sleep(for: .milliseconds(250))
    }
  }

  private struct Blocked: Error { let obstacle: RotationObstacle }

  /// Takes a backup of the vault and opens every key in it with the new epoch; complete, or it doesn't count.
  private func freshBackup(_ rotation: RotationRecord) async throws -> Result<String, Blocked> {
    var before: [TenantID: Int64] = [:]
    for tenant in try await custody.tenants() { before[tenant.id] = try await vault.keysEver(in: tenant.id) }
    let seen = Mutex<[TenantID: Int64]>([:])
    let keyring = custody.keyring
    do {
      let name = try await backups.take { key in
        if key.owner.kind != .expiring { seen.withLock { $0[TenantID(key.owner.tenant), default: 0] += 1 } }
        guard let wrapped = key.wrapped else { return }
        guard wrapped.epoch == rotation.to else { throw CustodyError(.unreadable, field: "backup_epoch") }
        _ = try keyring.rewrap(wrapped, for: key.owner)
      }
      let counted = seen.withLock { $0 }
      for (tenant, count) in before where counted[tenant, default: 0] < count {
        return .failure(Blocked(obstacle: .backup("it has fewer keys than the vault")))
      }
      return .success(name)
    } catch let error as VaultError {
      return .failure(Blocked(obstacle: .backup("a key in it does not open (\(error.code))")))
    } catch let error as CustodyError {
      return .failure(Blocked(obstacle: .backup("\(error)")))
    } catch is CancellationError {
      throw CancellationError()
    } catch {
      return .failure(Blocked(obstacle: .backup("\(error)")))
    }
  }

  private func wait(for obstacle: RotationObstacle, _ rotation: RotationRecord) async throws -> RotationOutcome {
    try await custody.worker.transaction { try RotationStore.wait(for: obstacle.code, rotation, in: $0) }
    return .waiting(obstacle)
  }

  // MARK: Retire

  private func deleteTags(_ rotation: RotationRecord) async throws {
    for tenant in try await custody.tenants() {
      let settings = AccessContext.operation(tenant.id).settings
      let count = try await custody.worker.transaction(settings: settings) { transaction in
        try RotationStore.countTags(of: rotation.from, tenant: tenant.id, in: transaction)
      }
      if count == 0 { continue }
      // Ranges of the first byte, each of at most a few thousand rows.
      let ranges = max(1, min(256, Int(count / 4_096)))
      for number in 0..<ranges {
        let low = UInt8(number * 256 / ranges)
        let high = UInt8((number + 1) * 256 / ranges - 1)
        try await custody.worker.transaction(settings: settings) { transaction in
          try RotationStore.deleteTags(of: rotation.from, firstByte: low...high, tenant: tenant.id, in: transaction)
        }
      }
    }
  }

  /// The database looks through all tags before it lets the epoch go, which may take a while.
  private func deleteEpoch(_ epoch: EpochNumber) async throws {
    var patient = custody.worker.configuration
    patient.role = "rotation"
    patient.size = 1
    patient.statementTimeout = .seconds(3_600)
    let pool = PostgresPool(patient, logger: custody.logger)
    do {
      try await pool.start()
      try await pool.transaction { try EpochStore.delete(epoch, in: $0) }
    } catch {
      await pool.shutdown()
      throw error
    }
    await pool.shutdown()
  }

  private func finish(_ rotation: RotationRecord) async throws {
    try await vault.announce()
    custody.keys.dropStale()
    // Before the state says so: what a crash leaves out is written by the next run, and a second entry does no harm.
    for tenant in try await custody.tenants() { try await note(.keyEpochRetired, rotation, tenant.id) }
    try await custody.worker.transaction { try RotationStore.retire(rotation, at: Microseconds.now(), in: $0) }
  }

  private func note(_ action: AuditAction, _ rotation: RotationRecord, _ tenant: TenantID) async throws {
    try await custody.operate(.operation(tenant)) { unit in
      unit.record(
        action,
        codes: ["from_epoch": String(rotation.from.rawValue), "to_epoch": String(rotation.to.rawValue)])
    }
  }

  // MARK: Progress

  private func report() async throws {
    guard let record = try await custody.rotation() else { return }
    let elapsed = began.duration(to: .now)
    progress(
      RotationProgress(
        record: record, keysNow: Int64(keysNow.value),
        seconds: Double(elapsed.components.seconds) + Double(elapsed.components.attoseconds) / 1e18))
  }

  private final class Counter: Sendable {
    private let count = Mutex(0)
    var value: Int { count.withLock { $0 } }
    func add(_ number: Int) { count.withLock { $0 += number } }
  }
}
