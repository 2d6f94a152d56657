public import Audit
import Foundation
public import Logging
import Postgres
import Vault

/// Brings databases that came from a backup up to what was published and erased since, so that they may be served.
///
/// It imports archived log entries, completes the ledger, puts epochs and lookup tags right, erases again whoever is in
/// the ledger, brings requests to where the log says they are, and appends `log.recovered`. Every step is committed
/// before the next begins and can be repeated: a recovery that was killed is carried on by the next one, and one that
/// has nothing to do changes nothing.
///
/// One at a time, and never beside a rotation: both take the same lock. No service may be connected meanwhile. The
/// archive and the keyring are what is trusted: start with the newest of both.
public struct Recovery: Sendable {
  let custody: Custody
  let checkpointer: Checkpointer
  let ledger: ErasureLedger
  private let erasures: any ErasureBookkeeping
  private let logger: Logger
  private let progress: @Sendable (String) -> Void
  let afterStep: @Sendable (RecoveryStep) throws -> Void

  /// A recovery of everything behind that door.
  ///
  /// - Parameters:
  ///   - erasures: what is kept of erasures above custody.
  ///   - progress: told a line for each thing that is begun; for a terminal.
  ///   - afterStep: called when a step is committed, before the next begins; for fault injection.
  public init(
    custody: Custody, checkpointer: Checkpointer, ledger: ErasureLedger, erasures: any ErasureBookkeeping,
    logger: Logger, progress: @escaping @Sendable (String) -> Void = { _ in },
    afterStep: @escaping @Sendable (RecoveryStep) throws -> Void = { _ in }
  ) {
    self.custody = custody
    self.checkpointer = checkpointer
    self.ledger = ledger
    self.erasures = erasures
    self.logger = logger
    self.progress = progress
    self.afterStep = afterStep
  }

  private var comparison: StartupComparison {
    StartupComparison(custody: custody, checkpointer: checkpointer, ledger: ledger)
  }

  // MARK: Looking

  /// What a recovery would do, as far as that can be told without doing it; changes nothing.
  ///
  /// Throws ``RecoveryError``, ``CustodyError``, and `AuditError` for an archive that can't be relied on.
  public func plan() async throws -> RecoveryOutcome {
    let before = try await repairable(comparison.findings())
    let records = try records()
    var reports: [RecoveryReport] = []
    for (tenant, isMissing) in try await everyTenant(before) {
      var report = RecoveryReport(tenant)
      report.tenantRestored = isMissing
      let missing = try await LogImport(custody: custody, checkpointer: checkpointer, tenant: tenant).missing()
      report.imported = Int64(missing?.count ?? 0)
      let added = try await missingRecords(tenant, missing, known: records[tenant] ?? [:])
      report.ledgerLines = added.count
      let erased = Set((records[tenant] ?? [:]).keys).union(added.map { SubjectID($0.subject) })
      for page in Self.pages(of: erased.sorted()) {
        report.tombstoned += try await states(of: page, tenant).filter { $0.value == "live" }.count
        report.keysDestroyed += try await undestroyed(among: page, tenant).count
      }
      try await count(&report)
      reports.append(report)
    }
    return RecoveryOutcome(
      tenants: reports, epochsRepaired: Self.concernsEpochs(before), before: before, left: before)
  }

  // MARK: Doing

  /// Recovers, and says what was done and what is left. With nothing left the databases may be served.
  ///
  /// Throws ``RecoveryError`` when nothing was changed, since it must not be; ``CustodyError`` `.unavailable` when a
  /// database went away: run it again.
  public func run() async throws -> RecoveryOutcome {
    try await refuseWhileServed()
    guard
      let lock = try await custody.translating({
        try await RotationLock.take(like: custody.worker.configuration, logger: logger)
      })
    else { throw RecoveryError(.busy) }
    do {
      let outcome = try await recover(lock)
      await lock.release()
      return outcome
    } catch {
      await lock.release()
      throw error
    }
  }

