public import FoundationEssentials

/// Reads one object with a declared set of fields and collects every fault, so that a sender learns all at once.
///
/// Ask for each field there may be, then call ``finish()``, and use what was read only if it doesn't throw: a nil
/// means "absent" or "faulty", and only `finish` tells which. Members that nobody asked for are faults as well.
///
/// ```swift
/// let reader = ObjectReader(document)
/// let name = reader.string("name", maxCharacters: 100)
/// let note = reader.nullableString("note", maxCharacters: 500)
/// try reader.finish()
/// ```
///
/// A field that is `null` has the wrong type, except where ``nullableString(_:maxCharacters:multiline:)`` reads it.
public final class ObjectReader {
  private let members: [JSONMember]?
  private let pointer: String
  private let faults: Faults
  private var known: Set<[UInt8]> = []
  private var children: [ObjectReader] = []

  /// A reader of the document's root, or of a value at `pointer` in it. A value that is no object is one fault,
  /// `type`; asking for its fields adds none.
  public convenience init(_ value: JSONValue, pointer: String = "") {
    self.init(value, pointer: pointer, faults: Faults())
  }

  private init(_ value: JSONValue, pointer: String, faults: Faults) {
    members = value.members
    self.pointer = pointer
    self.faults = faults
    if members == nil { faults.errors.append(FieldError(pointer: pointer, code: "type")) }
  }

  /// Text as it was written, with neither surrounding space removed nor Unicode normalised.
  ///
  /// Faults: `required`, `type`; `too_short` for nothing but white space; `too_long`; `format` for control
  /// characters and line separators.
  /// - Parameters:
  ///   - maxCharacters: counted in Unicode scalars, as PostgreSQL's `char_length` does.
  ///   - multiline: whether line feeds and tabs are allowed.
  public func string(
    _ name: String, maxCharacters: Int, required: Bool = true, multiline: Bool = false
  ) -> String? {
    guard let value = take(name, required: required) else { return nil }
    return text(value, at: name, maxCharacters: maxCharacters, multiline: multiline)
  }

  /// Text that a change may leave, remove with an explicit `null`, or set; a fault reads as `.absent`.
  ///
  /// Faults: those of ``string(_:maxCharacters:required:multiline:)`` but `required`.
  public func nullableString(
    _ name: String, maxCharacters: Int, multiline: Bool = false
  ) -> FieldPatch<String> {
    guard let value = take(name, required: false) else { return .absent }
    if value.isNull { return .cleared }
    return text(value, at: name, maxCharacters: maxCharacters, multiline: multiline).map { .value($0) } ?? .absent
  }

  /// A number written without fraction and exponent. Faults: `required`, `type`, `range`.
  public func integer(_ name: String, range: ClosedRange<Int64>, required: Bool = true) -> Int64? {
    guard let value = take(name, required: required) else { return nil }
    guard let integer = value.integer else { return refuse(name, "type") }
    return range.contains(integer) ? integer : refuse(name, "range")
  }

  /// `true` or `false`. Faults: `required`, `type`.
  public func bool(_ name: String, required: Bool = true) -> Bool? {
    guard let value = take(name, required: required) else { return nil }
    return value.bool ?? refuse(name, "type")
  }

  /// One of a few words, to the byte. Faults: `required`, `type`, `not_allowed`.
  public func oneOf(_ name: String, _ allowed: [String], required: Bool = true) -> String? {
    guard let value = take(name, required: required) else { return nil }
    guard let text = value.string else { return refuse(name, "type") }
    return allowed.contains { $0.utf8.elementsEqual(text.utf8) } ? text : refuse(name, "not_allowed")
  }

  /// A UUID of 36 characters (RFC 9562 §4), in lower or upper case, nothing around it. Faults: `required`, `type`,
  /// `format`.
  public func uuid(_ name: String, required: Bool = true) -> UUID? {
    guard let value = take(name, required: required) else { return nil }
    guard let text = value.string else { return refuse(name, "type") }
    return Self.uuid(text) ?? refuse(name, "format")
  }

  /// An array of different texts, each checked like a single one. Faults: `required`, `type`, `too_long` for more
  /// than `maxCount`, and for each element `type`, `not_allowed`, `duplicate` or those of a text.
  ///
  /// - Parameters:
  ///   - allowed: the words there are, or nil for any text.
  ///   - maxCharacters: of each element, in Unicode scalars.
  public func strings(
    _ name: String, allowed: [String]?, maxCount: Int, required: Bool, maxCharacters: Int = 200
  ) -> [String]? {
    guard let elements = elements(name, maxCount: maxCount, required: required) else { return nil }
    let faultsBefore = faults.errors.count
    var seen: Set<[UInt8]> = []
    var result: [String] = []
    for (index, element) in elements.enumerated() {
      let place = "\(Self.escaped(name))/\(index)"
      guard let text = text(element, atEscaped: place, maxCharacters: maxCharacters, multiline: false) else { continue }
      if let allowed, !allowed.contains(where: { $0.utf8.elementsEqual(text.utf8) }) {
        add(place, "not_allowed")
      } else if !seen.insert(Array(text.utf8)).inserted {
        add(place, "duplicate")
      } else {
        result.append(text)
      }
    }
    return faults.errors.count == faultsBefore ? result : nil
  }

