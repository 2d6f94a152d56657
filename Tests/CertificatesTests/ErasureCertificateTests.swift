import Audit
import Foundation
import Signing
import StrictJSON
import Testing

@testable import Certificates

/// A log with one completed erasure in it, and the certificate about it.
final class Erasure: Sendable {
  static let tenant = UUID(uuid: (0x11, 0, 0, 0, 0, 0, 0x40, 0, 0x80, 0, 0, 0, 0, 0, 0, 1))
  static let subject = UUID(uuid: (0x22, 0, 0, 0, 0, 0, 0x40, 0, 0x80, 0, 0, 0, 0, 0, 0, 2))
  static let request = UUID(uuid: (0x33, 0, 0, 0, 0, 0, 0x40, 0, 0x80, 0, 0, 0, 0, 0, 0, 3))
  static let commitment = String(repeating: "c0", count: 32)
  static let epoch: Int32 = 3
  static let erasedAt: Int64 = 1_767_139_200_000_001

  let signer: NoteSigner
  let key: NoteKey
  let entries: [[UInt8]]
  let receipts: [Receipt]
  let origin = LogOrigin(host: "audit.example.com", tenant: Erasure.tenant)
  private let folder = NSTemporaryDirectory() + "certificates-tests-" + UUID().uuidString.lowercased()

  init() throws {
    signer = NoteSigner(name: origin.text, key: try SigningKey(ed25519Seed: Array(repeating: 1, count: 32)))
    key = try signer.verifierKey()
    let records = [
      AuditRecord(action: .erasureStarted, subject: Self.subject),
      AuditRecord(
        action: .erasureCompleted, subject: Self.subject, codes: ["key_commitment": Self.commitment, "key_epoch": "3"]),
      AuditRecord(action: .logRead),
      AuditRecord(
        action: .erasureCompleted, subject: Self.tenant,
        codes: ["key_commitment": Self.commitment, "key_epoch": "3"]),
      AuditRecord(
        action: .erasureCompleted, subject: Self.subject,
        codes: ["key_commitment": String(repeating: "c1", count: 32), "key_epoch": "3"]),
      AuditRecord(
        action: .erasureCompleted, subject: Self.subject, codes: ["key_commitment": Self.commitment]),
    ]
    var previous = origin.genesis
    var entries: [[UInt8]] = []
    for record in records {
      let entry = try Entry(
        origin: origin, sequence: UInt64(entries.count), previous: previous,
        time: Self.erasedAt + Int64(entries.count), body: record.body())
      entries.append(entry.bytes)
      previous = entry.leafHash
    }
    let writer = ArchiveWriter(folder: folder, origin: origin, signer: signer)
    try writer.publish(entries)
    receipts = try entries.indices.map { try writer.inclusionReceipt(sequence: UInt64($0)) }
    self.entries = entries
  }

  deinit { try? FileManager.default.removeItem(atPath: folder) }

  func certificate(entry: Int = 1) -> ErasureCertificate {
    ErasureCertificate(
      requestID: Self.request, tenant: Self.tenant, subject: Self.subject, keyCommitment: Self.commitment,
      keyEpoch: Self.epoch, stage: .issued,
      systems: [.init(system: "profiles", outcome: "erased", at: Self.erasedAt)],
      exempted: [.init(field: "tax_id", basis: "GDPR 17(3)(b)")], erasedAt: Self.erasedAt,
      keyBackupsDeadBy: "2026-01-30", keyCopiesOutstanding: 0, dataBackupsDeadBy: "2026-02-28",
      log: .init(
        origin: origin.text, sequence: UInt64(entry), entry: entries[entry], receipt: receipts[entry]))
  }
}

@Suite("Erasure certificates")
struct ErasureCertificateTests {
  let erasure: Erasure

  init() throws { erasure = try Erasure() }

  private func findings(_ change: (inout ErasureCertificate) -> Void) throws -> [CertificateFinding.Check] {
    var certificate = erasure.certificate()
    change(&certificate)
    return try certificate.signed(by: erasure.signer).verify(keys: [erasure.key]).map(\.check)
  }

  private func code(_ body: () throws -> Void) -> CertificateError.Code? {
    do {
      try body()
      return nil
    } catch {
      return (error as? CertificateError)?.code
    }
  }

