/// A personal value that can't print itself.
///
/// Interpolation, `print`, `String(describing:)`, `String(reflecting:)`, `dump` and mirrors of it, or of anything it is
/// stored in, show `‹personal›`. It is not `Codable`, so no encoder writes it by accident either. The value leaves
/// through ``disclosed()`` and nowhere else, which makes every place where it leaves easy to find.
///
/// It guards against accidents, not against code that means to read it, and doesn't wipe memory.
public struct Personal<Value: Sendable>: Sendable {
  private let value: Value

  /// Wraps a value as soon as it is known to be about a person.
  public init(_ value: Value) {
    self.value = value
  }

  /// The value itself. Call this only where it is meant to leave: when it is sealed, sent to the person or the one who
  /// was allowed to read it, or compared. Never on the way to a log, an error or a URL.
  public func disclosed() -> Value {
    value
  }

  /// A value made from this one, as personal as this one.
  public func map<New: Sendable, Failure: Error>(
    _ transform: (Value) throws(Failure) -> New
  ) throws(Failure) -> Personal<New> {
    Personal<New>(try transform(value))
  }
}

extension Personal: Equatable where Value: Equatable {}

extension Personal: Hashable where Value: Hashable {}

extension Personal: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  /// `‹personal›`.
  public var description: String { "‹personal›" }

  /// `‹personal›`.
  public var debugDescription: String { description }

  /// Without children: what reflects on it finds nothing.
  public var customMirror: Mirror { Mirror(self, children: []) }
}
