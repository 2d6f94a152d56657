/// A person who does not exist, for demonstrations, tests and benchmarks.
public struct SamplePerson: Sendable, Hashable {
  /// The name as its bearer writes it: in any script, with diacritics, one to eight words.
  public var fullName: String

  /// An address under `example.com`, `example.org` or `example.net`, which RFC 2606 sets aside: mail to it reaches
  /// nobody. Lower-case ASCII, made from the transliterated name and the person's number.
  public var email: String

  /// A telephone number in the form of E.164, `+` and digits, that rings nobody: see ``SamplePeople``.
  public var phone: String

  /// The country of residence, as two letters of ISO 3166-1: one of ``SamplePeople/countries``.
  public var country: String

  /// The language to write to the person in, as two letters of ISO 639-1: one of ``SamplePeople/languages``.
  public var language: String

  /// A person with exactly these values; nothing is checked.
  public init(fullName: String, email: String, phone: String, country: String, language: String) {
    self.fullName = fullName
    self.email = email
    self.phone = phone
    self.country = country
    self.language = language
  }
}