  @Test("a certificate verifies with the log's key alone, also after a trip through a file")
  func valid() throws {
    let signed = try erasure.certificate().signed(by: erasure.signer)
    #expect(signed.verify(keys: [erasure.key]) == [])
    let read = try SignedCertificate(parsing: signed.json)
    #expect(read == signed)
    #expect(read.certificate == erasure.certificate())
    #expect(read.verify(keys: [erasure.key]) == [])
    let pretty = try JSONValue(parsing: signed.json).prettyText()
    #expect(try SignedCertificate(parsing: Array(pretty.utf8)).verify(keys: [erasure.key]) == [])
  }

  @Test("the file has the documented members, and the signature covers the canonical certificate")
  func form() throws {
    let signed = try erasure.certificate().signed(by: erasure.signer)
    let value = try JSONValue(parsing: signed.json)
    #expect(try value.canonicalBytes() == signed.json)
    #expect(
      value["certificate"]?.members?.map(\.name) == [
        "data_backups_dead_by", "erased_at", "exempted", "key_backups_dead_by", "key_commitment",
        "key_copies_outstanding", "key_epoch", "log", "request_id", "stage", "subject", "systems", "tenant", "version",
      ])
    #expect(value["certificate"]?["version"]?.string == "erasure-certificate/v2")
    #expect(value["certificate"]?["key_epoch"]?.integer == 3)
    #expect(value["certificate"]?["key_copies_outstanding"]?.integer == 0)
    #expect(value["certificate"]?["erased_at"]?.string == "2025-12-31T00:00:00.000001Z")
    #expect(value["certificate"]?["subject"]?.string == "22000000-0000-4000-8000-000000000002")
    #expect(value["certificate"]?["log"]?["sequence"]?.integer == 1)
    #expect(
      value["certificate"]?["log"]?["entry"]?.string == StrictBase64.encode(erasure.entries[1], .standard))
    let keyText = try #require(value["signature"]?["key"]?.string)
    #expect(erasure.key.text.hasPrefix(keyText + "+"))
    let encoded = try #require(value["signature"]?["value"]?.string)
    let signature = try #require(StrictBase64.decode(encoded, .standard))
    let body = try #require(value["certificate"])
    let message = Array("erasure-certificate/v2\n".utf8) + (try body.canonicalBytes())
    #expect(erasure.key.key.isValid(signature: signature, over: message))
  }

  @Test("another subject, key, tenant or log is found")
  func mismatches() throws {
    #expect(try findings { $0.subject = Erasure.request } == [.subject])
    #expect(try findings { $0.keyCommitment = String(repeating: "c1", count: 32) } == [.commitment])
    #expect(try findings { $0.keyEpoch = 2 } == [.epoch])
    #expect(try findings { $0.tenant = Erasure.request } == [.origin])
    #expect(try findings { $0.log.origin = "elsewhere/\(Erasure.tenant.uuidString.lowercased())" } == [.origin])
    #expect(try findings { $0.log.sequence = 2 } == [.entry])
    #expect(try findings { $0.log.entry = erasure.entries[2] } == [.receipt, .entry])
    #expect(try findings { $0.log.receipt = erasure.receipts[2] } == [.receipt, .entry])
  }

  @Test("an entry that is logged, but about something else, is found")
  func otherEntry() throws {
    func checks(_ entry: Int) throws -> [CertificateFinding.Check] {
      try erasure.certificate(entry: entry).signed(by: erasure.signer).verify(keys: [erasure.key]).map(\.check)
    }
    #expect(try checks(0) == [.entry])
    #expect(try checks(2) == [.entry])
    #expect(try checks(3) == [.subject])
    #expect(try checks(4) == [.commitment])
    #expect(try checks(5) == [.epoch])
  }

  @Test("times that cannot be true are found")
  func times() throws {
    #expect(try findings { $0.erasedAt += 300_000_000 } == [])
    #expect(try findings { $0.erasedAt += 300_000_002 } == [.time])
    #expect(try findings { $0.keyBackupsDeadBy = "2025-12-30" } == [.time])
    #expect(try findings { $0.keyBackupsDeadBy = "2025-12-31" } == [])
    #expect(try findings { $0.dataBackupsDeadBy = "2025-01-01" } == [.time])
  }

  @Test("an unknown signer, and a checkpoint by an unknown key, are found")
  func signers() throws {
    let stranger = NoteSigner(
      name: erasure.signer.name, key: try SigningKey(ed25519Seed: Array(repeating: 2, count: 32)))
    let signed = try erasure.certificate().signed(by: stranger)
    #expect(signed.verify(keys: [erasure.key]).map(\.check) == [.signature])
    #expect(signed.verify(keys: [try stranger.verifierKey()]).map(\.check) == [.receipt])
    #expect(signed.verify(keys: []).map(\.check) == [.signature, .receipt])
    let both = [erasure.key, try stranger.verifierKey()]
    #expect(signed.verify(keys: both) == [])
  }

  @Test("every flipped bit of the file is noticed")
  func flips() throws {
    let json = try erasure.certificate().signed(by: erasure.signer).json
    for position in json.indices {
      var copy = json
      copy[position] ^= 1 << UInt8(position % 8)
      if let read = try? SignedCertificate(parsing: copy) {
        #expect(read.verify(keys: [erasure.key]) != [], "byte \(position)")
      }
    }
  }

  @Test("a certificate with a member that has no valid form is not signed")
  func unsignable() {
    let changes: [(inout ErasureCertificate) -> Void] = [
      { $0.keyCommitment = "c0" }, { $0.keyCommitment = String(repeating: "C0", count: 32) },
      { $0.erasedAt = -1 }, { $0.erasedAt = 253_402_300_800_000_000 }, { $0.keyBackupsDeadBy = "2026-02-29" },
      { $0.dataBackupsDeadBy = "soon" }, { $0.systems[0].system = "" }, { $0.systems[0].outcome = "a\nb" },
      { $0.systems[0].at = -1 }, { $0.exempted[0].basis = String(repeating: "x", count: 257) },
      { $0.log.sequence = .max }, { $0.log.origin = "" }, { $0.keyEpoch = 0 }, { $0.keyCopiesOutstanding = -1 },
    ]
    for change in changes {
      var certificate = erasure.certificate()
      change(&certificate)
      #expect(code { _ = try certificate.signed(by: erasure.signer) } == .malformed)
    }
  }

  @Test("a certificate moves on to final with the day of the destruction, at the same place in the log")
  func final() throws {
    #expect(try findings { $0.keyBackupsDeadBy = nil } == [])
    var final = erasure.certificate()
    final.stage = .final
    final.keyBackupsDeadBy = "2026-01-15"
    final.keyCopiesOutstanding = 2
    let signed = try final.signed(by: erasure.signer)
    #expect(signed.verify(keys: [erasure.key]) == [])
    let read = try SignedCertificate(parsing: signed.json).certificate
    #expect(read == final)
    #expect(read.log == erasure.certificate().log)
    final.keyBackupsDeadBy = nil
    let unpromised = final
    #expect(code { _ = try unpromised.signed(by: erasure.signer) } == .malformed)
  }

  @Test("a certificate of another version is refused by name", arguments: [1, 3, 12])
  func otherVersion(_ number: Int) throws {
    var text = String(decoding: try erasure.certificate().signed(by: erasure.signer).json, as: UTF8.self)
    text = text.replacing("erasure-certificate/v2", with: "erasure-certificate/v\(number)")
    // The first version had neither of these members.
    if number == 1 { text = text.replacing(#""key_copies_outstanding":0,"key_epoch":3,"#, with: "") }
    let file = Array(text.utf8)
    let expected = CertificateError(.otherVersion, version: number)
    #expect(throws: expected) { _ = try SignedCertificate(parsing: file) }
    #expect(
      expected.description == "erasure-certificate/v\(number) is not accepted, only erasure-certificate/v2")
  }

  @Test("a key of another kind cannot sign")
  func unsuitableKey() throws {
    let signer = NoteSigner(name: "a", key: try SigningKey.generate(.es256))
    #expect(code { _ = try erasure.certificate().signed(by: signer) } == .unsuitableKey)
  }

  @Test(
    "files with members missing, added or of another type are refused",
    arguments: [
      (#""stage":"issued""#, #""stage":"maybe""#), (#""stage":"issued""#, #""stage":1"#),
      (#""stage":"issued","#, ""), (#""stage":"issued""#, #""stage":"issued","more":1"#),
      (#""version":"erasure-certificate/v2""#, #""version":"erasure-certificate/v02""#),
      (#""version":"erasure-certificate/v2""#, #""version":"erasure-certificate/v""#),
      (#""version":"erasure-certificate/v2""#, #""version":2"#),
      (#""key_epoch":3"#, #""key_epoch":0"#), (#""key_epoch":3"#, #""key_epoch":2147483648"#),
      (#""key_epoch":3,"#, ""), (#""key_copies_outstanding":0"#, #""key_copies_outstanding":-1"#),
      (#""key_copies_outstanding":0"#, #""key_copies_outstanding":null"#),
      (#""sequence":1"#, #""sequence":-1"#), (#""sequence":1"#, #""sequence":"1""#),
      (#""erased_at":"2025-12-31T00:00:00.000001Z""#, #""erased_at":"2025-12-31T00:00:00Z""#),
      (#""erased_at":"2025-12-31T00:00:00.000001Z""#, #""erased_at":"2025-12-31T24:00:00.000001Z""#),
      (#""erased_at":"2025-12-31T00:00:00.000001Z""#, #""erased_at":"2025-12-31T00:00:00.00000+Z""#),
      (#""subject":"22000000"#, #""subject":"2200000g"#), (#""receipt":"c2sp"#, #""receipt":"c3sp"#),
      (#""entry":""#, #""entry":"!"#), (#""outcome":"erased","#, ""), (#""field":"tax_id""#, #""field":null"#),
      (#""tenant":"11000000-0000-4000-8000"#, #""tenant":"11000000-0000-4000-A000"#),
      (#""signature":{"#, #""signature":{"x":1,"#), (#""systems":["#, #""systems":[1,"#),
      (#"{"certificate":{"#, #"{"x":1,"certificate":{"#),
    ])
  func refused(find: String, replacement: String) throws {
    let json = String(decoding: try erasure.certificate().signed(by: erasure.signer).json, as: UTF8.self)
    #expect(json.contains(find))
    let changed = json.replacing(find, with: replacement, maxReplacements: 1)
    #expect(code { _ = try SignedCertificate(parsing: Array(changed.utf8)) } == .malformed)
  }

  @Test("files beyond the limit, and what is no JSON, are refused")
  func limits() {
    let spaces = [UInt8](repeating: 0x20, count: SignedCertificate.maximumBytes + 1)
    #expect(code { _ = try SignedCertificate(parsing: spaces) } == .tooLarge)
    #expect(code { _ = try SignedCertificate(parsing: []) } == .malformed)
    #expect(CertificateError(.malformed, member: "log.entry").description.hasSuffix("member log.entry"))
  }
}

@Suite("Times in certificates")
struct TimestampTests {
  @Test(
    "a time is written in UTC with microseconds, and reads back",
    arguments: [
      (0, "1970-01-01T00:00:00.000000Z"), (951_782_399_999_999, "2000-02-28T23:59:59.999999Z"),
      (951_782_400_000_000, "2000-02-29T00:00:00.000000Z"), (1_709_251_199_000_000, "2024-02-29T23:59:59.000000Z"),
      (4_107_542_400_000_000, "2100-03-01T00:00:00.000000Z"), (253_402_300_799_999_999, "9999-12-31T23:59:59.999999Z"),
    ])
  func forms(microseconds: Int64, text: String) {
    #expect(Timestamp.text(microseconds) == text)
    #expect(Timestamp.microseconds(text) == microseconds)
  }

  @Test("every day from 1970 to 2110 agrees with Foundation's calendar")
  func days() throws {
    var calendar = Calendar(identifier: .gregorian)
    calendar.timeZone = try #require(TimeZone(identifier: "UTC"))
    for day in stride(from: 0, to: 51_100, by: 1) {
      let parts = calendar.dateComponents(
        [.year, .month, .day], from: Date(timeIntervalSince1970: Double(day) * 86_400))
      let text = String(format: "%04d-%02d-%02d", parts.year ?? 0, parts.month ?? 0, parts.day ?? 0)
      if Timestamp.day(text) != Int64(day) { Issue.record("\(text) is not day \(day)") }
    }
  }

  @Test(
    "dates that do not exist, or are written otherwise, are refused",
    arguments: [
      "", "2023-02-29", "2100-02-29", "2024-13-01", "2024-00-10", "2024-04-31", "2024-1-01", "1969-12-31",
      "+024-01-01", "2024-01-01 ", "2024-01", "20240101", "10000-01-01",
    ])
  func refused(_ text: String) { #expect(Timestamp.day(text) == nil) }
}
