import Audit
import Certificates
import Custody
import Foundation
import Policies
import Schema

extension ErasureRunner {
  /// What is certified of backups of a destroyed key.
  struct KeyBackups: Sendable {
    /// The newest epoch that existed when the key was destroyed.
    let epoch: Int32
    /// `YYYY-MM-DD`; nil while no date is promised.
    let deadBy: String?
    /// How many registered copies of the keyring are outstanding.
    let copies: Int32
  }

  /// The signed certificate of a completed erasure whose log entry the archive covers.
  static func certificate(
    _ erasure: ErasureStore.Erasure, sequence: Int64, destroyedAt: Int64, exempted: [HoldExemption],
    backups: KeyBackups, checkpointer: Checkpointer, policy: RetentionPolicy, tenant: TenantID
  ) throws -> [UInt8] {
    let receipt = try checkpointer.receipt(sequence, tenant: tenant)
    let entry = try ArchiveReader(folder: checkpointer.folder(of: tenant)).entry(at: UInt64(sequence))
    let signer = checkpointer.signer(of: tenant)
    let certificate = ErasureCertificate(
      requestID: erasure.request, tenant: tenant.uuid, subject: erasure.subject.uuid,
      keyCommitment: Custody.hex(erasure.commitment), keyEpoch: backups.epoch, stage: .issued,
      systems: [
        ErasureCertificate.SystemOutcome(system: "lethe-vault", outcome: "key_destroyed", at: destroyedAt),
        ErasureCertificate.SystemOutcome(
          system: "lethe-data", outcome: "tombstoned", at: erasure.tombstonedAt ?? destroyedAt),
      ], exempted: exempted.map { ErasureCertificate.Exemption(field: $0.field.name, basis: $0.basis) },
      erasedAt: destroyedAt, keyBackupsDeadBy: backups.deadBy,
      keyCopiesOutstanding: Int(backups.copies), dataBackupsDeadBy: day(destroyedAt, plus: policy.dataBackupDays),
      log: ErasureCertificate.LogPosition(
        origin: signer.name, sequence: UInt64(sequence), entry: entry, receipt: receipt))
    return try certificate.signed(by: signer).json
  }

  /// The issued certificate once more as final: at the same place in the log, signed anew.
  ///
  /// - Throws: `CustodyError` when the issued one, which lay in the database since, is not what was signed.
  static func finalCertificate(
    _ issued: [UInt8], epoch: Int32, retiredOn day: String, copies: Int32, checkpointer: Checkpointer, tenant: TenantID
  ) throws -> [UInt8] {
    let signer = checkpointer.signer(of: tenant)
    let signed = try SignedCertificate(parsing: issued)
    guard signed.verify(keys: try checkpointer.verifierKeys(of: tenant)).isEmpty, signed.certificate.keyEpoch == epoch
    else {
      throw CustodyError(.unavailable, field: "certificate")
    }
    var certificate = signed.certificate
    certificate.stage = .final
    certificate.keyBackupsDeadBy = day
    certificate.keyCopiesOutstanding = Int(copies)
    return try certificate.signed(by: signer).json
  }

  /// The calendar day, in UTC, that many days after a time.
  static func day(_ microseconds: Int64, plus days: Int = 0) -> String {
    Date(timeIntervalSince1970: Double(microseconds / 1_000_000) + Double(days) * 86_400)
      .formatted(.iso8601.year().month().day())
  }
}
