public import Signing

/// One event in its place: what is hashed, exactly as it is stored.
///
/// ```
/// audit/v1
/// <origin>
/// <sequence>
/// <base64 of the previous entry's leaf hash>
/// <unix time, microseconds>
/// <body>
/// ```
/// Each line ends with a newline; numbers are decimal without leading zeros. `docs/audit-log-spec.md` has the
/// format with a worked example.
public struct Entry: Sendable, Hashable {
  /// The largest entry that a bundle can hold (its length is a 16-bit number).
  public static let maximumBytes = 65_535

  /// The log that the entry belongs to.
  public let origin: LogOrigin
  /// 0, 1, 2 … without gaps.
  public let sequence: UInt64
  /// The leaf hash of the entry before, or the origin's genesis.
  public let previous: SHA256Digest
  /// Microseconds since 1970-01-01T00:00:00Z; never before the previous entry's.
  public let time: Int64
  /// One line, without its newline. `AuditRecord` is what the service writes there.
  public let body: [UInt8]
  /// The bytes that are stored and hashed.
  public let bytes: [UInt8]

  /// Places `body` behind the entry whose leaf hash is `previous`.
  ///
  /// - Throws: `.malformed` when the body is empty or more than a line, the origin is not a note name or
  ///   the time is negative; `.tooLarge` when the bytes exceed `maximumBytes`.
  public init(
    origin: LogOrigin, sequence: UInt64, previous: SHA256Digest, time: Int64, body: [UInt8]
  ) throws(AuditError) {
    guard origin.isNoteName, time >= 0, !body.isEmpty, !body.contains(0x0a) else {
      throw AuditError(.malformed, sequence: sequence)
    }
    self.origin = origin
    self.sequence = sequence
    self.previous = previous
    self.time = time
    self.body = body
    let head = "audit/v1\n\(origin.text)\n\(sequence)\n\(previous.base64)\n\(time)\n".utf8
    guard head.count + body.count < Self.maximumBytes else { throw AuditError(.tooLarge, sequence: sequence) }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(head.count + body.count + 1)
    bytes.append(contentsOf: head)
    bytes.append(contentsOf: body)
    bytes.append(0x0a)
    self.bytes = bytes
  }

  /// SHA-256(0x00 ‖ bytes): this entry's leaf in the tree, and what the next entry names as `previous`.
  public var leafHash: SHA256Digest { MerkleTree.leafHash(bytes) }

  /// Reads an entry; exactly the bytes that `bytes` makes are accepted.
  ///
  /// - Throws: `.malformed`, or `.tooLarge` above `maximumBytes`.
  public init(parsing bytes: [UInt8]) throws(AuditError) {
    guard bytes.count <= Self.maximumBytes else { throw AuditError(.tooLarge) }
    guard bytes.last == 0x0a else { throw AuditError(.malformed) }
    let lines = bytes.dropLast().split(separator: 0x0a, maxSplits: 5, omittingEmptySubsequences: false)
    guard lines.count == 6, lines[0].elementsEqual("audit/v1".utf8),
      let name = String(validating: lines[1], as: UTF8.self), let origin = LogOrigin(name),
      let sequence = Decimal.unsigned(lines[2]),
      let hash = StrictBase64.decode(utf8: lines[3], .standard), let previous = SHA256Digest(hash),
      let time = Decimal.unsigned(lines[4]).flatMap(Int64.init(exactly:))
    else { throw AuditError(.malformed) }
    try self.init(
      origin: origin, sequence: sequence, previous: previous, time: time, body: Array(lines[5]))
  }
}

/// Decimal numbers as all these formats write them: digits only, no leading zeros.
enum Decimal {
  static func unsigned(_ digits: some Collection<UInt8>) -> UInt64? {
    guard let first = digits.first, digits.count <= 20, first != 0x30 || digits.count == 1 else { return nil }
    var value: UInt64 = 0
    for digit in digits {
      guard (0x30...0x39).contains(digit) else { return nil }
      let (product, overflow) = value.multipliedReportingOverflow(by: 10)
      let (sum, carry) = product.addingReportingOverflow(UInt64(digit - 0x30))
      guard !overflow, !carry else { return nil }
      value = sum
    }
    return value
  }

  static func unsigned(_ text: some StringProtocol) -> UInt64? { unsigned(text.utf8) }

  /// A number in exactly 20 digits with leading zeros, as the names of exported checkpoints and manifests are.
  static func padded(_ name: String) -> UInt64? {
    guard name.utf8.count == 20, name.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
    return UInt64(name)
  }
}
