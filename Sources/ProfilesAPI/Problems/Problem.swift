import HTTPTypes
public import Hummingbird
import NIOCore
public import StrictJSON

/// A refusal as its caller sees it: a problem document (RFC 9457) without any value that was sent.
public struct Problem: Error, Sendable {
  /// The status of the answer.
  public let status: HTTPResponse.Status
  /// The kind of problem: the last part of its type URI, `urn:lethe:problem:<kind>`.
  public let kind: String
  /// What the kind means, the same for every occurrence.
  public let title: String
  /// What it means here; names fields, never shows a value.
  public let detail: String?
  /// The members that are wrong, by JSON pointer.
  public let errors: [FieldError]
  /// Fields that belong to the answer, for example `WWW-Authenticate`.
  public let headers: HTTPFields

  init(
    _ status: HTTPResponse.Status, _ kind: String, _ title: String, detail: String? = nil, errors: [FieldError] = [],
    headers: HTTPFields = [:]
  ) {
    self.status = status
    self.kind = kind
    self.title = title
    self.detail = detail
    self.errors = errors
    self.headers = headers
  }

  /// The document's bytes; `instance` names the request, so that it can be found in the logs.
  func bytes(instance: String) -> [UInt8] {
    var members: [JSONMember] = [
      JSONMember("type", .string("urn:lethe:problem:\(kind)")), JSONMember("title", .string(title)),
      JSONMember("status", .integer(Int64(status.code))), JSONMember("instance", .string(instance)),
    ]
    if let detail { members.append(JSONMember("detail", .string(detail))) }
    if !errors.isEmpty {
      members.append(
        JSONMember(
          "errors",
          .array(
            errors.map {
              .object([JSONMember("pointer", .string($0.pointer)), JSONMember("code", .string($0.code))])
            })))
    }
    // Strings and integers always have canonical bytes.
    return (try? JSONValue.object(members).canonicalBytes()) ?? Array("{}".utf8)
  }

  /// The answer.
  func response(instance: String) -> Response {
    var fields = headers
    fields[.contentType] = "application/problem+json"
    return Response(
      status: status, headers: fields, body: ResponseBody(byteBuffer: ByteBuffer(bytes: bytes(instance: instance))))
  }
}

extension Problem {
  static func notFound() -> Problem { Problem(.notFound, "not-found", "There is no such resource.") }

  static func badRequest(_ kind: String, _ detail: String) -> Problem {
    Problem(.badRequest, kind, "The request can't be understood.", detail: detail)
  }

  static func invalid(_ errors: [FieldError]) -> Problem {
    Problem(
      .unprocessableContent, "invalid-fields", "Some fields are not as they have to be.",
      detail: "See errors: each names a field by its JSON pointer.", errors: errors.map(presentable))
  }

  /// An unknown member's name is the sender's own words: one that doesn't look like a member's may be a person's, and
  /// gives way to the pointer of the object that it is in.
  private static func presentable(_ error: FieldError) -> FieldError {
    guard error.code == "unknown", let slash = error.pointer.lastIndex(of: "/") else { return error }
    let name = error.pointer[slash...].dropFirst().utf8
    let isPlain = name.allSatisfy { (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x5F }
    if isPlain && (1...32).contains(name.count) { return error }
    return FieldError(pointer: String(error.pointer[..<slash]), code: error.code)
  }

  static func unavailable(_ what: String?) -> Problem {
    Problem(
      .serviceUnavailable, "unavailable", "A part that is needed can't be reached; nothing was released.",
      detail: what.map { "part: \($0)" }, headers: [.retryAfter: "2"])
  }
}
