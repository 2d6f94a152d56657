public import Audit
public import Foundation

/// What a person gets as proof of an erasure: who was erased, when, in which systems, what was exempted,
/// until when copies can live, and where the audit log says so.
///
/// The format is in `docs/certificate.md`. It holds no personal value.
public struct ErasureCertificate: Sendable, Hashable {
  /// The format's name, also the first line of what is signed.
  public static let version = "\(format)2"

  /// The format's name without the number of its version.
  static let format = "erasure-certificate/v"

  /// How far the promise has been kept.
  public enum Stage: String, Sendable, Hashable, CaseIterable {
    /// Erased live; backups of the key die by the date given, once one is promised.
    case issued
    /// The epoch's key is destroyed: no backup of the person's key opens any more, unless a copy of the keyring is
    /// still outstanding.
    case final
  }

  /// What one system did.
  public struct SystemOutcome: Sendable, Hashable {
    /// The system's name.
    public var system: String
    /// Its outcome, as a code such as `erased`.
    public var outcome: String
    /// When, in microseconds since 1970-01-01T00:00:00Z.
    public var at: Int64

    /// States what `system` did, and when.
    public init(system: String, outcome: String, at: Int64) {
      self.system = system
      self.outcome = outcome
      self.at = at
    }
  }

  /// A field that is under a hold: kept and blocked, under a key of its own, although the person was erased.
  public struct Exemption: Sendable, Hashable {
    /// The field's name.
    public var field: String
    /// The legal basis for keeping it.
    public var basis: String

    /// States on what basis `field` is kept.
    public init(field: String, basis: String) {
      self.field = field
      self.basis = basis
    }
  }

  /// Where the audit log records the erasure, and the proof.
  public struct LogPosition: Sendable, Hashable {
    /// The log's name.
    public var origin: String
    /// The entry's number.
    public var sequence: UInt64
    /// The stored bytes of the `erasure.completed` entry.
    public var entry: [UInt8]
    /// Proof that the entry is under a signed checkpoint.
    public var receipt: Receipt

    /// Points at an entry with its proof.
    public init(origin: String, sequence: UInt64, entry: [UInt8], receipt: Receipt) {
      self.origin = origin
      self.sequence = sequence
      self.entry = entry
      self.receipt = receipt
    }
  }

  /// The erasure request.
  public var requestID: UUID
  /// Whose subject it was.
  public var tenant: UUID
  /// The pseudonymous id of the erased person.
  public var subject: UUID
  /// The commitment of the destroyed key, 64 lower-case hexadecimal digits.
  public var keyCommitment: String
  /// The newest epoch that existed when the key was destroyed, from 1: every backup of the person's key is wrapped
  /// under this epoch's key or an older one's.
  public var keyEpoch: Int32
  /// How far the promise has been kept.
  public var stage: Stage
  /// Every system's part.
  public var systems: [SystemOutcome]
  /// What is kept, and why.
  public var exempted: [Exemption]
  /// The live erasure: when the key was destroyed, in microseconds since 1970-01-01T00:00:00Z.
  public var erasedAt: Int64
  /// `YYYY-MM-DD`. In stage `issued` the date by which no backup of the key is of use, absent while no rotation is
  /// scheduled; in stage `final` the day on which the epoch's key was destroyed.
  public var keyBackupsDeadBy: String?
  /// How many registered copies of the keyring hold the epoch's key and are not attested as destroyed: what the date
  /// is subject to. Not negative.
  public var keyCopiesOutstanding: Int
  /// The date by which no backup of the data remains, `YYYY-MM-DD`.
  public var dataBackupsDeadBy: String
  /// Where the audit log says so.
  public var log: LogPosition

  /// Describes an erasure. Nothing is checked until it is signed.
  public init(
    requestID: UUID, tenant: UUID, subject: UUID, keyCommitment: String, keyEpoch: Int32, stage: Stage,
    systems: [SystemOutcome], exempted: [Exemption], erasedAt: Int64, keyBackupsDeadBy: String?,
    keyCopiesOutstanding: Int, dataBackupsDeadBy: String, log: LogPosition
  ) {
    self.requestID = requestID
    self.tenant = tenant
    self.subject = subject
    self.keyCommitment = keyCommitment
    self.keyEpoch = keyEpoch
    self.stage = stage
    self.systems = systems
    self.exempted = exempted
    self.erasedAt = erasedAt
    self.keyBackupsDeadBy = keyBackupsDeadBy
    self.keyCopiesOutstanding = keyCopiesOutstanding
    self.dataBackupsDeadBy = dataBackupsDeadBy
    self.log = log
  }

  /// Signs the certificate.
  ///
  /// - Throws: `.malformed` naming the member that has no valid form; `.unsuitableKey`.
  public func signed(by signer: NoteSigner) throws(CertificateError) -> SignedCertificate {
    try SignedCertificate(self, signer: signer)
  }
}
