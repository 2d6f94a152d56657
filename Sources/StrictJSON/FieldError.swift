/// One fault in a document that was read field by field.
public struct FieldError: Sendable, Hashable {
  /// Where: a JSON pointer (RFC 6901) from the root of the document. A name in it may be the sender's own words.
  public let pointer: String
  /// What: `required`, `unknown`, `type`, `too_long`, `too_short`, `format`, `not_allowed`, `range` or `duplicate`,
  /// or a code of the caller's.
  public let code: String

  /// A fault found by a rule outside ``ObjectReader``.
  public init(pointer: String, code: String) {
    self.pointer = pointer
    self.code = code
  }
}

/// Every fault of a document, in the order they were found.
public struct FieldErrors: Error, Sendable, Hashable, CustomStringConvertible {
  /// At least one.
  public let errors: [FieldError]

  /// Faults to answer with together.
  public init(errors: [FieldError]) {
    self.errors = errors
  }

  /// How many, and nothing else: a pointer may hold a name that the sender made up.
  public var description: String { errors.count == 1 ? "1 field is wrong" : "\(errors.count) fields are wrong" }
}

/// What a change says about one field (RFC 7396: null removes).
public enum FieldPatch<Value: Sendable>: Sendable {
  /// The field isn't there: leave it as it is.
  case absent
  /// The field is `null`: remove its value.
  case cleared
  /// The field's new value.
  case value(Value)
}

extension FieldPatch: Equatable where Value: Equatable {}