  private func recover(_ lock: RotationLock) async throws -> RecoveryOutcome {
    progress("comparing databases, archive and keyring")
    let before = try await repairable(comparison.findings())
    let tenants = try await everyTenant(before)

    // All of what is to be imported is checked before anything of it is.
    var missing: [TenantID: LogImport.Missing] = [:]
    for (tenant, _) in tenants {
      missing[tenant] = try await LogImport(custody: custody, checkpointer: checkpointer, tenant: tenant).missing()
    }
    let note = RecoveryNote(archive: checkpointer.archive)
    let interrupted = note.load()
    let tally = try RecoveryTally(
      tenants: tenants.map { tenant, isMissing in
        var report = RecoveryReport(tenant)
        report.tenantRestored = isMissing
        if let earlier = interrupted?[tenant] { report.add(earlier) }
        return report
      }, note: note, isNoted: interrupted != nil || !before.isEmpty)

    for (tenant, isMissing) in tenants {
      try lock.check()
      if isMissing { try await restoreTenant(tenant) }
      try await completeLedger(tenant, missing[tenant], tally)
      if let missing = missing[tenant] { try await importLog(tenant, missing, tally) }
    }
    try lock.check()
    let records = try records()
    let repair = EpochRepair(recovery: self, erased: records.mapValues { Set($0.keys) })
    let epochsRepaired = try await repair.run(tenants.map(\.tenant), tally, progress: progress)
    for (tenant, _) in tenants {
      try lock.check()
      try await erase(tenant, records[tenant] ?? [:], tally)
      try await settle(tenant, tally)
    }
    try await finish(tenants.map(\.tenant), tally)
    progress("comparing once more")
    return RecoveryOutcome(
      tenants: tally.reports, epochsRepaired: epochsRepaired, before: before, left: try await comparison.findings())
  }

  private func refuseWhileServed() async throws {
    // A custody that is itself a service's can't tell its own sessions from another's.
    guard custody.worker.configuration.applicationName.hasPrefix("lethe-recover") else { return }
    var sessions = 0
    for attempt in 0..<10 {
      // A service that has just ended, or that only looks whether it may go on, is gone in a moment.
      if attempt > 0 { try await Task.sleep(for: .milliseconds(200)) }
      sessions = try await custody.translating {
        try await custody.worker.read(RecoveryStore.services).first?.decode("sessions", as: Int.self) ?? 0
      }
      if sessions == 0 { return }
    }
    throw RecoveryError(.served(sessions: sessions))
  }

  /// The findings, when all of them can be repaired.
  private func repairable(_ findings: [StartupComparison.Finding]) throws -> [StartupComparison.Finding] {
    let beyond = findings.filter { !$0.isRepairable }
    guard beyond.isEmpty else { throw RecoveryError(.beyondRepair(beyond)) }
    return findings
  }

  /// Every tenant of the database, and every one that only the archive knows.
  private func everyTenant(_ findings: [StartupComparison.Finding]) async throws
    -> [(tenant: TenantID, isMissing: Bool)]
  {
    let missing = findings.compactMap { finding -> TenantID? in
      if case .tenantMissing(let tenant, _) = finding { tenant } else { nil }
    }
    return try await custody.tenants().map { ($0.id, false) } + missing.map { ($0, true) }
  }

  static func concernsEpochs(_ findings: [StartupComparison.Finding]) -> Bool {
    findings.contains { finding in
      switch finding {
      case .epochsDiffer, .vaultBehindEpochs: true
      default: false
      }
    }
  }

  static func pages(of subjects: [SubjectID], size: Int = 1_000) -> [[SubjectID]] {
    stride(from: 0, to: subjects.count, by: size).map { Array(subjects[$0..<min($0 + size, subjects.count)]) }
  }

  // MARK: The log

  /// The tenant's row and the head of its log. Its name and kind are in no log, and are lost.
  private func restoreTenant(_ tenant: TenantID) async throws {
    progress("tenant \(tenant): putting it back; its name and kind are lost")
    let origin = custody.origin(of: tenant)
    try await custody.translating {
      try await custody.worker.transaction(settings: AccessContext.operation(tenant).settings) { transaction in
        let row = Tenant(id: tenant, kind: .platform, name: "Recovered \(tenant)")
        guard try TenantStore.insert(row, at: Microseconds.now(), in: transaction) else { return }
        try AuditLogStore.createHead(tenant: tenant, origin: origin, in: transaction)
      }
    }
  }

  private func importLog(_ tenant: TenantID, _ missing: LogImport.Missing, _ tally: RecoveryTally) async throws {
    progress("tenant \(tenant): importing \(missing.count) log entries")
    let archive = LogImport(custody: custody, checkpointer: checkpointer, tenant: tenant)
    while true {
      let count = try await archive.importBatch(upTo: missing.checkpoint)
      if count == 0 { break }
      try tally.change(tenant) { $0.imported += count }
      try afterStep(.imported)
    }
    try await archive.restoreCheckpoints()
  }

  // MARK: The ledger

  /// The ledger's records, by tenant and subject.
  private func records() throws -> [TenantID: [SubjectID: ErasureRecord]] {
    var records: [TenantID: [SubjectID: ErasureRecord]] = [:]
    for record in try ledger.records() {
      records[TenantID(record.tenant), default: [:]][SubjectID(record.subject)] = record
    }
    return records
  }

