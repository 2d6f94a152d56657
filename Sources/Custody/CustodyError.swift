import Vault

/// Why a unit of work did not happen. Never carries a value.
public struct CustodyError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The kinds of refusal.
  public enum Code: String, Sendable {
    /// There is no such row for this tenant.
    case notFound = "not_found"
    /// The subject's key has been destroyed, or is about to be.
    case erased
    /// A unique value is taken.
    case taken
    /// Late data: the value belongs to somebody who was erased, and was collected before that, or nobody knows when.
    case suppressed
    /// The row changed since it was read.
    case stale
    /// A lease was lost to another attempt at the same work.
    case fenced
    /// A row has no key in the vault: a finding, never ignored.
    case keyMissing = "key_missing"
    /// An envelope does not open under the subject's key.
    case unreadable
    /// A database, the vault or the log can't be reached, or a commit's outcome is unknown. Nothing was released; a
    /// write is repeated with the same Idempotency-Key, which makes it happen once whatever became of the first.
    case unavailable
    /// The tenant of the token is not known here.
    case unknownTenant = "unknown_tenant"
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
  public var description: String { field.map { "custody: \(code.rawValue) (\($0))" } ?? "custody: \(code.rawValue)" }
}

extension VaultError {
  /// Whether it is about the keyring's file, which an operator can put right, and not about a sealed value.
  var isOfKeyring: Bool { path != nil || code.rawValue.hasPrefix("keyring") || code.rawValue.hasPrefix("passphrase") }
}
