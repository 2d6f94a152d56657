import Audit
import Foundation
import Postgres

/// One entry of the log about a subject, as the subject may see it: when, what, why; not who, which would be another
/// person's data.
public struct Touch: Sendable, Equatable {
  /// Microseconds since the Unix epoch.
  public let time: Int64
  /// The entry's action, for example `personal_data.read`.
  public let action: String
  /// The purpose's code.
  public let purpose: String?
  /// How it ended.
  public let outcome: String
  /// The names of the fields.
  public let fields: [String]
}

extension Custody {
  /// Who touched the subject's data: the newest `limit` entries about the subject, oldest first. What the database no
  /// longer has comes from the archive.
  public func touches(of subject: SubjectID, limit: Int, _ context: AccessContext) async throws -> [Touch] {
    // Files are read on the connection's thread.
    let reader = archive.map { ArchiveReader(folder: "\($0)/\(context.tenant)") }
    return try await translating {
      try await data.transaction(settings: context.settings, readOnly: true) { transaction in
        try AuditLogStore.entries(about: subject, limit: limit, tenant: context.tenant, in: transaction).map { found in
          guard let bytes = try found.entry ?? reader?.entry(at: UInt64(found.sequence)) else {
            throw CustodyError(.unavailable, field: "archive")
          }
          let entry = try Entry(parsing: bytes)
          let record = try AuditRecord(body: entry.body)
          return Touch(
            time: entry.time, action: record.action.rawValue, purpose: record.purpose, outcome: record.outcome,
            fields: record.fields)
        }
      }
    }
  }
}
