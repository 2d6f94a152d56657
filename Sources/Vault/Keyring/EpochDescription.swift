/// What may be told of an epoch's key.
public struct EpochDescription: Sendable, Hashable {
  /// Where an epoch is in its life, as written in a keyring file.
  public enum State: UInt8, Sendable, Hashable, CaseIterable {
    /// New keys are wrapped under it. Exactly one epoch is active.
    case active = 1
    /// Still unwraps what it wrapped, until everything has moved on and its key is destroyed.
    case retiring = 2
  }

  /// Which epoch.
  public let number: EpochNumber
  /// Whether new keys are wrapped under it.
  public let state: State
  /// When its key was made, in seconds since 1970 (UTC).
  public let createdAt: Int64

  /// Describes an epoch.
  public init(number: EpochNumber, state: State, createdAt: Int64) {
    self.number = number
    self.state = state
    self.createdAt = createdAt
  }
}
