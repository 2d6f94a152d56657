public import Foundation
public import Signing
private import StrictJSON

/// The body of an entry: who did what to whom, for what purpose, without a single personal value.
///
/// It becomes one line of canonical JSON (RFC 8785). Absent members are left out, so that equal records
/// have equal bytes.
public struct AuditRecord: Sendable, Hashable {
  /// The version of a policy that a decision was made under.
  public struct Policy: Sendable, Hashable {
    /// The policy's name.
    public var id: String
    /// Its version, as the policy file spells it.
    public var version: String

    /// Names a policy; both parts are codes.
    public init(id: String, version: String) {
      self.id = id
      self.version = version
    }
  }

  /// What happened.
  public var action: AuditAction
  /// Our own random id of whoever did it.
  public var actor: UUID?
  /// The pseudonymous id of the person concerned.
  public var subject: UUID?
  /// The declared purpose, as a code.
  public var purpose: String?
  /// The id that we gave to the call.
  public var requestID: UUID?
  /// The caller's trace, exactly 32 lower-case hexadecimal digits; anything else is dropped from the body.
  public var traceID: String?
  /// `ok`, `denied` or `failed`.
  public var outcome: String
  /// Names of the personal fields touched. Never their values, nor masks of them.
  public var fields: [String]
  /// Neutral facts: statuses, role codes, reason codes, commitments. Letters, digits and `_.:/+=-` only.
  public var codes: [String: String]
  /// The policy that allowed or denied it.
  public var policy: Policy?
  /// How many subjects a read of many touched.
  public var subjectCount: Int?
  /// The Merkle root over the salted ids of those subjects.
  public var subjectRoot: SHA256Digest?

  /// Describes one event; whatever does not apply stays absent.
  public init(
    action: AuditAction, actor: UUID? = nil, subject: UUID? = nil, purpose: String? = nil,
    requestID: UUID? = nil, traceID: String? = nil, outcome: String = "ok", fields: [String] = [],
    codes: [String: String] = [:], policy: Policy? = nil, subjectCount: Int? = nil,
    subjectRoot: SHA256Digest? = nil
  ) {
    self.action = action
    self.actor = actor
    self.subject = subject
    self.purpose = purpose
    self.requestID = requestID
    self.traceID = traceID.flatMap { Self.isTrace($0) ? $0 : nil }
    self.outcome = outcome
    self.fields = fields
    self.codes = codes
    self.policy = policy
    self.subjectCount = subjectCount
    self.subjectRoot = subjectRoot
  }

  /// The canonical JSON line, without its newline.
  ///
  /// - Throws: `.notNeutral` when something is neither an id, a name of a field nor a code; `.tooLarge`
  ///   when no entry could hold it.
  public func body() throws(AuditError) -> [UInt8] {
    try validate()
    // Every name and value is neutral by now: nothing in them is ever escaped. Names in the order of RFC 8785.
    var line = CanonicalLine()
    line.add("action", action.rawValue)
    line.add("actor", actor)
    line.add("codes", codes.isEmpty ? nil : codes)
    line.add("fields", fields)
    line.add("outcome", outcome)
    line.add("policy", policy.map { ["id": $0.id, "version": $0.version] })
    line.add("purpose", purpose)
    line.add("request_id", requestID)
    line.add("subject", subject)
    line.add("subject_count", subjectCount)
    line.add("subject_root", subjectRoot?.hex)
    line.add("trace_id", traceID.flatMap { Self.isTrace($0) ? $0 : nil })
    let bytes = line.bytes
    guard bytes.count <= Self.maximumBytes else { throw AuditError(.tooLarge) }
    return bytes
  }

  /// Reads a body back. The bytes must be exactly those that `body()` makes of the result.
  public init(body: [UInt8]) throws(AuditError) {
    guard body.count <= Self.maximumBytes else { throw AuditError(.tooLarge) }
    guard let value = try? JSONValue(parsing: body), case .object(let members) = value else {
      throw AuditError(.malformed)
    }
    guard case .string(let action)? = value["action"], case .string(let outcome)? = value["outcome"] else {
      throw AuditError(.malformed)
    }
    self.init(action: AuditAction(rawValue: action), outcome: outcome)
    for member in members { try read(member) }
    guard try self.body() == body else { throw AuditError(.malformed) }
  }

  static let maximumBytes = 65_000
}

extension AuditRecord {
  private mutating func read(_ member: JSONMember) throws(AuditError) {
    switch (member.name, member.value) {
    case ("action", _), ("outcome", _): break
    case ("actor", .string(let text)): actor = UUID(uuidString: text)
    case ("subject", .string(let text)): subject = UUID(uuidString: text)
    case ("purpose", .string(let text)): purpose = text
    case ("request_id", .string(let text)): requestID = UUID(uuidString: text)
    case ("trace_id", .string(let text)): traceID = text
    case ("fields", .array(let values)): fields = values.compactMap(\.string)
    case ("codes", .object(let members)):
      codes = Dictionary(members.map { ($0.name, $0.value.string ?? "") }) { first, _ in first }
    case ("policy", .object):
      guard let id = member.value["id"]?.string, let version = member.value["version"]?.string else {
        throw AuditError(.malformed)
      }
      policy = Policy(id: id, version: version)
    case ("subject_count", .integer(let count)): subjectCount = Int(exactly: count)
    case ("subject_root", .string(let text)): subjectRoot = SHA256Digest(hex: text)
    default: throw AuditError(.malformed)
    }
  }

  private func validate() throws(AuditError) {
    let neutral =
      action.isWellFormed && ["ok", "denied", "failed"].contains(outcome)
      && purpose.map(Self.isCode) ?? true && fields.allSatisfy(Self.isName)
      && codes.allSatisfy { Self.isName($0.key) && Self.isCode($0.value) }
      && policy.map { Self.isCode($0.id) && Self.isCode($0.version) } ?? true
      && (0...Int(JSONValue.greatestExactInteger)).contains(subjectCount ?? 0)
    guard neutral else { throw AuditError(.notNeutral) }
  }

  private static func isTrace(_ text: String) -> Bool {
    text.utf8.count == 32 && text.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
  }

  private static func isName(_ text: String) -> Bool {
    (1...64).contains(text.utf8.count) && text.utf8.allSatisfy { isLetterOrDigit($0) || $0 == 0x5f || $0 == 0x2e }
  }

  static func isCode(_ text: String) -> Bool {
    (1...256).contains(text.utf8.count)
      && text.utf8.allSatisfy { isLetterOrDigit($0) || "_.:/+=-".utf8.contains($0) }
  }

  private static func isLetterOrDigit(_ byte: UInt8) -> Bool {
    (0x30...0x39).contains(byte) || (0x41...0x5a).contains(byte) || (0x61...0x7a).contains(byte)
  }
}
