public import Audit
import Foundation
import Postgres
import Signing
import Vault

/// Compares both databases with what was published and with what was erased, and their epochs with the keyring, before
/// anything is served.
///
/// A data database that is behind the archive, or that has a live subject whose erasure is in the ledger, was
/// restored from a backup: serving it would bring people back. `lethe recover` repairs what can be repaired.
public struct StartupComparison: Sendable {
  /// What was found.
  public enum Finding: Sendable, Hashable, CustomStringConvertible {
    /// The archive covers more entries than the database has.
    case behindArchive(tenant: TenantID, database: Int64, archive: UInt64)
    /// The database has another entry than the archive at that position, the earliest that was looked at.
    case differsFromArchive(tenant: TenantID, sequence: UInt64)
    /// Subjects whose erasure is in the ledger are live in the database.
    case erasedSubjectsLive(tenant: TenantID, count: Int)
    /// The archive has no checkpoint although one was published: it is another folder, or it was lost.
    case archiveMissing(tenant: TenantID, published: Int64)
    /// Subjects whose erasure is in the ledger have a key in the vault.
    case erasedKeysAlive(tenant: TenantID, count: Int)
    /// Subjects are erased in the database, and the ledger says nothing of them: it is an older one, or was emptied.
    case ledgerIncomplete(tenant: TenantID, count: Int)
    /// The origin host changed since the log began.
    case originChanged(tenant: TenantID)
    /// The archive has the log of a tenant that the database does not know.
    case tenantMissing(tenant: TenantID, archive: UInt64)
    /// The vault does not know the tenant: it is from before the tenant was made.
    case tenantSecretMissing(tenant: TenantID)
    /// The databases need an epoch that came after the keyring's: the keyring is an old copy.
    case keyringOlder(keyring: Int32, needed: Int32)
    /// The data database's tags or its rotation name other epochs than the keyring holds.
    case epochsDiffer(data: [Int32], keyring: [Int32])
    /// The vault does not know the keyring's active epoch.
    case vaultBehindEpochs(active: Int32)
    /// Keys in the vault are wrapped under epochs whose keys are destroyed.
    case keysOfLostEpochs(count: Int64)
    /// A recovery began and did not come to its end: people that it has tombstoned may still have their keys.
    case recoveryInterrupted

    /// One line for the operator.
    public var description: String {
      switch self {
      case .behindArchive(let tenant, let database, let archive):
        "tenant \(tenant): the database has \(database) log entries, the archive covers \(archive)"
      case .differsFromArchive(let tenant, let sequence):
        "tenant \(tenant): entry \(sequence) is not the same in the database and in the archive; one was changed"
      case .erasedSubjectsLive(let tenant, let count):
        "tenant \(tenant): \(count) erased subject(s) are live in the database"
      case .archiveMissing(let tenant, let published):
        "tenant \(tenant): \(published) entries were published, but LETHE_ARCHIVE has no checkpoint of them"
      case .erasedKeysAlive(let tenant, let count):
        "tenant \(tenant): \(count) erased subject(s) have a key in the vault; the vault is behind the ledger"
      case .ledgerIncomplete(let tenant, let count):
        "tenant \(tenant): \(count) erased subject(s) are not in the ledger of LETHE_ARCHIVE"
      case .originChanged(let tenant):
        "tenant \(tenant): the log began under another host than PUBLIC_ORIGIN names now"
      case .tenantMissing(let tenant, let archive):
        "tenant \(tenant): the archive has \(archive) log entries, the database does not know the tenant"
      case .tenantSecretMissing(let tenant):
        "tenant \(tenant): the vault does not know the tenant"
      case .keyringOlder(let keyring, let needed):
        "the keyring ends with epoch \(keyring), and the databases need epoch \(needed); it is an old copy"
      case .epochsDiffer(let data, let keyring):
        "the data database has lookup tags of epochs \(Self.list(data)), the keyring holds \(Self.list(keyring))"
      case .vaultBehindEpochs(let active):
        "the vault does not know epoch \(active), which the keyring uses"
      case .keysOfLostEpochs(let count):
        "\(count) key(s) in the vault are wrapped under an epoch that is retired; nothing opens them any more"
      case .recoveryInterrupted: "a recovery was interrupted"
      }
    }

    private static func list(_ epochs: [Int32]) -> String {
      epochs.isEmpty ? "none" : epochs.map(String.init).joined(separator: ", ")
    }

    /// Whether `lethe recover` can do something about it, given the parts that there are.
    public var isRepairable: Bool {
      switch self {
      case .behindArchive, .erasedSubjectsLive, .erasedKeysAlive, .ledgerIncomplete, .tenantMissing,
        .tenantSecretMissing, .epochsDiffer, .vaultBehindEpochs, .recoveryInterrupted:
        true
      case .differsFromArchive, .archiveMissing, .originChanged, .keyringOlder, .keysOfLostEpochs:
        false
      }
    }
  }

  /// How many entries before the end are compared one by one.
  static let comparedEntries: UInt64 = 256

  private let custody: Custody
  private let checkpointer: Checkpointer
  private let ledger: ErasureLedger

  /// Compares by the archive's own files.
  public init(custody: Custody, checkpointer: Checkpointer, ledger: ErasureLedger) {
    self.custody = custody
    self.checkpointer = checkpointer
    self.ledger = ledger
  }

