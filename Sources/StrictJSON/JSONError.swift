/// Why bytes are not JSON that is accepted here, or a value has no canonical form.
///
/// Neither the code nor the description holds anything of the document.
public struct JSONError: Error, Sendable, Hashable, CustomStringConvertible {
  /// The rule that was broken.
  public enum Code: String, Sendable, Hashable, CaseIterable {
    /// More bytes than the limit.
    case tooLarge
    /// Arrays and objects nested deeper than the limit.
    case tooDeep
    /// More members and elements than the limit.
    case tooManyMembers
    /// Not UTF-8, or an escape that is no Unicode scalar (a lone surrogate).
    case notUTF8
    /// Not one JSON value of RFC 8259: a byte-order mark, anything after the value, comments, U+0000 in a string, …
    case syntax
    /// An object has one name twice, perhaps in two spellings.
    case duplicateName
    /// Negative zero, an integer beyond 64 bits, a fraction beyond a double.
    case number
    /// A value that RFC 8785 and our integers can't both express: a fraction, an integer beyond ±(2⁵³ − 1).
    case notCanonical
  }

  /// The rule that was broken.
  public let code: Code
  /// Where, in bytes from the start; nil when the fault is the document's as a whole or not a document's at all.
  public let offset: Int?

  init(_ code: Code, at offset: Int? = nil) {
    self.code = code
    self.offset = offset
  }

  /// One sentence, without anything of the document.
  public var description: String {
    let sentence =
      switch code {
      case .tooLarge: "the JSON document is too large"
      case .tooDeep: "the JSON document is nested too deeply"
      case .tooManyMembers: "the JSON document has too many members"
      case .notUTF8: "the JSON document is not UTF-8"
      case .syntax: "the document is not JSON"
      case .duplicateName: "an object of the JSON document has a name twice"
      case .number: "the JSON document has a number that can't be kept exactly"
      case .notCanonical: "the JSON value has no canonical form"
      }
    return offset.map { "\(sentence) (at byte \($0))" } ?? sentence
  }
}
