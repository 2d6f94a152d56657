public import Vault
import Foundation

/// When epochs rotate, and so until when an erased key can live in a backup of the vault.
public struct RotationSchedule: Sendable, Equatable {
  /// The age of an epoch, in days, at which it is rotated; nil where nobody has scheduled it.
  public let days: Int?

  /// How long a rotation may take from its beginning to the destruction of the old key, in days. Part of the promise.
  public static let allowance = 7

  /// A schedule; nil for none.
  public init(days: Int?) { self.days = days }

  /// Whether the active epoch is old enough to be rotated. Times in seconds since 1970.
  public func isDue(_ active: EpochDescription, now: Int64) -> Bool {
    days.map { now - active.createdAt >= Int64($0) * 86_400 } ?? false
  }

  /// The day, in UTC, by which the epoch's key is destroyed at the latest; nil without a schedule. An epoch that is
  /// overdue is counted from now. Times in seconds since 1970.
  public func deadBy(_ epoch: EpochDescription, now: Int64) -> String? {
    guard let days else { return nil }
    let begins = max(epoch.createdAt + Int64(days) * 86_400, now)
    return Self.day(begins + Int64(Self.allowance) * 86_400)
  }

  /// A day in UTC, `YYYY-MM-DD`, of seconds since 1970.
  static func day(_ seconds: Int64) -> String {
    Date(timeIntervalSince1970: Double(seconds)).formatted(.iso8601.year().month().day())
  }
}

extension Custody {
  /// The day by which backups of keys of that epoch are dead, `YYYY-MM-DD`: the promise of a certificate. Nil where no
  /// rotation is scheduled, or the epoch is not held.
  public func keyBackupsDeadBy(epoch: Int32) async throws -> String? {
    let now = Microseconds.now() / 1_000_000
    if !keyring.epochs.contains(where: { $0.number.rawValue == epoch }) { _ = try keyring.refresh() }
    if let held = keyring.epochs.first(where: { $0.number.rawValue == epoch }) {
      return schedule.deadBy(held, now: now)
    }
    // The next one, whose rotation has just begun and has no key yet: as old as now.
    guard epoch > keyring.activeEpoch.rawValue else { return nil }
    let next = EpochDescription(number: EpochNumber(rawValue: epoch), state: .active, createdAt: now)
    return schedule.deadBy(next, now: now)
  }
}
