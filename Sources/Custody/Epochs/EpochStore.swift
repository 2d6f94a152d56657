import Foundation
import Postgres
import Vault

/// Epochs in the data database: which ones its tags may name. The only SQL that touches them outside of rotations.
enum EpochStore {
  /// Tells a writer the epochs whose tags it writes, and holds that answer until its transaction ends.
  static let hold: SQL = "SELECT first_epoch, second_epoch FROM custody.hold_epochs()"

  /// What ``hold`` answered, earliest first.
  static func held(_ rows: [Row]) throws -> [EpochNumber] {
    guard let row = rows.first, let first = try row.decode("first_epoch", as: Int32?.self) else {
      throw CustodyError(.unavailable, field: "epochs")
    }
    let second = try row.decode("second_epoch", as: Int32?.self)
    return ([first] + (second.map { [$0] } ?? [])).map(EpochNumber.init(rawValue:))
  }

  /// Every epoch that a tag may name, earliest first.
  static let all: SQL = "SELECT epoch FROM custody.epochs ORDER BY epoch"

  /// A row of ``all``.
  static func decode(_ row: Row) throws -> EpochNumber {
    EpochNumber(rawValue: try row.decode("epoch", as: Int32.self))
  }

  /// Lets tags name those epochs, in a database that knows of none yet.
  static func bind(_ epochs: [EpochNumber], at now: Int64, in transaction: Transaction) throws {
    guard try transaction.query(all).isEmpty else { return }
    for epoch in epochs { try insert(epoch, at: now, in: transaction) }
  }

  /// Lets tags name an epoch.
  static func insert(_ epoch: EpochNumber, at now: Int64, in transaction: Transaction) throws {
    try transaction.execute(
      "INSERT INTO custody.epochs (epoch, created_at) VALUES (\(epoch.rawValue), \(now)) ON CONFLICT DO NOTHING")
  }

  /// Removes an epoch; the database refuses while a tag names it.
  static func delete(_ epoch: EpochNumber, in transaction: Transaction) throws {
    try transaction.execute("DELETE FROM custody.epochs WHERE epoch = \(epoch.rawValue)")
  }
}

/// The data database names an epoch that this process's keyring does not hold, or not yet: another process has begun or
/// ended a rotation. The keyring is read again, and the work is done again.
struct EpochsMoved: Error {}
