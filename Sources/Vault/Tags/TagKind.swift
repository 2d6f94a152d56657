/// What kind of value a lookup tag stands for. Equal values of two kinds have different tags.
public struct TagKind: RawRepresentable, Sendable, Hashable {
  /// The kind's name as it enters the tag: 1 to 64 characters of a–z, 0–9 and "_".
  public let rawValue: String

  /// Nil unless the name has that form.
  public init?(rawValue: String) {
    let allowed = rawValue.utf8.allSatisfy { byte in
      (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
        || byte == UInt8(ascii: "_")
    }
    guard allowed, (1...64).contains(rawValue.utf8.count) else { return nil }
    self.rawValue = rawValue
  }

  private init(_ name: StaticString) { rawValue = name.description }

  /// An email address, normalised by ``Normalisation/email(_:)``.
  public static let email = TagKind("email")
  /// A telephone number, normalised by ``Normalisation/phone(_:)``.
  public static let phone = TagKind("phone")
  /// An identity that another system vouches for: issuer and subject of a token.
  public static let identity = TagKind("identity")
  /// Someone who acts on data, as the audit log names them.
  public static let actor = TagKind("actor")
  /// A key under which a caller repeats a request.
  public static let idempotency = TagKind("idempotency")
}
