/// A key sealed by an epoch's key, as the vault database stores it. Useless without the keyring.
public struct WrappedKey: Sendable, Equatable {
  /// The epoch whose key wraps it.
  public let epoch: EpochNumber
  /// An envelope of 32 bytes: version, suite, nonce, ciphertext, tag. 74 bytes as this program writes it.
  public let blob: [UInt8]
  /// The 32-byte name of the key inside, which stays the same when it is wrapped again.
  public let commitment: [UInt8]

  /// Puts together what was stored. Nothing is checked before the key is unwrapped.
  public init(epoch: EpochNumber, blob: [UInt8], commitment: [UInt8]) {
    self.epoch = epoch
    self.blob = blob
    self.commitment = commitment
  }
}
