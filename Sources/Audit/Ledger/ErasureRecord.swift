public import Foundation
internal import Signing

/// One line of the erasure ledger: this subject's key is to be destroyed, whatever a restore brings back.
///
/// `erasure/v1 <tenant> <subject> <commitment, 64 hexadecimal digits> <unix time, microseconds>`
public struct ErasureRecord: Sendable, Hashable {
  /// The tenant.
  public let tenant: UUID
  /// The pseudonymous id of the erased subject.
  public let subject: UUID
  /// The key commitment of the destroyed key, 32 bytes.
  public let commitment: [UInt8]
  /// Microseconds since 1970-01-01T00:00:00Z, not negative.
  public let time: Int64

  /// Describes an erasure. `ErasureLedger.append` refuses a commitment that is not 32 bytes.
  public init(tenant: UUID, subject: UUID, commitment: [UInt8], time: Int64) {
    self.tenant = tenant
    self.subject = subject
    self.commitment = commitment
    self.time = time
  }

  static let maximumLineBytes = 256

  /// The line with its newline, or `nil` when the record has no valid one.
  public var line: String? {
    guard commitment.count == 32, time >= 0 else { return nil }
    return "\(Self.prefix(tenant: tenant, subject: subject))\(Hex.encode(commitment)) \(time)\n"
  }

  /// Reads a line without its newline; only what `line` writes is accepted.
  init?(line bytes: some Collection<UInt8>) {
    guard bytes.count < Self.maximumLineBytes, let text = String(validating: bytes, as: UTF8.self) else {
      return nil
    }
    let parts = text.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
    guard parts.count == 5, parts[0] == "erasure/v1", let tenant = UUID(uuidString: parts[1]),
      let subject = UUID(uuidString: parts[2]), let commitment = Hex.decode(parts[3]),
      let time = Decimal.unsigned(parts[4]).flatMap(Int64.init(exactly:))
    else { return nil }
    self.init(tenant: tenant, subject: subject, commitment: commitment, time: time)
    guard line == text + "\n" else { return nil }
  }

  private static func prefix(tenant: UUID, subject: UUID) -> String {
    "erasure/v1 \(tenant.uuidString.lowercased()) \(subject.uuidString.lowercased()) "
  }
}
