/// A statement and its binds, written as a string whose interpolations become `$1`, `$2`, …
///
/// ```swift
/// let statement: SQL = "SELECT id FROM profiles WHERE tenant_id = \(tenant) AND tag = \(tag)"
/// // SELECT id FROM profiles WHERE tenant_id = $1 AND tag = $2
/// ```
///
/// Values travel in binary beside the text, never in it. Each bind has a fixed type: `UUID` uuid, `String` text, `Int`
/// and `Int64` int8, `Int32` int4, `Double` float8, `Bool` boolean, `[UInt8]` bytea, and arrays of `UUID`, `String`,
/// `Int64` and `[UInt8]`. Another column type needs a cast in the text: `\(json)::jsonb`. `nil` is NULL of that type.
/// Names can't be binds; `\(unsafe: name)` pastes raw text and says so.
public struct SQL: Sendable, ExpressibleByStringInterpolation {
  /// The statement with `$n` in the place of each interpolated value.
  public let text: String
  let binds: [Bind]
  private let pieces: [String]

  /// A statement without binds.
  public init(stringLiteral value: String) {
    text = value
    binds = []
    pieces = [value]
  }

  /// A statement with one bind for each interpolated value.
  public init(stringInterpolation interpolation: StringInterpolation) {
    pieces = interpolation.pieces
    binds = interpolation.binds
    text = SQL.numbered(interpolation.pieces)
  }

  /// Joins fragments, binds included, with `separator` between them. Useful for lists built at run time:
  /// `"INSERT INTO t VALUES \(SQL.joined(rows, separator: ", "))"`.
  public static func joined(_ fragments: [SQL], separator: SQL) -> SQL {
    var all = StringInterpolation(literalCapacity: 0, interpolationCount: 0)
    for (index, fragment) in fragments.enumerated() {
      if index > 0 { all.appendInterpolation(separator) }
      all.appendInterpolation(fragment)
    }
    return SQL(stringInterpolation: all)
  }

  private static func numbered(_ pieces: [String]) -> String {
    var text = pieces.first ?? ""
    for (index, piece) in pieces.dropFirst().enumerated() {
      text += "$\(index + 1)"
      text += piece
    }
    return text
  }

  /// Collects the pieces of text and the binds between them.
  public struct StringInterpolation: StringInterpolationProtocol, Sendable {
    /// Text around the binds: always one piece more than there are binds.
    fileprivate var pieces: [String] = [""]
    fileprivate var binds: [Bind] = []

    /// Room for the pieces the compiler counted.
    public init(literalCapacity: Int, interpolationCount: Int) {
      pieces.reserveCapacity(interpolationCount + 1)
      binds.reserveCapacity(interpolationCount)
    }

    /// Text of the statement as written in the source.
    public mutating func appendLiteral(_ literal: String) {
      pieces[pieces.count - 1] += literal
    }

    /// A value as the next bind.
    public mutating func appendInterpolation<Value: PostgresEncodable>(_ value: Value) {
      append(Bind(type: Value.postgresType, bytes: value.postgresBytes))
    }

    /// A value as the next bind, or NULL of the value's type.
    public mutating func appendInterpolation<Value: PostgresEncodable>(_ value: Value?) {
      append(Bind(type: Value.postgresType, bytes: value?.postgresBytes))
    }

    /// Another statement, its binds renumbered behind those already here.
    public mutating func appendInterpolation(_ fragment: SQL) {
      pieces[pieces.count - 1] += fragment.pieces[0]
      pieces.append(contentsOf: fragment.pieces.dropFirst())
      binds.append(contentsOf: fragment.binds)
    }

    /// Raw text, for names and keywords the program itself chose. Never for anything that came from outside.
    public mutating func appendInterpolation(unsafe text: String) {
      pieces[pieces.count - 1] += text
    }

    private mutating func append(_ bind: Bind) {
      binds.append(bind)
      pieces.append("")
    }
  }
}

extension SQL: CustomStringConvertible {
  /// The statement's text; binds are counted, not shown.
  public var description: String { "\(text) [\(binds.count) binds]" }
}

/// A bind: the type's object identifier (pg_type.oid) and the value in PostgreSQL's binary format, or NULL.
struct Bind: Sendable {
  let type: UInt32
  let bytes: [UInt8]?
}
