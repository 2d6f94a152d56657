public import Custody
import Foundation
public import Hummingbird
import StrictJSON
public import Tokens

/// One authenticated and authorised request.
public struct Call: Sendable {
  /// The request's head.
  public let request: Request
  /// The parameters of the route.
  public let parameters: Parameters
  /// The body, whole.
  public let body: [UInt8]
  /// Who calls.
  public let principal: Principal
  /// On whose behalf the house acts.
  public let context: AccessContext
  /// The claim on this request, when it carried an Idempotency-Key.
  public let claim: IdempotencyClaim?

  /// Whether the token may read profiles, too.
  var mayRead: Bool { principal.scopes.contains(.profilesRead) }

  /// A path parameter that is one of our ids; anything else names nothing.
  func id(_ name: String = "id") throws -> UUID {
    guard let text = parameters.get(name), text.utf8.count == 36, let id = UUID(uuidString: text) else {
      throw Problem.notFound()
    }
    return id
  }

  /// The body as one JSON object.
  func object() throws -> ObjectReader {
    ObjectReader(try JSONValue(parsing: body, limits: JSONLimits(maxBytes: 65_536, maxDepth: 8, maxMembers: 256)))
  }

  /// A path parameter that is a number as this service writes it: decimal, without sign or leading zeros, below 2^63.
  /// Anything else names nothing.
  func number(_ name: String) throws -> Int64 {
    guard let text = parameters.get(name), let number = Int64(text), number >= 0, String(number) == text else {
      throw Problem.notFound()
    }
    return number
  }

  /// Refuses a body where none is meant: only nothing, or an empty object.
  func requireEmptyBody() throws {
    if body.isEmpty { return }
    try object().finish()
  }

  /// How the result of a unit of work is kept for repetitions of the request.
  func answering<Value>(_ render: @escaping @Sendable (Value) throws -> KeptAnswer) -> Answering<Value>? {
    claim.map { Answering(claim: $0, render: render) }
  }

  /// The version in `If-Match`: 428 without one, 400 for what we never gave out.
  func expectedVersion() throws -> Int64 {
    let values = request.headers[values: .ifMatch]
    guard let value = values.first else {
      throw Problem(
        .preconditionRequired, "if-match-required", "A change needs the version that it is made to.",
        detail: "Send If-Match with the ETag of the last answer.")
    }
    guard values.count == 1, value.hasPrefix("\""), value.hasSuffix("\""), value.count > 2,
      let version = Int64(value.dropFirst().dropLast()), version > 0
    else { throw Problem.badRequest("malformed-if-match", "If-Match takes one entity tag as it was given out.") }
    return version
  }
}

/// The query of a list: unknown names, repeated names and values out of range are refused.
struct ListQuery {
  private var values: [String: String] = [:]

  init(_ request: Request, allowed: Set<String>) throws {
    var faults: [FieldError] = []
    for (name, value) in request.uri.queryParameters {
      let name = String(name)
      if !allowed.contains(name) {
        faults.append(FieldError(pointer: "?unknown", code: "unknown"))
      } else if values.updateValue(String(value), forKey: name) != nil {
        faults.append(FieldError(pointer: "?\(name)", code: "duplicate"))
      }
    }
    guard faults.isEmpty else { throw Problem.invalid(faults) }
  }

  /// A value as it was sent.
  func text(_ name: String) -> String? { values[name] }

  /// A value that `read` takes; anything else is a fault of that code.
  func value<Value>(_ name: String, or code: String = "format", _ read: (String) -> Value?) throws -> Value? {
    guard let text = values[name] else { return nil }
    guard let value = read(text) else { throw Problem.invalid([FieldError(pointer: "?\(name)", code: code)]) }
    return value
  }

  /// A value of a closed list.
  func oneOf<Value: RawRepresentable>(_ name: String, _: Value.Type) throws -> Value? where Value.RawValue == String {
    guard let text = values[name] else { return nil }
    guard let value = Value(rawValue: text) else {
      throw Problem.invalid([FieldError(pointer: "?\(name)", code: "not_allowed")])
    }
    return value
  }

  /// A value of a list of words.
  func oneOf(_ name: String, _ allowed: some Collection<String>) throws -> String? {
    guard let text = values[name] else { return nil }
    guard allowed.contains(text) else {
      throw Problem.invalid([FieldError(pointer: "?\(name)", code: "not_allowed")])
    }
    return text
  }

  /// `limit`, 1 to 200, 50 without one.
  func limit() throws -> Int {
    guard let text = values["limit"] else { return 50 }
    guard let limit = Int(text), (1...200).contains(limit) else {
      throw Problem.invalid([FieldError(pointer: "?limit", code: "range")])
    }
    return limit
  }

  /// `cursor`, as the last answer gave it.
  func cursor() throws -> UUID? {
    guard let text = values["cursor"] else { return nil }
    guard let cursor = Cursor(text) else {
      throw Problem.invalid([FieldError(pointer: "?cursor", code: "format")])
    }
    return cursor.last
  }
}
