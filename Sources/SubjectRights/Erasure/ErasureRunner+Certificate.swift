import Audit
import Certificates
import Custody
import Foundation
import Policies

extension ErasureRunner {
  /// The signed certificate of a completed erasure whose log entry the archive covers.
  ///
  /// The date by which key backups are dead stays open: it is promised when the key's epoch is scheduled to retire.
  static func certificate(
    _ erasure: ErasureStore.Erasure, sequence: Int64, destroyedAt: Int64, checkpointer: Checkpointer,
    policy: RetentionPolicy, tenant: TenantID
  ) throws -> [UInt8] {
    let receipt = try checkpointer.receipt(sequence, tenant: tenant)
    let entry = try ArchiveReader(folder: checkpointer.folder(of: tenant)).entry(at: UInt64(sequence))
    let signer = checkpointer.signer(of: tenant)
    let certificate = ErasureCertificate(
      requestID: erasure.request, tenant: tenant.uuid, subject: erasure.subject.uuid,
      keyCommitment: Custody.hex(erasure.commitment), stage: .issued,
      systems: [
        ErasureCertificate.SystemOutcome(system: "lethe-vault", outcome: "key_destroyed", at: destroyedAt),
        ErasureCertificate.SystemOutcome(
          system: "lethe-data", outcome: "tombstoned", at: erasure.tombstonedAt ?? destroyedAt),
      ], exempted: [], erasedAt: destroyedAt, keyBackupsDeadBy: nil,
      dataBackupsDeadBy: day(destroyedAt, plus: policy.dataBackupDays),
      log: ErasureCertificate.LogPosition(
        origin: signer.name, sequence: UInt64(sequence), entry: entry, receipt: receipt))
    return try certificate.signed(by: signer).json
  }

  /// The calendar day, in UTC, that many days after a time.
  private static func day(_ microseconds: Int64, plus days: Int) -> String {
    Date(timeIntervalSince1970: Double(microseconds / 1_000_000) + Double(days) * 86_400)
      .formatted(.iso8601.year().month().day())
  }
}
