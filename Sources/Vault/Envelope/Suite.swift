import CSodium

/// An authenticated cipher that seals values. The raw value is the suite byte of every envelope.
public enum Suite: UInt8, Sendable, CaseIterable {
  /// AES-256-GCM (NIST SP 800-38D) with 12 random bytes of nonce. Needs a CPU with AES instructions.
  case aes256gcm = 1
  /// XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03) with 24 random bytes of nonce. Runs everywhere.
  case xchacha20poly1305 = 2

  /// The suite's name in a configuration: `aes-256-gcm` or `xchacha20-poly1305`.
  public var name: String {
    switch self {
    case .aes256gcm: "aes-256-gcm"
    case .xchacha20poly1305: "xchacha20-poly1305"
    }
  }

  /// The suite of that ``name``; nil when there is none. Capitals count.
  public init?(name: String) {
    switch name {
    case "aes-256-gcm": self = .aes256gcm
    case "xchacha20-poly1305": self = .xchacha20poly1305
    default: return nil
    }
  }

  /// Whether this CPU can run the suite.
  public var isAvailable: Bool {
    switch self {
    case .aes256gcm: Self.hasAES
    case .xchacha20poly1305: true
    }
  }

  /// AES where the CPU has it, XChaCha elsewhere.
  public static var preferred: Suite { hasAES ? .aes256gcm : .xchacha20poly1305 }

  /// What libsodium found when it was initialised. Without initialisation nothing is sealed at all, so the failure
  /// shows there.
  private static let hasAES: Bool = {
    do {
      try Sodium.start()
      return crypto_aead_aes256gcm_is_available() == 1
    } catch {
      return false
    }
  }()
}
