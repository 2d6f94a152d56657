/// The number of an epoch: 1 for the first, one more at each rotation, never used again.
public struct EpochNumber: RawRepresentable, Sendable, Hashable, Comparable {
  /// The number as it is stored; a keyring holds none below 1.
  public let rawValue: Int32

  /// Names an epoch, which need not exist.
  public init(rawValue: Int32) { self.rawValue = rawValue }

  /// Whether `lhs` is the earlier epoch.
  public static func < (lhs: EpochNumber, rhs: EpochNumber) -> Bool { lhs.rawValue < rhs.rawValue }
}
