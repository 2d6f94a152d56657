public import Foundation

/// A Swift value that a column can become.
///
/// A wrapper type conforms by forwarding to the value it wraps; `nil` means that the column doesn't fit.
public protocol PostgresDecodable {
  /// Reads the column, or nil when its type or bytes don't fit.
  init?(postgres cell: Cell)
}

/// A value that can be an element of a one-dimensional array column.
public protocol PostgresArrayDecodable: PostgresDecodable {
  /// The elements of an array column, or nil when it isn't such an array or holds a NULL.
  static func postgresArray(_ cell: Cell) -> [Self]?
}

extension PostgresArrayDecodable {
  /// Reads the format of `array_send`: at most one dimension, no NULLs.
  public static func postgresArray(_ cell: Cell) -> [Self]? {
    guard var rest = cell.bytes, let dimensions = rest.takeUInt32(), rest.takeUInt32() != nil,
      let element = rest.takeUInt32()
    else { return nil }
    if dimensions == 0 { return [] }
    guard dimensions == 1, let count = rest.takeUInt32(), rest.takeUInt32() != nil else { return nil }
    var values: [Self] = []
    for _ in 0..<count {
      guard let length = rest.takeUInt32(), length <= rest.count,
        let value = Self(postgres: Cell(type: element, bytes: rest.prefix(Int(length))))
      else { return nil }
      values.append(value)
      rest = rest.dropFirst(Int(length))
    }
    return rest.isEmpty ? values : nil
  }
}

extension UUID: PostgresArrayDecodable {
  /// From uuid.
  public init?(postgres cell: Cell) {
    guard cell.type == TypeID.uuid, let bytes = cell.bytes, bytes.count == 16 else { return nil }
    let b = Array(bytes)
    self.init(
      uuid: (
        b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]
      ))
  }
}

extension String: PostgresArrayDecodable {
  /// From text, varchar, char, name, json, jsonb or xml.
  public init?(postgres cell: Cell) {
    guard var bytes = cell.bytes else { return nil }
    switch cell.type {
    case TypeID.text, TypeID.varchar, TypeID.bpchar, TypeID.name, TypeID.json, TypeID.xml, TypeID.char,
      TypeID.unknown:
      break
    case TypeID.jsonb:
      // jsonb_send writes a version byte, 1, before the text.
      guard bytes.popFirst() == 1 else { return nil }
    default: return nil
    }
    self.init(validating: bytes, as: UTF8.self)
  }
}

extension Int64: PostgresArrayDecodable {
  /// From int8, int4, int2 or oid.
  public init?(postgres cell: Cell) {
    guard let bytes = cell.bytes else { return nil }
    switch cell.type {
    case TypeID.int8: self.init(bigEndianBytes: bytes)
    case TypeID.int4: guard let value = Int32(bigEndianBytes: bytes) else { return nil }; self.init(value)
    case TypeID.int2: guard let value = Int16(bigEndianBytes: bytes) else { return nil }; self.init(value)
    case TypeID.oid: guard let value = UInt32(bigEndianBytes: bytes) else { return nil }; self.init(value)
    default: return nil
    }
  }
}

extension Int: PostgresArrayDecodable {
  /// From int8, int4, int2 or oid.
  public init?(postgres cell: Cell) {
    guard let value = Int64(postgres: cell) else { return nil }
    self.init(value)
  }
}

extension Int32: PostgresArrayDecodable {
  /// From int4 or int2.
  public init?(postgres cell: Cell) {
    guard cell.type == TypeID.int4 || cell.type == TypeID.int2, let value = Int64(postgres: cell) else { return nil }
    self.init(value)
  }
}

extension Double: PostgresDecodable {
  /// From float8.
  public init?(postgres cell: Cell) {
    guard cell.type == TypeID.float8, let bytes = cell.bytes, let bits = UInt64(bigEndianBytes: bytes) else {
      return nil
    }
    self.init(bitPattern: bits)
  }
}

extension Bool: PostgresDecodable {
  /// From boolean.
  public init?(postgres cell: Cell) {
    guard cell.type == TypeID.bool, let byte = cell.bytes?.first else { return nil }
    self = byte != 0
  }
}

/// `UInt8` itself is no column type; this conformance only makes `[UInt8]` the reading of a bytea.
extension UInt8: PostgresArrayDecodable {
  /// Never: a byte is no column.
  public init?(postgres cell: Cell) { nil }

  /// From bytea.
  public static func postgresArray(_ cell: Cell) -> [UInt8]? {
    guard cell.type == TypeID.bytea, let bytes = cell.bytes else { return nil }
    return Array(bytes)
  }
}

extension Array: PostgresDecodable where Element: PostgresArrayDecodable {
  /// From bytea for bytes, otherwise from an array.
  public init?(postgres cell: Cell) {
    guard let values = Element.postgresArray(cell) else { return nil }
    self = values
  }
}

extension Array: PostgresArrayDecodable where Element == UInt8 {}

extension Optional: PostgresDecodable where Wrapped: PostgresDecodable {
  /// NULL is nil; a value must fit the wrapped type.
  public init?(postgres cell: Cell) {
    if cell.isNull {
      self = .none
      return
    }
    guard let value = Wrapped(postgres: cell) else { return nil }
    self = value
  }
}

extension ArraySlice<UInt8> {
  fileprivate mutating func takeUInt32() -> UInt32? {
    guard let value = UInt32(bigEndianBytes: prefix(4)) else { return nil }
    self = dropFirst(4)
    return value
  }
}
