import Profiles
public import Redaction
public import StrictJSON
public import Foundation

/// What a request is opened with.
public struct RequestDraft: Sendable {
  /// What is asked for.
  public let type: RequestType
  /// Whose profile.
  public let profile: UUID
  /// ISO 3166-1 alpha-2 of the law that applies.
  public let jurisdiction: String?
  /// The officer's note, at most 2,000 characters; sealed under the subject's key.
  public let note: Personal<String>?

  /// Reads a draft and collects every fault with its pointer.
  public init(reading reader: ObjectReader) throws(FieldErrors) {
    let type = reader.oneOf("type", RequestType.allCases.map(\.rawValue))
    let profile = reader.uuid("profile_id")
    let jurisdiction = reader.string("jurisdiction", maxCharacters: 2, required: false)
    if let jurisdiction, !ProfileRules.countries.contains(jurisdiction) {
      reader.fault("jurisdiction", "not_allowed")
    }
    let note = reader.string("note", maxCharacters: 2_000, required: false, multiline: true)
    try reader.finish()
    self.type = type.flatMap(RequestType.init) ?? .access
    self.profile = profile ?? UUID()
    self.jurisdiction = jurisdiction
    self.note = note.map(Personal.init)
  }
}

extension VerificationMethod {
  /// Reads the body of a verification: `method`.
  public init(reading reader: ObjectReader) throws(FieldErrors) {
    let method = reader.oneOf("method", Self.allCases.map(\.rawValue))
    try reader.finish()
    self = method.flatMap(Self.init) ?? .document
  }
}