  /// Erasures that the log, either database or the archive knows of, and the ledger does not.
  private func missingRecords(
    _ tenant: TenantID, _ missing: LogImport.Missing?, known: [SubjectID: ErasureRecord]
  ) async throws -> [ErasureRecord] {
    var found: [SubjectID: ErasureRecord] = [:]
    func add(_ subject: SubjectID, _ commitment: [UInt8], _ time: Int64) {
      guard known[subject] == nil, found[subject] == nil else { return }
      found[subject] = ErasureRecord(tenant: tenant.uuid, subject: subject.uuid, commitment: commitment, time: time)
    }
    for erasure in missing?.erasures ?? [] { add(erasure.subject, erasure.commitment, erasure.time) }
    var last: SubjectID?
    repeat {
      let page = try await custody.erasedSubjects(in: tenant, after: last, limit: 5_000)
      for erased in page { add(erased.subject, erased.commitment, erased.at) }
      last = page.last?.subject
    } while last != nil
    // A tombstone in the vault is an erasure's when the data database has the person; else it may be a reaped key's.
    let inventory = KeyInventoryStore(pool: custody.keyStore.pool)
    repeat {
      let page = try await custody.translating {
        try await inventory.destroyed(in: tenant, after: last, limit: 5_000)
      }
      let unknown = page.filter { known[$0.subject] == nil && found[$0.subject] == nil }
      if !unknown.isEmpty {
        let states = try await states(of: unknown.map(\.subject), tenant)
        for key in unknown where ["live", "erasing"].contains(states[key.subject]) {
          add(key.subject, key.commitment, key.destroyedAt ?? 0)
        }
      }
      last = page.last?.subject
    } while last != nil
    return found.values.sorted { $0.time < $1.time }
  }

  private func completeLedger(_ tenant: TenantID, _ missing: LogImport.Missing?, _ tally: RecoveryTally) async throws {
    let added = try await missingRecords(tenant, missing, known: try records()[tenant] ?? [:])
    if added.isEmpty { return }
    progress("tenant \(tenant): adding \(added.count) erasure(s) to the ledger")
    let file = self.ledger
    try await custody.translating {
      // On a connection's thread, which may wait for a disk.
      try await custody.worker.transaction { _ in _ = try file.append(contentsOf: added) }
    }
    try tally.change(tenant) { $0.ledgerLines += added.count }
    try afterStep(.ledgered)
  }

  // MARK: Erasures

  private func states(of subjects: [SubjectID], _ tenant: TenantID) async throws -> [SubjectID: String] {
    try await custody.translating {
      let rows = try await custody.worker.read(
        RecoveryStore.states(of: subjects, tenant: tenant), settings: AccessContext.operation(tenant).settings)
      return Dictionary(try rows.map { try RecoveryStore.decodeState($0) }.map { ($0.subject, $0.state) }) { $1 }
    }
  }

  /// Those whose key the vault has not destroyed: it has it again, or knows nothing of it.
  private func undestroyed(among subjects: [SubjectID], _ tenant: TenantID) async throws -> [SubjectID] {
    let destroyed = try await custody.erased(among: subjects, .operation(tenant))
    return subjects.filter { !destroyed.contains($0) }
  }

  /// The log's own word of every completed erasure.
  private func logged(_ tenant: TenantID) async throws -> [SubjectID: AuditLogStore.CompletedErasure] {
    try await custody.translating {
      try await custody.worker.transaction(settings: AccessContext.operation(tenant).settings, readOnly: true) {
        try AuditLogStore.completedErasures(tenant: tenant, in: $0)
      }
    }
  }

  private func isClosed(_ tenant: TenantID) async throws -> Bool {
    try await custody.translating {
      try await custody.worker.transaction(settings: AccessContext.operation(tenant).settings, readOnly: true) {
        try AuditLogStore.readHead(tenant: tenant, in: $0).isClosed
      }
    }
  }

