public import Audit
import Foundation
import Postgres

/// Compares the data database with what was published and with what was erased, before anything is served.
///
/// A data database that is behind the archive, or that has a live subject whose erasure is in the ledger, was
/// restored from a backup: serving it would bring people back.
public struct StartupComparison: Sendable {
  /// What was found of one tenant.
  public enum Finding: Sendable, Equatable, CustomStringConvertible {
    /// The archive covers more entries than the database has.
    case behindArchive(tenant: TenantID, database: Int64, archive: UInt64)
    /// The database has another entry than the archive at that position.
    case differsFromArchive(tenant: TenantID, sequence: UInt64)
    /// Subjects whose erasure is in the ledger are live in the database.
    case erasedSubjectsLive(tenant: TenantID, count: Int)
    /// The archive has no checkpoint although one was published: it is another folder, or it was lost.
    case archiveMissing(tenant: TenantID, published: Int64)
    /// Subjects whose erasure is in the ledger have a key in the vault.
    case erasedKeysAlive(tenant: TenantID, count: Int)
    /// The origin host changed since the log began.
    case originChanged(tenant: TenantID)

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
      case .originChanged(let tenant):
        "tenant \(tenant): the log began under another host than PUBLIC_ORIGIN names now"
      }
    }
  }

  private let custody: Custody
  private let checkpointer: Checkpointer
  private let ledger: ErasureLedger

  /// Compares by the archive's own files.
  public init(custody: Custody, checkpointer: Checkpointer, ledger: ErasureLedger) {
    self.custody = custody
    self.checkpointer = checkpointer
    self.ledger = ledger
  }

  /// Every finding, over all tenants; empty when the database may be served.
  public func findings() async throws -> [Finding] {
    let erased = Dictionary(grouping: try ledger.records(), by: \.tenant)
    var findings: [Finding] = []
    for tenant in try await custody.tenants() {
      findings += try await compare(tenant.id, erased: (erased[tenant.id.uuid] ?? []).map { SubjectID($0.subject) })
    }
    return findings
  }

  private func compare(_ tenant: TenantID, erased: [SubjectID]) async throws -> [Finding] {
    let origin = custody.origin(of: tenant)
    let writer = ArchiveWriter(
      folder: checkpointer.folder(of: tenant), origin: origin, signer: checkpointer.signer(of: tenant))
    let reader = ArchiveReader(folder: checkpointer.folder(of: tenant))
    let settings = [SessionSetting(name: "app.tenant_id", value: tenant.description)]
    // Before the archive is opened: its checkpoints are signed under the origin's name.
    let began = try await custody.translating {
      try await custody.worker.transaction(settings: settings) { transaction in
        try AuditLogStore.readHead(tenant: tenant, in: transaction).origin
      }
    }
    guard began == origin else { return [.originChanged(tenant: tenant)] }
    let (findings, resumable) = try await custody.translating {
      try await custody.worker.transaction(settings: settings) { transaction -> ([Finding], Set<SubjectID>) in
        var findings: [Finding] = []
        // The archive before the head: another replica may publish in between, and the head is never behind then.
        let checkpoint = try writer.lastCheckpoint()
        let head = try AuditLogStore.readHead(tenant: tenant, in: transaction)
        if let checkpoint, checkpoint.size > 0 {
          if checkpoint.size > UInt64(head.size) {
            findings.append(.behindArchive(tenant: tenant, database: head.size, archive: checkpoint.size))
          } else {
            let last = checkpoint.size - 1
            let stored = try AuditLogStore.leaf(at: Int64(last), tenant: tenant, in: transaction)
            if stored != (try reader.leafHash(at: last)) {
              findings.append(.differsFromArchive(tenant: tenant, sequence: last))
            }
          }
        }
        let published = try AuditLogStore.lastPublished(tenant: tenant, in: transaction)
        if published > 0, try writer.lastCheckpoint() == nil {
          findings.append(.archiveMissing(tenant: tenant, published: published))
        }
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
    return alive > 0 ? findings + [.erasedKeysAlive(tenant: tenant, count: alive)] : findings
  }
}
