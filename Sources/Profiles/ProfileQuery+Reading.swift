import Redaction
public import StrictJSON

extension ProfileQuery {
  /// Reads a search: exactly one of `email` and `phone`.
  public init(reading reader: ObjectReader) throws(FieldErrors) {
    let email = ProfileRules.email(reader, reader.string("email", maxCharacters: 320, required: false))
    let phone = ProfileRules.phone(reader, reader.string("phone", maxCharacters: 32, required: false))
    if reader.isPresent("email") == reader.isPresent("phone") {
      reader.fault("email", reader.isPresent("email") ? "not_allowed" : "required")
    }
    try reader.finish()
    self = email.map { .email(Personal($0)) } ?? .phone(Personal(phone ?? ""))
  }
}
