public import Foundation
import Postgres
import Vault

/// A copy of the keyring that the operator has registered: it opens every epoch that it holds, backups included, until
/// somebody attests that it is destroyed.
public struct KeyringCopy: Sendable, Equatable {
  /// Its id.
  public let id: UUID
  /// Where it is, in the operator's words. Not a person's data.
  public let label: String
  /// The epochs that it holds.
  public let epochs: ClosedRange<Int32>
  /// Microseconds since the Unix epoch.
  public let registeredAt: Int64
  /// When it was destroyed, by whoever attested it; microseconds since the Unix epoch.
  public let destroyedAt: Int64?
  /// Who attested that, in the operator's words.
  public let attestedBy: String?
}

extension Custody {
  /// Registers a copy of the keyring as it is now; returns its id.
  public func registerKeyringCopy(_ label: String) async throws -> KeyringCopy {
    let held = keyring.epochs.map(\.number.rawValue)
    let copy = KeyringCopy(
      id: UUID(), label: label, epochs: (held.first ?? 1)...(held.last ?? 1), registeredAt: Microseconds.now(),
      destroyedAt: nil, attestedBy: nil)
    try await translating {
      try await keyStore.pool.transaction { try KeyringCopyStore.insert(copy, in: $0) }
    }
    return copy
  }

  /// Every registered copy, oldest first.
  public func keyringCopies() async throws -> [KeyringCopy] {
    try await translating { try await keyStore.pool.read(KeyringCopyStore.all).map(KeyringCopyStore.decode) }
  }

  /// Notes that a copy is destroyed, and who says so. Throws `.notFound` for an unknown copy or one attested before.
  public func attestDestruction(of copy: UUID, by whom: String) async throws {
    try await translating {
      let noted = try await keyStore.pool.transaction { transaction in
        try KeyringCopyStore.attest(copy, by: whom, at: Microseconds.now(), in: transaction)
      }
      guard noted else { throw CustodyError(.notFound, field: "copy") }
    }
  }

  /// How many registered copies, not attested as destroyed, can open a backup of a key that lived up to that epoch: those
  /// that hold it, or one before it, from which an older backup may still be there.
  public func outstandingCopies(of epoch: Int32) async throws -> Int {
    try await keyringCopies().count { $0.destroyedAt == nil && $0.epochs.lowerBound <= epoch }
  }
}
