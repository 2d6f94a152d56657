/// One row of a result. Its bytes are copied out of libpq's memory, so it may outlive its connection and transaction.
///
/// ```swift
/// let id = try row.decode("id", as: UUID.self)
/// let name: String? = try row.decode("display_name")
/// ```
public struct Row: Sendable {
  let result: RowStorage
  let index: Int

  /// Names of the columns, in the order of the statement.
  public var columns: [String] { result.names }

  /// The value of a column, by name.
  ///
  /// - Throws: `.decoding` when there is no such column, it is NULL and `Value` isn't optional, or of another
  ///   type.
  public func decode<Value: PostgresDecodable>(
    _ column: String, as type: Value.Type = Value.self
  ) throws(PostgresError) -> Value {
    guard let position = result.positions[column] else {
      throw PostgresError(.decoding, column: column, message: "no such column")
    }
    return try decode(position, as: type)
  }

  /// The value of a column, by position from 0.
  ///
  /// - Throws: `.decoding` as for a name.
  public func decode<Value: PostgresDecodable>(
    _ position: Int, as type: Value.Type = Value.self
  ) throws(PostgresError) -> Value {
    guard result.names.indices.contains(position) else {
      throw PostgresError(.decoding, column: "\(position)", message: "no such column")
    }
    let cell = Cell(type: result.types[position], bytes: result.bytes(row: index, column: position))
    guard let value = Value(postgres: cell) else {
      throw PostgresError(
        .decoding, column: result.names[position],
        message: cell.isNull ? "NULL" : "type \(cell.type) is not \(Value.self)")
    }
    return value
  }
}

extension Row: CustomStringConvertible, CustomReflectable {
  /// Column names only.
  public var description: String { "Row(\(columns.joined(separator: ", ")))" }
  /// Column names only, so that `dump` and failed expectations show no value.
  public var customMirror: Mirror { Mirror(self, children: ["columns": columns]) }
}

/// One column of one row as the server sent it: the type's object identifier and the binary value.
public struct Cell: Sendable {
  /// The column's type (`pg_type.oid`).
  public let type: UInt32
  let bytes: ArraySlice<UInt8>?

  /// Whether the column is NULL.
  public var isNull: Bool { bytes == nil }
}

/// All rows of one result, in one buffer.
final class RowStorage: Sendable {
  let names: [String]
  let types: [UInt32]
  let positions: [String: Int]
  private let buffer: [UInt8]
  /// For each cell, row by row, where it starts and ends in `buffer`; −1 for NULL.
  private let bounds: [(start: Int, end: Int)]

  init(names: [String], types: [UInt32], buffer: [UInt8], bounds: [(start: Int, end: Int)]) {
    self.names = names
    self.types = types
    self.buffer = buffer
    self.bounds = bounds
    positions = Dictionary(names.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
  }

  var rowCount: Int { names.isEmpty ? 0 : bounds.count / names.count }

  func bytes(row: Int, column: Int) -> ArraySlice<UInt8>? {
    let cell = bounds[row * names.count + column]
    return cell.start < 0 ? nil : buffer[cell.start..<cell.end]
  }
}
