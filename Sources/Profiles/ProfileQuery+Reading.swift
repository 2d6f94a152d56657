import Redaction
public import StrictJSON

extension ProfileQuery {
  /// Reads a search: exactly one of `email` and `phone`.
  public init(reading reader: ObjectReader) throws(FieldErrors) {
    let emailText = reader.string("email", maxCharacters: 320, required: false)
    let phoneText = reader.string("phone", maxCharacters: 32, required: false)
    if reader.has("email") == reader.has("phone") {
      reader.fault("email", reader.has("email") ? "not_allowed" : "required")
    }
    let email = ProfileRules.email(reader, emailText)
    let phone = ProfileRules.phone(reader, phoneText)
    try reader.finish()
    self = email.map { .email(Personal($0)) } ?? .phone(Personal(phone ?? ""))
  }
}
