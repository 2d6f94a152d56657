/// Why a hold was not placed or not opened. Never carries a value.
public struct HoldError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The kinds of refusal.
  public enum Code: String, Sendable {
    /// A hold without a field holds nothing.
    case noFields = "no_fields"
    /// The field is not sealed under its subject's own key; see ``Hold/holdable``.
    case notHoldable = "not_holdable"
    /// The basis is not 1 to 64 lower-case letters, digits and underscores.
    case malformedBasis = "malformed_basis"
    /// The hold would be over before it began.
    case past
    /// Nothing is sealed under the hold: its person isn't erased.
    case notSealed = "not_sealed"
    /// The hold is over: its key is destroyed.
    case released
  }

  /// What kind of refusal.
  public let code: Code
  /// The field that it is about, by name, where there is one.
  public let field: String?

  /// A refusal, of a field where that says more.
  public init(_ code: Code, field: String? = nil) {
    self.code = code
    self.field = field
  }

  /// The code and the field's name.
  public var description: String { field.map { "hold: \(code.rawValue) (\($0))" } ?? "hold: \(code.rawValue)" }
}
