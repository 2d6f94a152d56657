/// What it costs to try one passphrase: the parameters of Argon2id (RFC 9106) with one lane.
public struct Argon2Cost: Sendable, Hashable {
  /// How often the memory is passed over, 1 to 10.
  public let operations: UInt32
  /// How much memory, in KiB: 8 to 1,048,576, which is 1 GiB.
  public let memoryKiB: UInt32

  /// Nil out of these bounds. They hold for files too, so that a forged one can't make the process take all memory.
  public init?(operations: UInt32, memoryKiB: UInt32) {
    guard (1...10).contains(operations), (8...1_048_576).contains(memoryKiB) else { return nil }
    self.operations = operations
    self.memoryKiB = memoryKiB
  }

  private init(_ operations: UInt32, _ memoryKiB: UInt32) {
    self.operations = operations
    self.memoryKiB = memoryKiB
  }

  /// libsodium's `MODERATE`: 3 passes over 256 MiB, most of a second.
  public static let moderate = Argon2Cost(3, 262_144)
}
