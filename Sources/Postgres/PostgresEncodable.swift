public import Foundation

/// A Swift value that can be a bind, in PostgreSQL's binary format.
///
/// Conformances cover the types `SQL` lists; a wrapper type (a tenant's id, say) can conform by forwarding both members
/// to the value it wraps.
public protocol PostgresEncodable: Sendable {
  /// The type's object identifier, as in `pg_type.oid`.
  static var postgresType: UInt32 { get }
  /// The value in that type's binary format (what its `…send` function writes).
  var postgresBytes: [UInt8] { get }
}

/// A value that can be an element of a one-dimensional array bind.
public protocol PostgresArrayElement: PostgresEncodable {
  /// Object identifier of the array type over `postgresType`.
  static var postgresArrayType: UInt32 { get }
  /// Many of them in the array type's binary format. The default is that of `array_send`.
  static func postgresArrayBytes(_ elements: [Self]) -> [UInt8]
}

extension PostgresArrayElement {
  /// Dimensions, a flag for NULLs, the element type, then for the one dimension its length and lower bound, then every
  /// element behind its length.
  public static func postgresArrayBytes(_ elements: [Self]) -> [UInt8] {
    var out: [UInt8] = []
    out.append(bigEndian: UInt32(elements.isEmpty ? 0 : 1))
    out.append(bigEndian: UInt32(0))
    out.append(bigEndian: postgresType)
    guard !elements.isEmpty else { return out }
    out.append(bigEndian: UInt32(elements.count))
    out.append(bigEndian: UInt32(1))
    for element in elements {
      let bytes = element.postgresBytes
      out.append(bigEndian: UInt32(bytes.count))
      out += bytes
    }
    return out
  }
}

/// Object identifiers of the built-in types used here; fixed in PostgreSQL's catalogue (pg_type.dat).
enum TypeID {
  static let bool: UInt32 = 16
  static let bytea: UInt32 = 17
  static let char: UInt32 = 18
  static let name: UInt32 = 19
  static let int8: UInt32 = 20
  static let int2: UInt32 = 21
  static let int4: UInt32 = 23
  static let text: UInt32 = 25
  static let oid: UInt32 = 26
  static let json: UInt32 = 114
  static let xml: UInt32 = 142
  static let float8: UInt32 = 701
  static let unknown: UInt32 = 705
  static let byteaArray: UInt32 = 1001
  static let textArray: UInt32 = 1009
  static let int8Array: UInt32 = 1016
  static let bpchar: UInt32 = 1042
  static let varchar: UInt32 = 1043
  static let uuid: UInt32 = 2950
  static let uuidArray: UInt32 = 2951
  static let jsonb: UInt32 = 3802
}

extension UUID: PostgresArrayElement {
  /// uuid
  public static var postgresType: UInt32 { TypeID.uuid }
  /// uuid[]
  public static var postgresArrayType: UInt32 { TypeID.uuidArray }
  /// The sixteen bytes in network order.
  public var postgresBytes: [UInt8] {
    let u = uuid
    return [
      u.0, u.1, u.2, u.3, u.4, u.5, u.6, u.7, u.8, u.9, u.10, u.11, u.12, u.13, u.14, u.15,
    ]
  }
}

extension String: PostgresArrayElement {
  /// text
  public static var postgresType: UInt32 { TypeID.text }
  /// text[]
  public static var postgresArrayType: UInt32 { TypeID.textArray }
  /// UTF-8 without terminator; the server refuses a zero byte (22021) instead of cutting the string there.
  public var postgresBytes: [UInt8] { Array(utf8) }
}

extension Int64: PostgresArrayElement {
  /// int8
  public static var postgresType: UInt32 { TypeID.int8 }
  /// int8[]
  public static var postgresArrayType: UInt32 { TypeID.int8Array }
  /// Eight bytes, most significant first.
  public var postgresBytes: [UInt8] { UInt64(bitPattern: self).bigEndianBytes }
}

extension Int: PostgresArrayElement {
  /// int8
  public static var postgresType: UInt32 { TypeID.int8 }
  /// int8[]
  public static var postgresArrayType: UInt32 { TypeID.int8Array }
  /// Eight bytes, most significant first.
  public var postgresBytes: [UInt8] { Int64(self).postgresBytes }
}

extension Int32: PostgresEncodable {
  /// int4
  public static var postgresType: UInt32 { TypeID.int4 }
  /// Four bytes, most significant first.
  public var postgresBytes: [UInt8] { UInt32(bitPattern: self).bigEndianBytes }
}

extension Double: PostgresEncodable {
  /// float8
  public static var postgresType: UInt32 { TypeID.float8 }
  /// IEEE 754 binary64, most significant byte first.
  public var postgresBytes: [UInt8] { bitPattern.bigEndianBytes }
}

extension Bool: PostgresEncodable {
  /// boolean
  public static var postgresType: UInt32 { TypeID.bool }
  /// One byte, 0 or 1.
  public var postgresBytes: [UInt8] { [self ? 1 : 0] }
}

/// `UInt8` itself is no column type; this conformance only lets `[UInt8]` be a bytea and `[[UInt8]]` a bytea[].
extension UInt8: PostgresArrayElement {
  /// Bytes travel together, as one bytea.
  public static var postgresType: UInt32 { TypeID.bytea }
  /// A run of bytes is a bytea, not an array.
  public static var postgresArrayType: UInt32 { TypeID.bytea }
  /// The byte alone.
  public var postgresBytes: [UInt8] { [self] }
  /// The bytes as they are.
  public static func postgresArrayBytes(_ elements: [UInt8]) -> [UInt8] { elements }
}

extension Array: PostgresEncodable where Element: PostgresArrayElement {
  /// bytea for bytes, otherwise the array type over the element's type.
  public static var postgresType: UInt32 { Element.postgresArrayType }

  /// The bytes as they are, or the array in the format of `array_send`.
  public var postgresBytes: [UInt8] { Element.postgresArrayBytes(self) }
}

extension Array: PostgresArrayElement where Element == UInt8 {
  /// bytea[]
  public static var postgresArrayType: UInt32 { TypeID.byteaArray }
}

extension [UInt8] {
  /// Adds an integer's bytes, most significant first.
  mutating func append(bigEndian value: some FixedWidthInteger) {
    for shift in stride(from: value.bitWidth - 8, through: 0, by: -8) {
      append(UInt8(truncatingIfNeeded: value >> shift))
    }
  }
}

extension FixedWidthInteger {
  var bigEndianBytes: [UInt8] {
    var bytes: [UInt8] = []
    bytes.append(bigEndian: self)
    return bytes
  }

  /// The integer in `bytes`, most significant first; nil when the count isn't this type's width.
  init?(bigEndianBytes bytes: some Collection<UInt8>) {
    guard bytes.count == Self.bitWidth / 8 else { return nil }
    self = bytes.reduce(0) { ($0 << 8) | Self(truncatingIfNeeded: $1) }
  }
}
