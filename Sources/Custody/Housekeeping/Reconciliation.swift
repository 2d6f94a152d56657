import Audit
import Foundation
public import Logging
import Postgres

/// Holds subjects against their keys: a key whose row was never committed is reaped, a row without a key is a finding
/// that is reported and never repaired.
///
/// A reaping claims the subject's id in the data database first: the claim waits for a creation that is under way, and
/// defeats one that comes later. Only then the key is destroyed, and only then the log says so.
public struct Reconciliation: Sendable {
  /// How old a key has to be, in microseconds, before it is taken for an orphan.
  public static let grace: Int64 = 86_400_000_000
  /// How many keys one run reaps at most, for each tenant.
  public static let limit = 100
  private static let pageSize = 5_000

  private let custody: Custody
  private let logger: Logger
  private let now: @Sendable () -> Int64

  /// A comparison behind that door.
  ///
  /// - Parameter now: microseconds since the Unix epoch.
  public init(custody: Custody, logger: Logger, now: @escaping @Sendable () -> Int64 = { Microseconds.now() }) {
    self.custody = custody
    self.logger = logger
    self.now = now
  }

  /// What a comparison of one tenant found.
  public struct Findings: Sendable, Equatable {
    /// How many keys and subjects were held against each other.
    public var compared = 0
    /// Live subjects whose key is missing or destroyed: nothing of theirs can be read. At most the first 10,000.
    public var keyless: [SubjectID] = []
    /// Keys without a row, however young.
    public var orphans = 0
  }

  /// What a run did.
  public struct Outcome: Sendable, Equatable {
    /// How many keys and subjects were held against each other.
    public let compared: Int
    /// How many orphaned keys were destroyed.
    public let reaped: Int
    /// The live subjects without a key.
    public let keyless: [SubjectID]
  }

  // MARK: Looking

  /// Compares, and changes nothing.
  public func compare(_ tenant: TenantID) async throws -> Findings {
    var findings = Findings()
    findings.orphans = try await orphans(tenant, createdBefore: Int64.max, atMost: nil, &findings.compared).count
    findings.keyless = try await keyless(tenant, &findings.compared)
    return findings
  }

  // MARK: Reaping

  /// Compares the tenant and reaps what is old enough, unless that was done in the last 24 hours; nil then.
  ///
  /// - Parameter isServable: asked once before anything is destroyed; a reaping on a database that has not been recovered
  ///   would destroy the keys of everybody whose rows are missing.
  public func runIfDue(_ tenant: TenantID, isServable: () async throws -> Bool) async throws -> Outcome? {
    let settings = AccessContext.operation(tenant).settings
    let last = try await custody.translating {
      try await custody.worker.read(ReconciliationStore.last(tenant), settings: settings).first?
        .decode("finished_at", as: Int64.self)
    }
    if let last, now() - last < Self.grace { return nil }
    return try await run(tenant, isServable: isServable)
  }

  /// Compares the tenant and reaps what is old enough.
  public func run(_ tenant: TenantID, isServable: () async throws -> Bool) async throws -> Outcome? {
    guard try await isServable() else { return nil }
    var compared = 0
    var reaped = 0
    // Claims of a run that was killed: their keys first.
    for claim in try await claims(tenant) { reaped += try await destroy(claim, tenant) ? 1 : 0 }
    let old = try await orphans(tenant, createdBefore: now() - Self.grace, atMost: Self.limit, &compared)
    for orphan in old.prefix(max(0, Self.limit - reaped)) where try await claim(orphan, tenant) {
      reaped += try await destroy(orphan, tenant) ? 1 : 0
    }
    let keyless = try await keyless(tenant, &compared)
    for subject in keyless.prefix(100) {
      logger.error(
        "a subject has no key in the vault: nothing of it can be read",
        metadata: ["tenant": "\(tenant)", "subject": "\(subject)"])
    }
    let outcome = Outcome(compared: compared, reaped: reaped, keyless: keyless)
    let finished = now()
    try await custody.translating {
      try await custody.worker.transaction(settings: AccessContext.operation(tenant).settings) { transaction in
        try ReconciliationStore.finish(outcome, at: finished, tenant: tenant, in: transaction)
      }
    }
    return outcome
  }

