import Foundation
public import Vault

/// How far a rotation is. Each state is committed before its work begins, and its work can be repeated.
public enum RotationState: String, Sendable, CaseIterable {
  /// Both databases know the next epoch; the keyring gets its key.
  case prepared
  /// Every writer writes the tags of both epochs.
  case dualWrite = "dual_write"
  /// Keys are wrapped again and tags are made again, batch by batch.
  case backfill
  /// Nothing needs the old epoch any more, and the vault refuses it. Standbys and a fresh backup have to show it.
  case switched = "switch"
  /// The old epoch's tags are deleted, then its key.
  case retire
  /// The old epoch's key is destroyed.
  case retired
}

/// A rotation as the data database knows it.
public struct RotationRecord: Sendable, Equatable {
  /// The epoch that ends.
  public let from: EpochNumber
  /// The epoch that begins.
  public let to: EpochNumber
  /// How far it is.
  public let state: RotationState
  /// Microseconds since the Unix epoch.
  public let startedAt: Int64
  /// How many keys the old epoch wrapped when the backfill began.
  public let keysTotal: Int64
  /// How many were wrapped again since.
  public let keysDone: Int64
  /// How many tags were made again.
  public let tagsDone: Int64
  /// What it waits for, as a code; nil while it goes on.
  public let waitingFor: String?
  /// The name of the vault backup that was taken and opened for it.
  public let backup: String?
  /// When the old epoch's key was destroyed, microseconds since the Unix epoch.
  public let retiredAt: Int64?
}

/// How far a running rotation is, for whoever watches.
public struct RotationProgress: Sendable {
  /// The rotation.
  public let record: RotationRecord
  /// Keys wrapped again by this run.
  public let keysNow: Int64
  /// Seconds since this run began.
  public let seconds: Double

  /// The estimated seconds until every key is wrapped again; nil before there is anything to estimate by.
  public var secondsLeft: Double? {
    guard keysNow > 0, seconds > 0 else { return nil }
    return Double(max(0, record.keysTotal - record.keysDone)) * seconds / Double(keysNow)
  }
}

/// What a run of a rotation came to.
public enum RotationOutcome: Sendable, Equatable {
  /// The old epoch's key is destroyed.
  case retired(EpochNumber)
  /// It can't go on yet, and says for what it waits; run it again later.
  case waiting(RotationObstacle)
  /// Another process is at it.
  case busy
}

/// Why a rotation can't go on yet. Nothing is lost meanwhile, and both epochs open.
public enum RotationObstacle: Sendable, Equatable, CustomStringConvertible {
  /// These standbys of the vault have not replayed the last rewrapped position.
  case standbys([String])
  /// No fresh backup of the vault could be taken, or it did not open; with the reason.
  case backup(String)
  /// So many tags can't be made again, since their values have no key or don't open.
  case unreadableTags(Int)

  /// The code that is kept and shown.
  public var code: String {
    switch self {
    case .standbys: "standbys"
    case .backup: "vault_backup"
    case .unreadableTags: "unreadable_tags"
    }
  }

  /// One line for the operator.
  public var description: String {
    switch self {
    case .standbys(let names): "the vault's standby has not confirmed: \(names.joined(separator: ", "))"
    case .backup(let reason): "a fresh vault backup has to be taken and opened: \(reason)"
    case .unreadableTags(let count):
      "\(count) lookup tag(s) belong to values that don't open; `lethe keys check` names their subjects"
    }
  }
}

/// A rotation that must not go on as it is. Nothing was changed by the attempt.
public struct RotationError: Error, Sendable, Equatable, CustomStringConvertible {
  /// What is wrong.
  public enum Code: String, Sendable {
    /// The keyring lacks an epoch that the rotation needs.
    case epochMissing = "epoch_missing"
    /// The keyring holds two epochs, and the data database knows of no rotation.
    case unknownRotation = "unknown_rotation"
    /// The lock that keeps other rotations out was lost with its connection.
    case lockLost = "lock_lost"
  }

  /// What is wrong.
  public let code: Code
  /// The epoch that it is about.
  public let epoch: EpochNumber?

  init(_ code: Code, epoch: EpochNumber? = nil) {
    self.code = code
    self.epoch = epoch
  }

  /// One line for the operator.
  public var description: String {
    let number = epoch.map { String($0.rawValue) } ?? "?"
    switch code {
    case .epochMissing:
      return "the keyring lacks epoch \(number), which the rotation needs: restore the newest copy of the keyring"
    case .unknownRotation:
      return "the keyring holds a retiring epoch, and the data database knows of no rotation: run `lethe recover`"
    case .lockLost: return "the connection that holds the rotation's lock was lost; run it again"
    }
  }
}
