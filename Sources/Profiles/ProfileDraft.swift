public import Redaction
public import StrictJSON
import Vault

/// What a profile is made of, validated and normalised.
public struct ProfileDraft: Sendable {
  /// At most 140 characters.
  public let fullName: Personal<String>
  /// Normalised addr-spec.
  public let email: Personal<String>?
  /// E.164.
  public let phone: Personal<String>?
  /// The identity service's `sub`.
  public let identity: Personal<String>?
  /// ISO 3166-1 alpha-2.
  public let country: String?
  /// One of ``ProfileRules/languages``.
  public let language: String?
  /// Where it comes from.
  public internal(set) var origin: ProfileOrigin

  /// Reads a draft from an object and collects every fault with its pointer.
  public init(reading reader: ObjectReader) throws(FieldErrors) {
    let fullName = reader.string("full_name", maxCharacters: ProfileRules.maximumNameLength)
    let email = ProfileRules.email(reader, reader.string("email", maxCharacters: 320, required: false))
    let phone = ProfileRules.phone(reader, reader.string("phone", maxCharacters: 32, required: false))
    let identity = ProfileRules.identity(reader, reader.string("identity", maxCharacters: 255, required: false))
    country = ProfileRules.country(reader, reader.string("country", maxCharacters: 2, required: false))
    language = reader.oneOf("language", ProfileRules.languages, required: false)
    origin = ProfileOrigin(reading: reader)
    try reader.finish()
    self.fullName = Personal(fullName ?? "")
    self.email = email.map(Personal.init)
    self.phone = phone.map(Personal.init)
    self.identity = identity.map(Personal.init)
  }

  /// A draft from values that the program makes itself, for example synthetic people. The same rules apply.
  public init(fullName: String, email: String?, phone: String?, identity: String?, country: String?, language: String?)
    throws(FieldErrors)
  {
    let members: [(String, String?)] = [
      ("full_name", fullName), ("email", email), ("phone", phone), ("identity", identity), ("country", country),
      ("language", language),
    ]
    let object = JSONValue.object(members.compactMap { name, value in value.map { JSONMember(name, .string($0)) } })
    try self.init(reading: ObjectReader(object))
  }
}

/// Changes to a profile: absent members stay, null clears.
public struct ProfilePatch: Sendable {
  /// A new name; can't be cleared.
  public let fullName: Personal<String>?
  /// A new address, or none.
  public let email: FieldPatch<Personal<String>>
  /// A new number, or none.
  public let phone: FieldPatch<Personal<String>>
  /// A new identity, or none.
  public let identity: FieldPatch<Personal<String>>
  /// A new country, or none.
  public let country: FieldPatch<String>
  /// A new language, or none.
  public let language: FieldPatch<String>

  /// Reads a patch (RFC 7396 for these members) and collects every fault with its pointer.
  public init(reading reader: ObjectReader) throws(FieldErrors) {
    let fullName = reader.string("full_name", maxCharacters: ProfileRules.maximumNameLength, required: false)
    let email = reader.nullableString("email", maxCharacters: 320).checked { ProfileRules.email(reader, $0) }
    let phone = reader.nullableString("phone", maxCharacters: 32).checked { ProfileRules.phone(reader, $0) }
    let identity = reader.nullableString("identity", maxCharacters: 255)
      .checked { ProfileRules.identity(reader, $0) }
    country = reader.nullableString("country", maxCharacters: 2).checked { ProfileRules.country(reader, $0) }
    language = reader.nullableString("language", maxCharacters: 255).checked { code in
      if ProfileRules.languages.contains(code) { return code }
      reader.fault("language", "not_allowed")
      return nil
    }
    try reader.finish()
    self.fullName = fullName.map(Personal.init)
    self.email = email.checked(Personal.init)
    self.phone = phone.checked(Personal.init)
    self.identity = identity.checked(Personal.init)
  }
}

extension FieldPatch {
  /// The patch of a checked value; a value that fails its check is reported elsewhere and left out here.
  fileprivate func checked<Result>(_ check: (Value) -> Result?) -> FieldPatch<Result> {
    switch self {
    case .absent: .absent
    case .cleared: .cleared
    case .value(let value): check(value).map { .value($0) } ?? .absent
    }
  }
}
