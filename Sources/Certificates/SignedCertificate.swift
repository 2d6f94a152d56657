public import Audit
internal import Foundation
internal import Signing
internal import StrictJSON

/// A certificate with the issuer's signature, as a file: `{"certificate":{…},"signature":{…}}`.
///
/// It is verified offline, against the verifier keys alone.
public struct SignedCertificate: Sendable, Hashable {
  /// The largest file accepted, in bytes.
  public static let maximumBytes = 1_048_576

  /// What is certified. To be believed only when `verify(keys:)` finds nothing.
  public let certificate: ErasureCertificate
  /// The file's bytes in canonical JSON, without a last newline.
  public let json: [UInt8]
  private let signature: NoteSignature
  private let message: [UInt8]

  init(_ certificate: ErasureCertificate, signer: NoteSigner) throws(CertificateError) {
    let body = try certificate.json()
    let message = try Self.message(body)
    let signature: NoteSignature
    do { signature = try signer.signature(over: message) } catch { throw CertificateError(.unsuitableKey) }
    try self.init(certificate, body, signature, message)
  }

  private init(
    _ certificate: ErasureCertificate, _ body: JSONValue, _ signature: NoteSignature, _ message: [UInt8]
  ) throws(CertificateError) {
    self.certificate = certificate
    self.signature = signature
    self.message = message
    let whole: JSONValue = [
      "certificate": body,
      "signature": [
        "key": .string(Self.keyText(signature)),
        "value": .string(StrictBase64.encode(signature.value, .standard)),
      ],
    ]
    json = try whole.canonical()
    guard json.count <= Self.maximumBytes else { throw CertificateError(.tooLarge) }
  }

  /// Reads a file. Spaces between members do no harm; members that the format does not have are refused.
  ///
  /// - Throws: `.malformed` naming the member, `.otherVersion`, or `.tooLarge`. The signature is not verified yet.
  public init(parsing bytes: [UInt8]) throws(CertificateError) {
    guard bytes.count <= Self.maximumBytes else { throw CertificateError(.tooLarge) }
    guard let value = try? JSONValue(parsing: bytes) else { throw CertificateError(.malformed) }
    try MemberReader(value, path: "file").expect(["certificate", "signature"])
    let reader = MemberReader(value["signature"] ?? .null, path: "signature")
    try reader.expect(["key", "value"])
    let parts = try reader.string("key").split(separator: "+", omittingEmptySubsequences: false)
    guard parts.count == 2, let id = Hex.decode(String(parts[1])), id.count == 4 else { throw reader.fault("key") }
    guard let signed = StrictBase64.decode(try reader.string("value"), .standard) else {
      throw reader.fault("value")
    }
    let signature = NoteSignature(
      name: String(parts[0]), keyID: id.reduce(0) { $0 << 8 | UInt32($1) }, value: signed)
    let body = value["certificate"] ?? .null
    try self.init(ErasureCertificate(json: body), body, signature, Self.message(body))
  }

  /// Checks everything that can be checked offline; an empty result is a valid certificate.
  ///
  /// - Parameter keys: the verifier keys of the issuer and of the log, which are usually one.
  public func verify(keys: [NoteKey]) -> [CertificateFinding] {
    var findings: [CertificateFinding] = []
    let key = keys.first { $0.name == signature.name && $0.keyID == signature.keyID }
    if key?.key.isValid(signature: signature.value, over: message) != true {
      findings.append(CertificateFinding(.signature, "not signed by a known key"))
    }
    findings += certificate.logFindings(keys: keys)
    return findings
  }

  /// What is signed: the version, a newline, and the certificate's canonical bytes.
  private static func message(_ body: JSONValue) throws(CertificateError) -> [UInt8] {
    Array("\(ErasureCertificate.version)\n".utf8) + (try body.canonical())
  }

  private static func keyText(_ signature: NoteSignature) -> String {
    "\(signature.name)+\(Hex.encode((0..<4).map { UInt8(truncatingIfNeeded: signature.keyID >> (24 - 8 * $0)) }))"
  }
}

extension ErasureCertificate {
  /// How far apart the clocks of the parts of one service may be, in microseconds.
  private static let clockTolerance: Int64 = 300_000_000

  fileprivate func logFindings(keys: [NoteKey]) -> [CertificateFinding] {
    var findings: [CertificateFinding] = []
    do {
      let head = try log.receipt.verify(entry: log.entry, keys: keys)
      if head.origin != log.origin {
        findings.append(CertificateFinding(.origin, "the proof is of another log"))
      }
    } catch {
      findings.append(CertificateFinding(.receipt, error.description))
    }
    if LogOrigin(log.origin)?.tenant != tenant {
      findings.append(CertificateFinding(.origin, "the log is not this tenant's"))
    }
    if log.receipt.index != log.sequence {
      findings.append(CertificateFinding(.entry, "the proof is of another entry"))
    }
    guard let entry = try? Entry(parsing: log.entry), let record = try? AuditRecord(body: entry.body),
      record.action == .erasureCompleted, record.outcome == "ok"
    else {
      return findings + [CertificateFinding(.entry, "not the entry of a completed erasure")]
    }
    if record.subject != subject { findings.append(CertificateFinding(.subject, "the entry is about another subject")) }
    if record.codes["key_commitment"] != keyCommitment {
      findings.append(CertificateFinding(.commitment, "the entry is about another key"))
    }
    if record.codes["key_epoch"] != String(keyEpoch) {
      findings.append(CertificateFinding(.epoch, "the entry does not name this epoch"))
    }
    return findings + timeFindings(entry)
  }

  private func timeFindings(_ entry: Entry) -> [CertificateFinding] {
    var findings: [CertificateFinding] = []
    if erasedAt > entry.time + Self.clockTolerance {
      findings.append(CertificateFinding(.time, "erased after the log had recorded it as completed"))
    }
    let day = erasedAt / 86_400_000_000
    for (date, name) in [(keyBackupsDeadBy, "key"), (dataBackupsDeadBy, "data")] {
      if let dead = date.flatMap(Timestamp.day), dead < day {
        findings.append(CertificateFinding(.time, "\(name) backups dead before the erasure"))
      }
    }
    return findings
  }
}
