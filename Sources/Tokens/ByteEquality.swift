import Signing
import StrictJSON

extension String {
  /// Equality of UTF-8 bytes.
  ///
  /// `==` on `String` compares after canonical normalisation, so that the Kelvin sign equals the letter K;
  /// names and claims must not match that way.
  func hasSameBytes(as other: String) -> Bool {
    utf8.elementsEqual(other.utf8)
  }

  /// Whether every byte is printable ASCII and their count lies within `lengths`.
  func isPrintableASCII(_ lengths: ClosedRange<Int>) -> Bool {
    lengths.contains(utf8.count) && utf8.allSatisfy { (0x20...0x7E).contains($0) }
  }
}

extension JSONValue {
  /// The member whose name has exactly these bytes; `nil` when there is none, or when this is no object.
  func member(_ name: String) -> JSONValue? {
    guard case .object(let members) = self else { return nil }
    return members.first { $0.name.hasSameBytes(as: name) }?.value
  }

  /// Whether any of these names is a member, whatever its value.
  func hasMember(among names: [String]) -> Bool {
    names.contains { member($0) != nil }
  }

  /// The text of a string value.
  var text: String? {
    if case .string(let text) = self { text } else { nil }
  }

  /// The whole number of an integer value; `1.0` is none.
  var wholeNumber: Int64? {
    if case .integer(let number) = self { number } else { nil }
  }

  /// Whether this is an object.
  var isObject: Bool {
    if case .object = self { true } else { false }
  }
}