  /// Every finding, over all tenants; empty when the databases may be served.
  ///
  /// Throws `AuditError` when the archive can't be read or was signed by another key, and ``CustodyError``.
  public func findings() async throws -> [Finding] {
    // Folders before tenants, records before rows: other replicas may add to both meanwhile.
    let folders = checkpointer.tenantFolders()
    let erased = Dictionary(grouping: try ledger.records(), by: \.tenant)
    var findings: [Finding] = []
    let tenants = try await custody.tenants()
    for tenant in tenants {
      findings += try await compare(tenant.id, erased: (erased[tenant.id.uuid] ?? []).map { SubjectID($0.subject) })
    }
    if RecoveryNote(archive: checkpointer.archive).load() != nil { findings.append(.recoveryInterrupted) }
    let known = Set(tenants.map(\.id))
    for tenant in folders where !known.contains(tenant) {
      guard let checkpoint = try checkpointer.writer(of: tenant).lastCheckpoint(), checkpoint.size > 0 else { continue }
      findings.append(.tenantMissing(tenant: tenant, archive: checkpoint.size))
    }
    return findings + (try await EpochComparison.findings(custody))
  }

  private func compare(_ tenant: TenantID, erased: [SubjectID]) async throws -> [Finding] {
    let origin = custody.origin(of: tenant)
    let writer = checkpointer.writer(of: tenant)
    let settings = AccessContext.operation(tenant).settings
    // Before the archive is opened: its checkpoints are signed under the origin's name.
    let began = try await custody.translating {
      try await custody.worker.transaction(settings: settings) { transaction in
        try AuditLogStore.readHead(tenant: tenant, in: transaction).origin
      }
    }
    guard began == origin else { return [.originChanged(tenant: tenant)] }
    let (findings, resumable) = try await custody.translating {
      try await custody.worker.transaction(settings: settings) { transaction -> ([Finding], Set<SubjectID>) in
        var findings = try Self.compareLog(writer, tenant, transaction)
        let live = try SubjectStore.live(among: erased, tenant: tenant, in: transaction)
        if live > 0 { findings.append(.erasedSubjectsLive(tenant: tenant, count: live)) }
        return (findings, try SubjectStore.erasing(among: erased, tenant: tenant, in: transaction))
      }
    }
    // An erasure that a crash stopped between the ledger and the vault is tombstoned in the data database: it is
    // resumed, not refused. Any other key of a subject in the ledger came from a backup. The vault after the data:
    // an erasure that another replica completes in between has lost its key by then.
    let settled = Set(erased).subtracting(resumable)
    let alive = try await custody.holdingKeys(among: Array(settled), .operation(tenant)).count
    let missing = try await missingInLedger(tenant, known: Set(erased))
    let secret = try await custody.translating {
      try await custody.keyStore.find(.tenant, [tenant.uuid], tenant: tenant)[tenant.uuid]
    }
    return findings + (secret == nil ? [.tenantSecretMissing(tenant: tenant)] : [])
      + (alive > 0 ? [.erasedKeysAlive(tenant: tenant, count: alive)] : [])
      + (missing.isEmpty ? [] : [.ledgerIncomplete(tenant: tenant, count: missing.count)])
  }

  /// The published end of the log, held against the archive.
  private static func compareLog(_ writer: ArchiveWriter, _ tenant: TenantID, _ transaction: Transaction) throws
    -> [Finding]
  {
    // The archive before the head: another replica may publish in between, and the head is never behind then.
    guard let checkpoint = try writer.lastCheckpoint() else {
      let published = try AuditLogStore.lastPublished(tenant: tenant, in: transaction)
      // Once more: the first publication may have come in between.
      guard published > 0, try writer.lastCheckpoint() == nil else { return [] }
      return [.archiveMissing(tenant: tenant, published: published)]
    }
    var findings: [Finding] = []
    let head = try AuditLogStore.readHead(tenant: tenant, in: transaction)
    let common = min(checkpoint.size, UInt64(head.size))
    if checkpoint.size > UInt64(head.size) {
      findings.append(.behindArchive(tenant: tenant, database: head.size, archive: checkpoint.size))
    }
    let first = Int64(common - min(common, comparedEntries))
    let published = try writer.reader.leafHashes(in: UInt64(first)..<common, size: checkpoint.size)
    var start = first
    while start < Int64(common) {
      let page = try ArchiveComparisonStore.page(
        from: start, before: Int64(common), limit: Int(comparedEntries), tenant: tenant, in: transaction)
      let stored = Dictionary(grouping: page.rows, by: \.sequence)
      for (sequence, leaf) in zip(start..<page.end, published.dropFirst(Int(start - first))) {
        let rows = stored[sequence] ?? []
        // Their time in the database is over.
        if rows.isEmpty && sequence < page.rowsFrom { continue }
        if rows.count == 1 && rows.allSatisfy({ MerkleTree.leafHash($0.bytes) == leaf }) { continue }
        findings.append(.differsFromArchive(tenant: tenant, sequence: UInt64(sequence)))
        return findings
      }
      start = page.end
    }
    return findings
  }

  /// The erased subjects of the database that the ledger lacks.
  private func missingInLedger(_ tenant: TenantID, known: Set<SubjectID>) async throws -> Set<SubjectID> {
    var missing: Set<SubjectID> = []
    var last: SubjectID?
    while true {
      let page = try await custody.erasedSubjects(in: tenant, after: last, limit: 5_000)
      missing.formUnion(page.map(\.subject).filter { !known.contains($0) })
      guard let end = page.last else { break }
      last = end.subject
    }
    if missing.isEmpty { return [] }
    // The ledger once more: what was erased since it was read is in it before the database says so.
    try ledger.forEach { record in
      if record.tenant == tenant.uuid { missing.remove(SubjectID(record.subject)) }
    }
    return missing
  }
}

extension Checkpointer {
  /// The tenants that have a folder in the archive.
  func tenantFolders() -> [TenantID] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: archive)) ?? []
    return names.sorted().compactMap { name in
      guard let id = UUID(uuidString: name), TenantID(id).description == name else { return nil }
      return TenantID(id)
    }
  }
}
