/// What a recovery did for one tenant.
public struct RecoveryReport: Sendable, Equatable {
  /// The tenant.
  public let tenant: TenantID
  /// Whether the tenant itself was missing in the data database and was put back, without its name and kind.
  public var tenantRestored = false
  /// Log entries that came back from the archive.
  public var imported: Int64 = 0
  /// Erasures that the ledger lacked.
  public var ledgerLines = 0
  /// Subjects that were live, or half erased, in the data database.
  public var tombstoned = 0
  /// Keys of erased subjects that the vault had again, or had not heard of.
  public var keysDestroyed = 0
  /// Requests and erasures that were brought to where the log says they are.
  public var requestsSettled = 0
  /// Lookup tags that were made again.
  public var tagsRebuilt = 0
  /// Values whose tags can't be made again, since they don't open or have no key.
  public var tagsUnreadable = 0
  /// Live subjects without a key: created after the backup of the vault. Nothing of theirs can be read.
  public var keyless = 0
  /// Keys without a row: created after the backup of the data database. They are reaped after a day.
  public var orphans = 0

  init(_ tenant: TenantID) { self.tenant = tenant }

  /// Whether anything was changed.
  public var didSomething: Bool {
    tenantRestored || imported > 0 || ledgerLines > 0 || tombstoned > 0 || keysDestroyed > 0 || requestsSettled > 0
      || tagsRebuilt > 0
  }

  /// The codes of the entry `log.recovered`.
  var codes: [String: String] {
    [
      "imported": String(imported), "ledger_lines": String(ledgerLines), "tombstoned": String(tombstoned),
      "keys_destroyed": String(keysDestroyed), "requests_settled": String(requestsSettled),
      "tags_rebuilt": String(tagsRebuilt), "keyless": String(keyless), "orphans": String(orphans),
    ]
  }

  /// Adds what an interrupted run had done before. What is only counted is counted anew.
  mutating func add(_ earlier: RecoveryReport) {
    tenantRestored = tenantRestored || earlier.tenantRestored
    imported += earlier.imported
    ledgerLines += earlier.ledgerLines
    tombstoned += earlier.tombstoned
    keysDestroyed += earlier.keysDestroyed
    requestsSettled += earlier.requestsSettled
    tagsRebuilt += earlier.tagsRebuilt
  }
}

/// What a recovery came to.
public struct RecoveryOutcome: Sendable {
  /// One for each tenant, oldest first.
  public let tenants: [RecoveryReport]
  /// Whether the epochs of the databases were put right.
  public let epochsRepaired: Bool
  /// What was found before.
  public let before: [StartupComparison.Finding]
  /// What is left; empty when the databases may be served.
  public let left: [StartupComparison.Finding]
}

/// Where a recovery is.
public enum RecoveryStep: String, Sendable, CaseIterable {
  /// Entries come back from the archive; after each batch.
  case imported
  /// Erasures that the ledger lacked were added.
  case ledgered
  /// The vault's keys of erased subjects are destroyed.
  case keysDestroyed = "keys_destroyed"
  /// A subject is tombstoned in the data database; after each.
  case tombstoned
  /// Tags are made again; after each batch.
  case tagsRebuilt = "tags_rebuilt"
  /// The epochs are put right.
  case epochsRepaired = "epochs_repaired"
  /// Requests and erasures are where the log says they are.
  case requestsSettled = "requests_settled"
  /// `log.recovered` is in the log.
  case logged
}

/// Why nothing was recovered. Nothing was changed.
public struct RecoveryError: Error, Sendable, Equatable, CustomStringConvertible {
  /// What is in the way.
  public enum Code: Sendable, Equatable {
    /// Another recovery or a rotation is under way.
    case busy
    /// So many sessions of a running service are connected to the data database.
    case served(sessions: Int)
    /// These findings can't be repaired by any recovery, or would be made worse.
    case beyondRepair([StartupComparison.Finding])
    /// The archive's entries of this tenant, from that one on, don't continue the database's log.
    case brokenChain(tenant: TenantID, sequence: UInt64)
  }

  /// What is in the way.
  public let code: Code

  init(_ code: Code) { self.code = code }

  /// For the operator; a line for each finding.
  public var description: String {
    switch code {
    case .busy: "another recovery or a rotation is under way; wait for its end"
    case .served(let sessions):
      "a service is connected to the data database (\(sessions) session(s)); stop every replica first"
    case .beyondRepair(let findings):
      "this can't be repaired by a recovery; nothing was changed (runbooks/restore-from-backup.md):\n  "
        + findings.map(\.description).joined(separator: "\n  ")
    case .brokenChain(let tenant, let sequence):
      "tenant \(tenant): the archive's entry \(sequence) does not continue the log; nothing was changed"
    }
  }
}
