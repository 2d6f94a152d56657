internal import Audit
internal import Foundation
internal import Signing
internal import StrictJSON

extension ErasureCertificate {
  /// The object that is signed in its canonical form.
  func json() throws(CertificateError) -> JSONValue {
    try require(keyCommitment.utf8.count == 64 && Hex.decode(keyCommitment) != nil, "key_commitment")
    try require(keyEpoch >= 1, "key_epoch")
    try require(keyCopiesOutstanding >= 0, "key_copies_outstanding")
    try require(keyBackupsDeadBy.map { Timestamp.day($0) != nil } ?? (stage == .issued), "key_backups_dead_by")
    try require(Timestamp.day(dataBackupsDeadBy) != nil, "data_backups_dead_by")
    guard let sequence = Int64(exactly: log.sequence) else {
      throw CertificateError(.malformed, member: "log.sequence")
    }
    var outcomes: [JSONValue] = []
    for part in systems {
      try require(Self.isText(part.system) && Self.isText(part.outcome), "systems")
      outcomes.append([
        "system": .string(part.system), "outcome": .string(part.outcome), "at": try time(part.at, "systems"),
      ])
    }
    try require(exempted.allSatisfy { Self.isText($0.field) && Self.isText($0.basis) }, "exempted")
    try require(Self.isText(log.origin), "log.origin")
    return [
      "version": .string(Self.version),
      "request_id": Self.id(requestID),
      "tenant": Self.id(tenant),
      "subject": Self.id(subject),
      "key_commitment": .string(keyCommitment),
      "key_epoch": .integer(Int64(keyEpoch)),
      "stage": .string(stage.rawValue),
      "systems": .array(outcomes),
      "exempted": .array(exempted.map { ["field": .string($0.field), "basis": .string($0.basis)] }),
      "erased_at": try time(erasedAt, "erased_at"),
      "key_backups_dead_by": keyBackupsDeadBy.map(JSONValue.string) ?? .null,
      "key_copies_outstanding": .integer(Int64(keyCopiesOutstanding)),
      "data_backups_dead_by": .string(dataBackupsDeadBy),
      "log": [
        "origin": .string(log.origin),
        "sequence": .integer(sequence),
        "entry": .string(StrictBase64.encode(log.entry, .standard)),
        "receipt": .string(log.receipt.text),
      ],
    ]
  }

  /// Reads the object back; other versions, and members that the format does not have, are refused.
  init(json: JSONValue) throws(CertificateError) {
    let reader = MemberReader(json, path: "certificate")
    let version = try reader.string("version")
    guard version == Self.version else {
      // Before the members: another version has others, and is refused by its name.
      throw Self.otherVersion(version) ?? reader.fault("version")
    }
    try reader.expect([
      "version", "request_id", "tenant", "subject", "key_commitment", "key_epoch", "stage", "systems", "exempted",
      "erased_at", "key_backups_dead_by", "key_copies_outstanding", "data_backups_dead_by", "log",
    ])
    guard let epoch = json["key_epoch"]?.integer.flatMap(Int32.init(exactly:)) else { throw reader.fault("key_epoch") }
    guard let copies = json["key_copies_outstanding"]?.integer.flatMap(Int.init(exactly:)) else {
      throw reader.fault("key_copies_outstanding")
    }
    guard let stage = Stage(rawValue: try reader.string("stage")) else { throw reader.fault("stage") }
    var systems: [SystemOutcome] = []
    for value in try reader.array("systems") {
      let part = MemberReader(value, path: "systems")
      try part.expect(["system", "outcome", "at"])
      systems.append(
        SystemOutcome(system: try part.string("system"), outcome: try part.string("outcome"), at: try part.time("at")))
    }
    var exempted: [Exemption] = []
    for value in try reader.array("exempted") {
      let part = MemberReader(value, path: "exempted")
      try part.expect(["field", "basis"])
      exempted.append(Exemption(field: try part.string("field"), basis: try part.string("basis")))
    }
    self.init(
      requestID: try reader.uuid("request_id"), tenant: try reader.uuid("tenant"),
      subject: try reader.uuid("subject"), keyCommitment: try reader.string("key_commitment"),
      keyEpoch: epoch, stage: stage, systems: systems, exempted: exempted, erasedAt: try reader.time("erased_at"),
      keyBackupsDeadBy: json["key_backups_dead_by"] == .null ? nil : try reader.string("key_backups_dead_by"),
      keyCopiesOutstanding: copies, dataBackupsDeadBy: try reader.string("data_backups_dead_by"),
      log: try LogPosition(json: json["log"] ?? .null))
    // What was read must be what would be written, so that there is one form of each certificate.
    guard try self.json().canonical() == json.canonical() else { throw CertificateError(.malformed) }
  }

