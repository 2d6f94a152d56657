/// One permission that an access token carries (RFC 6749 §3.3).
///
/// Comparison is by bytes: the syntax admits ASCII only, where Swift's `==` on strings and bytes agree.
public struct Scope: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
  /// The scope as it stands in the `scope` claim, such as `profiles:read`.
  public let rawValue: String

  /// Takes a name of 1–64 bytes made of visible ASCII without `"` and `\`; `nil` otherwise.
  public init?(rawValue: String) {
    guard (1...64).contains(rawValue.utf8.count) else { return nil }
    guard rawValue.utf8.allSatisfy({ (0x21...0x7E).contains($0) && $0 != 0x22 && $0 != 0x5C }) else { return nil }
    self.rawValue = rawValue
  }

  private init(known: String) { rawValue = known }

  /// Read profiles and customers.
  public static let profilesRead = Scope(known: "profiles:read")
  /// Create and change profiles and customers.
  public static let profilesWrite = Scope(known: "profiles:write")
  /// Look at the requests of data subjects.
  public static let requestsRead = Scope(known: "requests:read")
  /// Open, verify and execute the requests of data subjects.
  public static let requestsManage = Scope(known: "requests:manage")
  /// Approve what somebody else has prepared.
  public static let requestsApprove = Scope(known: "requests:approve")
  /// Read the audit log.
  public static let auditRead = Scope(known: "audit:read")

  /// Every scope that this service asks for, in the order of the documentation.
  public static let all: [Scope] = [
    .profilesRead, .profilesWrite, .requestsRead, .requestsManage, .requestsApprove, .auditRead,
  ]

  /// The scope's name; it is no secret and names no person.
  public var description: String { rawValue }

  /// Reads a `scope` claim: names separated by single spaces; an empty text is an empty set; `nil` when malformed.
  static func parse(_ claim: String) -> Set<Scope>? {
    if claim.utf8.isEmpty { return [] }
    var scopes: Set<Scope> = []
    for name in claim.split(separator: " ", omittingEmptySubsequences: false) {
      guard let scope = Scope(rawValue: String(name)) else { return nil }
      scopes.insert(scope)
    }
    return scopes
  }

  /// Writes a `scope` claim, sorted, so that equal sets give equal text.
  static func claim(_ scopes: Set<Scope>) -> String {
    scopes.map(\.rawValue).sorted().joined(separator: " ")
  }
}
