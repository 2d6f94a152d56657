public import Foundation

/// An erasure that the log says was completed.
public struct LoggedErasure: Sendable, Hashable {
  /// Who was erased.
  public let subject: SubjectID
  /// The request that led to it, where the log names one.
  public let request: UUID?
  /// The name of the destroyed key.
  public let commitment: [UInt8]
  /// The position of `erasure.completed`.
  public let sequence: Int64
  /// The time of that entry, microseconds since the Unix epoch.
  public let time: Int64
  /// The newest epoch that there was when the key was destroyed, where the log names it.
  public let keyEpoch: Int32?
}

/// The records that somebody above custody keeps of erasures, as a recovery needs them.
public protocol ErasureBookkeeping: Sendable {
  /// The subjects of erasures that are ordered and not completed, and that will be carried on by themselves.
  func unfinishedErasures(in tenant: TenantID) async throws -> Set<SubjectID>

  /// Brings requests and erasures that are in an earlier state to where the log says they are; invents none. Can be
  /// repeated. Returns how many were changed.
  func settle(_ erasures: [LoggedErasure], in tenant: TenantID) async throws -> Int
}