  /// Everybody in the ledger is erased in both databases, as of the time that the ledger says.
  private func erase(_ tenant: TenantID, _ records: [SubjectID: ErasureRecord], _ tally: RecoveryTally) async throws {
    if records.isEmpty { return }
    progress("tenant \(tenant): holding \(records.count) erasure(s) against both databases")
    let context = AccessContext.operation(tenant)
    // A closed log takes no entry, and what it said may have had its time.
    let isClosed = try await isClosed(tenant)
    var logged: [SubjectID: AuditLogStore.CompletedErasure]?
    for page in Self.pages(of: records.keys.sorted()) {
      let states = try await states(of: page, tenant).filter { ["live", "erasing"].contains($0.value) }
      let keys = try await undestroyed(among: page, tenant)
      if states.isEmpty && keys.isEmpty { continue }
      if logged == nil { logged = try await self.logged(tenant) }
      for (subject, state) in states where state == "live" {
        guard let record = records[subject] else { continue }
        try await tombstone(record, isLogged: isClosed || logged?[subject] != nil, context)
        try tally.change(tenant) { $0.tombstoned += 1 }
        try afterStep(.tombstoned)
      }
      for subject in keys {
        guard let record = records[subject] else { continue }
        _ = try await custody.destroyKey(of: subject, commitment: record.commitment, context)
        try tally.change(tenant) { $0.keysDestroyed += 1 }
        try afterStep(.keysDestroyed)
      }
      let unfinished = states.isEmpty ? [] : try await erasures.unfinishedErasures(in: tenant)
      for subject in states.keys {
        // One that a crash had stopped, and that nobody has completed, goes on by itself from where it is.
        guard let record = records[subject], logged?[subject] != nil || !unfinished.contains(subject) else { continue }
        try await complete(record, isLogged: isClosed || logged?[subject] != nil, context)
      }
    }
  }

  private func tombstone(_ record: ErasureRecord, isLogged: Bool, _ context: AccessContext) async throws {
    let subject = SubjectID(record.subject)
    let sealing = try await sealing(of: subject, context)
    _ = try await custody.operate(context) { unit in
      try unit.repeatTombstone(
        of: subject, at: record.time, isLogged: isLogged,
        codes: ["key_commitment": Custody.hex(record.commitment), "reason": "recovery"], sealing: sealing)
    }
  }

  /// The keys of the holds; without those that this vault doesn't know.
  private func sealing(of subject: SubjectID, _ context: AccessContext) async throws -> HoldSealing {
    do {
      return try await custody.holdSealing(of: subject, context)
    } catch let error as CustodyError where error.code == .keyMissing {
      let waiting = try await custody.operate(context) { unit in
        try HoldStore.waiting(of: subject, at: unit.now, tenant: context.tenant, in: unit.database)
      }
      logger.error(
        "a hold's key is not in this vault; what it kept is lost", metadata: ["subject": "\(subject)"])
      return HoldSealing(
        subjectKey: nil, holdKeys: Dictionary(waiting.map { ($0.id, DataKey?.none) }) { first, _ in first },
        suite: custody.suite)
    }
  }

  private func complete(_ record: ErasureRecord, isLogged: Bool, _ context: AccessContext) async throws {
    let subject = SubjectID(record.subject)
    let destruction = try await custody.destroyKey(of: subject, commitment: record.commitment, context)
    try await custody.operate(context) { unit in
      try unit.repeatCompletion(
        of: subject, at: record.time, isLogged: isLogged,
        codes: [
          "key_commitment": Custody.hex(record.commitment), "key_epoch": String(destruction.epoch),
          "reason": "recovery",
        ])
    }
  }

  private func settle(_ tenant: TenantID, _ tally: RecoveryTally) async throws {
    let logged = try await logged(tenant).values.sorted { $0.sequence < $1.sequence }
    if logged.isEmpty { return }
    let settled = try await erasures.settle(
      logged.map {
        LoggedErasure(
          subject: $0.subject, request: $0.request, commitment: $0.commitment, sequence: $0.sequence, time: $0.time,
          keyEpoch: $0.keyEpoch)
      }, in: tenant)
    if settled == 0 { return }
    try tally.change(tenant) { $0.requestsSettled += settled }
    try afterStep(.requestsSettled)
  }

  // MARK: The end

  private func count(_ report: inout RecoveryReport) async throws {
    let reconciliation = Reconciliation(custody: custody, logger: logger)
    let counts = try await reconciliation.compare(report.tenant)
    report.keyless = counts.keyless.count
    report.orphans = counts.orphans
  }

  private func finish(_ tenants: [TenantID], _ tally: RecoveryTally) async throws {
    for tenant in tenants {
      progress("tenant \(tenant): comparing subjects with keys")
      var counted = tally.report(of: tenant)
      try await count(&counted)
      let report = counted
      try tally.change(tenant) { $0 = report }
      let isClosed = try await isClosed(tenant)
      if report.didSomething && !isClosed {
        try await custody.operate(.operation(tenant)) { unit in
          unit.record(.logRecovered, codes: report.codes)
          // Keys whose rows this backup lacks are not reaped at once: a better backup may turn up.
          try ReconciliationStore.finish(
            Reconciliation.Outcome(compared: 0, reaped: 0, keyless: []), at: unit.now, tenant: tenant,
            in: unit.database)
        }
      }
      try tally.isLogged(tenant)
      try afterStep(.logged)
      try await checkpointer.publish(tenant)
    }
    tally.finish()
  }
}
