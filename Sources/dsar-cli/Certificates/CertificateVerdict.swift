import Audit
import Certificates
import Foundation
import StrictJSON

/// What the offline verification of a certificate found.
struct CertificateVerdict {
  /// The findings; none for a valid certificate.
  let findings: [CertificateFinding]
  private let view: CertificateView

  /// Verifies with those keys and nothing else.
  init(_ view: CertificateView, keys: [NoteKey]) {
    self.view = view
    findings = view.signed.verify(keys: keys)
  }

  var json: JSONValue {
    let certificate = view.signed.certificate
    return .object([
      JSONMember("valid", .bool(findings.isEmpty)),
      JSONMember("request_id", .string(certificate.requestID.uuidString.lowercased())),
      JSONMember("stage", .string(certificate.stage.rawValue)),
      JSONMember("key_backups_dead_by", certificate.keyBackupsDeadBy.map(JSONValue.string) ?? .null),
      JSONMember("key_copies_outstanding", .integer(Int64(certificate.keyCopiesOutstanding))),
      JSONMember("origin", .string(certificate.log.origin)),
      JSONMember("sequence", .integer(Int64(clamping: certificate.log.sequence))),
      JSONMember(
        "findings",
        .array(
          findings.map {
            .object([JSONMember("check", .string($0.check.rawValue)), JSONMember("message", .string($0.message))])
          })),
    ])
  }

  /// Prints the verdict for people.
  func show(on console: Console) {
    console.pairs(view.pairs)
    console.say()
    guard findings.isEmpty else {
      console.say("NOT VALID")
      for finding in findings { console.say("  \(finding)") }
      return
    }
    console.say("valid: signed by the given key, and recorded in the log that the proof leads to")
    console.say(view.sentence)
  }
}
