import Audit
import Certificates
import Foundation
import StrictJSON

/// A certificate of erasure in a terminal.
struct CertificateView {
  /// The file.
  let signed: SignedCertificate

  /// Reads a file's bytes.
  ///
  /// - Throws: `Failure` with `.notValid`: what isn't a certificate isn't a valid one.
  init(_ bytes: [UInt8], named name: String) throws(Failure) {
    do { signed = try SignedCertificate(parsing: bytes) } catch {
      throw Failure(.notValid, "\(name): \(error)")
    }
  }

  /// The file as JSON.
  var json: JSONValue {
    // Our own canonical bytes are JSON.
    (try? JSONValue(parsing: signed.json)) ?? .null
  }

  /// What it certifies.
  var pairs: [(String, String)] {
    let certificate = signed.certificate
    var pairs: [(String, String)] = [
      ("request", Self.text(certificate.requestID)), ("tenant", Self.text(certificate.tenant)),
      ("subject", Self.text(certificate.subject)), ("stage", certificate.stage.rawValue),
      ("erased at", Self.text(certificate.erasedAt)), ("key", certificate.keyCommitment),
      ("key epoch", String(certificate.keyEpoch)),
      (
        certificate.stage == .final ? "key backups dead since" : "key backups dead by",
        certificate.keyBackupsDeadBy ?? "(not promised yet)"
      ),
      ("keyring copies left", String(certificate.keyCopiesOutstanding)),
      ("data backups dead by", certificate.dataBackupsDeadBy),
    ]
    for system in certificate.systems {
      pairs.append(("system \(system.system)", "\(system.outcome) \(Self.text(system.at))"))
    }
    for exemption in certificate.exempted { pairs.append(("kept \(exemption.field)", exemption.basis)) }
    pairs += [("log", certificate.log.origin), ("log entry", String(certificate.log.sequence))]
    return pairs
  }

  /// What it says, in one sentence.
  var sentence: String {
    let certificate = signed.certificate
    let backups =
      switch (certificate.stage, certificate.keyBackupsDeadBy) {
      case (.final, let day): "final: dead in every key backup since \(day ?? "")"
      case (.issued, let day?): "dead in every key backup on or before \(day)"
      case (.issued, nil): "no date is promised for backups of the key"
      }
    let copies = certificate.keyCopiesOutstanding
    let condition =
      switch copies {
      case 0: ""
      case 1: ", subject to 1 registered copy of the keyring that is not attested as destroyed"
      default: ", subject to \(copies) registered copies of the keyring that are not attested as destroyed"
      }
    return "erased live at \(Self.text(certificate.erasedAt)); \(backups)\(condition)"
  }

  private static func text(_ id: UUID) -> String { id.uuidString.lowercased() }

  private static func text(_ microseconds: Int64) -> String {
    Date(timeIntervalSince1970: Double(microseconds / 1_000_000)).formatted(.iso8601)
  }
}
