/// A JSON value (RFC 8259) as it was written: the order of members is kept, integers and fractions are told apart.
///
/// Strings are equal when their bytes are. Swift's `==` on `String` also equates different spellings of an accented
/// letter, which would make two signed documents one.
public enum JSONValue: Sendable {
  /// `null`.
  case null
  /// `true` or `false`.
  case bool(Bool)
  /// A number written without fraction and exponent.
  case integer(Int64)
  /// Any other number, also `1.0` and `1e3`.
  case number(Double)
  /// Text.
  case string(String)
  /// Elements in order.
  case array([JSONValue])
  /// Members in the order they were written in.
  case object([JSONMember])
}

/// One name and its value in an object.
public struct JSONMember: Sendable {
  /// The name, compared by its bytes.
  public var name: String
  /// What stands after the colon.
  public var value: JSONValue

  /// A member to put into an object.
  public init(_ name: String, _ value: JSONValue) {
    self.name = name
    self.value = value
  }
}

extension JSONValue {
  /// The member of that name, to the byte; nil when there is none or the value is no object.
  public subscript(_ name: String) -> JSONValue? {
    guard case .object(let members) = self else { return nil }
    return members.first { $0.name.utf8.elementsEqual(name.utf8) }?.value
  }

  /// The text, of a string only.
  public var string: String? {
    guard case .string(let value) = self else { return nil }
    return value
  }

  /// The number, of an integer only: `1.0` is none.
  public var integer: Int64? {
    guard case .integer(let value) = self else { return nil }
    return value
  }

  /// The truth value, of `true` and `false` only.
  public var bool: Bool? {
    guard case .bool(let value) = self else { return nil }
    return value
  }

  /// The elements, of an array only.
  public var array: [JSONValue]? {
    guard case .array(let value) = self else { return nil }
    return value
  }

  /// The members in order, of an object only.
  public var members: [JSONMember]? {
    guard case .object(let value) = self else { return nil }
    return value
  }

  /// Whether this is `null`.
  public var isNull: Bool {
    guard case .null = self else { return false }
    return true
  }
}

extension JSONValue: Hashable {
  /// Equal kind and content; strings by their bytes, objects with their members in the same order.
  public static func == (a: JSONValue, b: JSONValue) -> Bool {
    switch (a, b) {
    case (.null, .null): true
    case (.bool(let a), .bool(let b)): a == b
    case (.integer(let a), .integer(let b)): a == b
    case (.number(let a), .number(let b)): a == b
    case (.string(let a), .string(let b)): a.utf8.elementsEqual(b.utf8)
    case (.array(let a), .array(let b)): a == b
    case (.object(let a), .object(let b)): a == b
    default: false
    }
  }

  /// Feeds kind and content; equal values have equal bytes, so the hash of a string is that of its own type.
  public func hash(into hasher: inout Hasher) {
    switch self {
    case .null: hasher.combine(0)
    case .bool(let value): hasher.combine(value)
    case .integer(let value): hasher.combine(value)
    case .number(let value): hasher.combine(value)
    case .string(let value): hasher.combine(value)
    case .array(let value): hasher.combine(value)
    case .object(let value): hasher.combine(value)
    }
  }
}

extension JSONMember: Hashable {
  /// Equal bytes of the name and equal values.
  public static func == (a: JSONMember, b: JSONMember) -> Bool {
    a.name.utf8.elementsEqual(b.name.utf8) && a.value == b.value
  }

  /// Feeds name and value.
  public func hash(into hasher: inout Hasher) {
    hasher.combine(name)
    hasher.combine(value)
  }
}