  /// A reader of an object inside this one; its faults are this one's, and so is its `finish`. Faults: `required`,
  /// `type`.
  public func object(_ name: String, required: Bool = true) -> ObjectReader? {
    guard let value = take(name, required: required) else { return nil }
    return child(value, "\(pointer)/\(Self.escaped(name))")
  }

  /// Readers of an array's objects, as ``object(_:required:)``. Faults: `required`, `type`, `too_long`.
  public func objects(_ name: String, maxCount: Int, required: Bool = true) -> [ObjectReader]? {
    guard let elements = elements(name, maxCount: maxCount, required: required) else { return nil }
    return elements.enumerated().map { child($1, "\(pointer)/\(Self.escaped(name))/\($0)") }
  }

  /// A field of any kind, for the caller to check. Fault: `required`.
  public func value(_ name: String, required: Bool = true) -> JSONValue? {
    take(name, required: required)
  }

  /// Whether the object has the member, whatever its value. Doesn't count as asking for it.
  public func has(_ name: String) -> Bool {
    members?.contains { $0.name.utf8.elementsEqual(name.utf8) } ?? false
  }

  /// Adds a fault that the caller found in a field.
  public func fault(_ name: String, _ code: String) {
    add(Self.escaped(name), code)
  }

  /// Ends the reading of this object and those inside it. Call it once all fields were asked for.
  ///
  /// - Throws: all faults of the document, members nobody asked for (`unknown`) last.
  public func finish() throws(FieldErrors) {
    addUnknown()
    guard faults.errors.isEmpty else { throw FieldErrors(errors: faults.errors) }
  }

  /// Shared by a reader and the readers of the objects inside.
  private final class Faults {
    var errors: [FieldError] = []
  }

  private func take(_ name: String, required: Bool) -> JSONValue? {
    guard let members else { return nil }
    known.insert(Array(name.utf8))
    let member = members.first { $0.name.utf8.elementsEqual(name.utf8) }
    if member == nil, required { fault(name, "required") }
    return member?.value
  }

  private func elements(_ name: String, maxCount: Int, required: Bool) -> [JSONValue]? {
    guard let value = take(name, required: required) else { return nil }
    guard let elements = value.array else { return refuse(name, "type") }
    return elements.count <= maxCount ? elements : refuse(name, "too_long")
  }

  private func child(_ value: JSONValue, _ pointer: String) -> ObjectReader {
    let child = ObjectReader(value, pointer: pointer, faults: faults)
    children.append(child)
    return child
  }

  private func text(_ value: JSONValue, at name: String, maxCharacters: Int, multiline: Bool) -> String? {
    text(value, atEscaped: Self.escaped(name), maxCharacters: maxCharacters, multiline: multiline)
  }

  private func text(_ value: JSONValue, atEscaped place: String, maxCharacters: Int, multiline: Bool) -> String? {
    guard let text = value.string else {
      add(place, "type")
      return nil
    }
    let scalars = text.unicodeScalars
    if scalars.allSatisfy(\.properties.isWhitespace) {
      add(place, "too_short")
    } else if scalars.count > maxCharacters {
      add(place, "too_long")
    } else if scalars.contains(where: { Self.isControl($0) && !(multiline && ($0 == "\n" || $0 == "\t")) }) {
      add(place, "format")
    } else {
      return text
    }
    return nil
  }

  private func refuse<Value>(_ name: String, _ code: String) -> Value? {
    fault(name, code)
    return nil
  }

  private func add(_ place: String, _ code: String) {
    faults.errors.append(FieldError(pointer: "\(pointer)/\(place)", code: code))
  }

  private func addUnknown() {
    for member in members ?? [] where known.insert(Array(member.name.utf8)).inserted {
      fault(member.name, "unknown")
    }
    for child in children { child.addUnknown() }
  }

  private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .control, .lineSeparator, .paragraphSeparator: true
    default: false
    }
  }

  /// A name as a pointer's segment (RFC 6901 §3).
  private static func escaped(_ name: String) -> String {
    var result = ""
    for scalar in name.unicodeScalars {
      switch scalar {
      case "~": result += "~0"
      case "/": result += "~1"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }

  private static func uuid(_ text: String) -> UUID? {
    let bytes = Array(text.utf8)
    guard bytes.count == 36 else { return nil }
    for (index, byte) in bytes.enumerated() {
      if [8, 13, 18, 23].contains(index) {
        guard byte == UInt8(ascii: "-") else { return nil }
      } else {
        guard byte < 0x80, Character(Unicode.Scalar(byte)).isHexDigit else { return nil }
      }
    }
    return UUID(uuidString: text)
  }
}