  /// Makes a row for the orphan that says nothing of anybody. False when there is one by now: then it was no orphan.
  private func claim(_ orphan: KeyInventoryStore.Item, _ tenant: TenantID) async throws -> Bool {
    let now = now()
    return try await custody.translating {
      try await custody.worker.transaction(settings: AccessContext.operation(tenant).settings) { transaction in
        try ReconciliationStore.claim(
          orphan.subject, commitment: orphan.commitment, at: now, tenant: tenant, in: transaction)
      }
    }
  }

  /// Destroys a claimed key, and says so in the log once it is done. False when another replica was first.
  private func destroy(_ orphan: KeyInventoryStore.Item, _ tenant: TenantID) async throws -> Bool {
    let context = AccessContext.operation(tenant)
    let destroyed = try await custody.destroyKey(of: orphan.subject, commitment: orphan.commitment, context)
    return try await custody.operate(context) { unit in
      guard try ReconciliationStore.reaped(orphan.subject, at: destroyed.at, tenant: tenant, in: unit.database) else {
        return false
      }
      unit.recordAboutErasure(
        .keyReaped, subject: orphan.subject, codes: ["key_commitment": Custody.hex(orphan.commitment)])
      return true
    }
  }

  private func claims(_ tenant: TenantID) async throws -> [KeyInventoryStore.Item] {
    try await custody.translating {
      try await custody.worker.read(
        ReconciliationStore.claims(tenant, limit: Self.limit), settings: AccessContext.operation(tenant).settings
      ).map { row in
        KeyInventoryStore.Item(
          subject: SubjectID(try row.decode("subject_id", as: UUID.self)),
          commitment: try row.decode("key_commitment", as: [UInt8].self), destroyedAt: nil)
      }
    }
  }

  // MARK: Comparing

  /// Live keys whose id has no row in the data database.
  private func orphans(_ tenant: TenantID, createdBefore time: Int64, atMost limit: Int?, _ compared: inout Int)
    async throws -> [KeyInventoryStore.Item]
  {
    let inventory = KeyInventoryStore(pool: custody.keyStore.pool)
    var orphans: [KeyInventoryStore.Item] = []
    var last: SubjectID?
    while true {
      let after = last
      let page = try await custody.translating {
        try await inventory.live(in: tenant, after: after, createdBefore: time, limit: Self.pageSize)
      }
      guard let end = page.last else { return orphans }
      last = end.subject
      compared += page.count
      let known = Set(try await states(of: page.map(\.subject), tenant).keys)
      orphans += page.filter { !known.contains($0.subject) }
      if let limit, orphans.count >= limit { return Array(orphans.prefix(limit)) }
    }
  }

  /// Live subjects whose key is missing or destroyed.
  private func keyless(_ tenant: TenantID, _ compared: inout Int) async throws -> [SubjectID] {
    var keyless: [SubjectID] = []
    var last: SubjectID?
    while keyless.count < 10_000 {
      let after = last
      let page = try await custody.translating {
        try await custody.worker.read(
          RecoveryStore.live(after: after, limit: Self.pageSize, tenant: tenant),
          settings: AccessContext.operation(tenant).settings
        ).map { SubjectID(try $0.decode("subject_id", as: UUID.self)) }
      }
      guard let end = page.last else { break }
      last = end
      compared += page.count
      let live = try await custody.holdingKeys(among: page, .operation(tenant))
      let without = page.filter { !live.contains($0) }
      if without.isEmpty { continue }
      // Once more: an erasure since then has its tombstone by now.
      let states = try await states(of: without, tenant)
      keyless += without.filter { states[$0] == "live" }
    }
    return keyless
  }

  private func states(of subjects: [SubjectID], _ tenant: TenantID) async throws -> [SubjectID: String] {
    try await custody.translating {
      let rows = try await custody.worker.read(
        RecoveryStore.states(of: subjects, tenant: tenant), settings: AccessContext.operation(tenant).settings)
      return Dictionary(try rows.map { try RecoveryStore.decodeState($0) }.map { ($0.subject, $0.state) }) { $1 }
    }
  }
}