  private func time(_ microseconds: Int64, _ member: String) throws(CertificateError) -> JSONValue {
    guard let text = Timestamp.text(microseconds) else { throw CertificateError(.malformed, member: member) }
    return .string(text)
  }

  private func require(_ condition: Bool, _ member: String) throws(CertificateError) {
    if !condition { throw CertificateError(.malformed, member: member) }
  }

  /// The refusal of another version of this format; `nil` for text that names none.
  private static func otherVersion(_ text: String) -> CertificateError? {
    guard text.hasPrefix(format), let number = Int(text.dropFirst(format.utf8.count)), (1...9999).contains(number),
      text == "\(format)\(number)"
    else { return nil }
    return CertificateError(.otherVersion, version: number)
  }

  private static func id(_ uuid: UUID) -> JSONValue { .string(uuid.uuidString.lowercased()) }

  private static func isText(_ text: String) -> Bool {
    (1...256).contains(text.utf8.count) && text.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7f }
  }
}

extension ErasureCertificate.LogPosition {
  fileprivate init(json: JSONValue) throws(CertificateError) {
    let reader = MemberReader(json, path: "log")
    try reader.expect(["origin", "sequence", "entry", "receipt"])
    guard let sequence = json["sequence"]?.integer.flatMap(UInt64.init(exactly:)) else {
      throw reader.fault("sequence")
    }
    guard let entry = StrictBase64.decode(try reader.string("entry"), .standard) else {
      throw reader.fault("entry")
    }
    guard let receipt = try? Receipt(parsing: try reader.string("receipt")) else { throw reader.fault("receipt") }
    self.init(origin: try reader.string("origin"), sequence: sequence, entry: entry, receipt: receipt)
  }
}

extension JSONValue {
  /// The canonical bytes (RFC 8785).
  func canonical() throws(CertificateError) -> [UInt8] {
    do { return try canonicalBytes() } catch { throw CertificateError(.malformed) }
  }
}

/// Members of one object, each present and of its type, or an error that names it.
struct MemberReader {
  private let value: JSONValue
  private let path: String

  init(_ value: JSONValue, path: String) {
    self.value = value
    self.path = path
  }

  func expect(_ names: Set<String>) throws(CertificateError) {
    guard case .object(let members) = value, Set(members.map(\.name)) == names, members.count == names.count
    else { throw CertificateError(.malformed, member: path) }
  }

  func string(_ name: String) throws(CertificateError) -> String {
    guard let text = value[name]?.string else { throw fault(name) }
    return text
  }

  func array(_ name: String) throws(CertificateError) -> [JSONValue] {
    guard let values = value[name]?.array else { throw fault(name) }
    return values
  }

  func uuid(_ name: String) throws(CertificateError) -> UUID {
    guard let uuid = UUID(uuidString: try string(name)) else { throw fault(name) }
    return uuid
  }

  func time(_ name: String) throws(CertificateError) -> Int64 {
    guard let time = Timestamp.microseconds(try string(name)) else { throw fault(name) }
    return time
  }

  func fault(_ name: String) -> CertificateError { CertificateError(.malformed, member: "\(path).\(name)") }
}
