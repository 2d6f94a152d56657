import Foundation
import Postgres

/// Registered copies in the vault database. The only SQL that touches them.
enum KeyringCopyStore {
  static let all: SQL = """
    SELECT id, label, oldest_epoch, newest_epoch, registered_at, destroyed_at, attested_by FROM vault.keyring_copies
    ORDER BY registered_at, id
    """

  static func decode(_ row: Row) throws -> KeyringCopy {
    let oldest = try row.decode("oldest_epoch", as: Int32.self)
    return KeyringCopy(
      id: try row.decode("id", as: UUID.self), label: try row.decode("label", as: String.self),
      epochs: oldest...max(oldest, try row.decode("newest_epoch", as: Int32.self)),
      registeredAt: try row.decode("registered_at", as: Int64.self),
      destroyedAt: try row.decode("destroyed_at", as: Int64?.self),
      attestedBy: try row.decode("attested_by", as: String?.self))
  }

  static func insert(_ copy: KeyringCopy, in transaction: Transaction) throws {
    try transaction.execute(
      """
      INSERT INTO vault.keyring_copies (id, label, oldest_epoch, newest_epoch, registered_at)
      VALUES (\(copy.id), \(copy.label), \(copy.epochs.lowerBound), \(copy.epochs.upperBound), \(copy.registeredAt))
      """)
  }

  static func attest(_ copy: UUID, by whom: String, at now: Int64, in transaction: Transaction) throws -> Bool {
    try transaction.execute(
      """
      UPDATE vault.keyring_copies SET destroyed_at = \(now), attested_by = \(whom)
      WHERE id = \(copy) AND destroyed_at IS NULL
      """) == 1
  }
}
