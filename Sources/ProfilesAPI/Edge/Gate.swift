public import Custody
import Foundation
import HTTPTypes
import Hummingbird
public import Logging
import NIOCore
import Redaction
public import Tokens

/// What every request passes before a route sees it: authentication with a proof, scope, actor, body,
/// Idempotency-Key; and what every answer of a unit of work passes afterwards.
public struct Gate: Sendable {
  /// Whether a route needs an Idempotency-Key.
  enum Repetition: Sendable {
    /// The route changes nothing, or is guarded by If-Match.
    case harmless
    /// The route must happen once: an Idempotency-Key is required.
    case once
  }

  /// What a route's body is.
  enum Body: Sendable {
    /// One JSON object, or nothing.
    case json
    /// Plain text.
    case text
  }

  private let authenticator: Authenticator
  private let custody: Custody
  private let actors: ActorDirectory
  private let logger: Logger

  /// A gate in front of that door.
  public init(authenticator: Authenticator, custody: Custody, actors: ActorDirectory, logger: Logger) {
    self.authenticator = authenticator
    self.custody = custody
    self.actors = actors
    self.logger = logger
  }

  /// A handler that runs `body` for calls that pass.
  func admitting(
    _ scope: Scope, purpose: Purpose, _ repetition: Repetition = .harmless, taking kind: Body = .json,
    _ body: @escaping @Sendable (Call) async throws -> Response
  ) -> @Sendable (Request, APIContext) async throws -> Response {
    { request, context in
      let principal = try await authenticate(request)
      try Authenticator.require([scope], of: principal)
      let tenant = TenantID(principal.tenant)
      let actor = try await actors.actor(
        for: Personal(principal.subject), tenant: tenant, requestID: context.requestID)
      let access = AccessContext(
        tenant: tenant, actor: actor, purpose: purpose, requestID: context.requestID,
        traceID: Self.traceID(request))
      let bytes = try await Self.body(of: request, as: kind, limit: context.maxUploadSize)
      switch repetition {
      case .harmless:
        return try await body(
          Call(
            request: request, parameters: context.parameters, body: bytes, principal: principal, context: access,
            claim: nil))
      case .once:
        return try await once(request, bytes, principal, access, context.parameters, body)
      }
    }
  }

  private func authenticate(_ request: Request) async throws -> Principal {
    try await authenticator.authenticate(
      RequestCredentials(
        authorization: request.headers[values: .authorization], proofs: request.headers[values: .dpop],
        method: request.method.rawValue, rawTarget: request.head.path ?? "/"))
  }

  // MARK: Once

  private func once(
    _ request: Request, _ bytes: [UInt8], _ principal: Principal, _ access: AccessContext, _ parameters: Parameters,
    _ body: @Sendable (Call) async throws -> Response
  ) async throws -> Response {
    let keys = request.headers[values: .idempotencyKey]
    guard let key = keys.first else {
      throw Problem.badRequest("idempotency-key-required", "This POST needs an Idempotency-Key.")
    }
    // Visible ASCII only: other bytes would not survive the way here, and two keys could look like one.
    guard keys.count == 1, (1...255).contains(key.utf8.count), key.utf8.allSatisfy({ (0x21...0x7E).contains($0) })
    else {
      throw Problem.badRequest(
        "malformed-idempotency-key", "Idempotency-Key takes one value of 1 to 255 visible ASCII characters.")
    }
    let scope = IdempotencyScope(
      client: principal.clientID, actor: access.actor, operation: "\(request.method.rawValue) \(request.uri.path)",
      key: key)
    let payload =
      Array((request.headers[.contentType] ?? "").utf8) + [0] + Array((request.uri.query ?? "").utf8) + [0] + bytes
    switch try await custody.claim(scope, payload: payload, access) {
    case .replay(let answer): return Response(answer, replayed: true)
    case .running:
      throw Problem(
        .conflict, "in-progress", "This request is being carried out.", headers: [.retryAfter: "1"])
    case .mismatched:
      throw Problem(
        .unprocessableContent, "idempotency-key-reused", "This Idempotency-Key was used for another payload.")
    case .erased: throw CustodyError(.erased)
    case .proceed(let claim):
      do {
        return try await body(
          Call(
            request: request, parameters: parameters, body: bytes, principal: principal, context: access,
            claim: claim))
      } catch {
        try await conclude(claim, after: error, access)
        throw error
      }
    }
  }

  /// Keeps a refusal that would be the same again, lets go of a claim otherwise.
  private func conclude(_ claim: IdempotencyClaim, after error: any Error, _ access: AccessContext) async throws {
    do {
      if let problem = Problem(error), [404, 409, 410, 412, 422].contains(problem.status.code) {
        let answer = KeptAnswer(
          status: problem.status.code, headers: ["Content-Type": "application/problem+json"],
          body: problem.bytes(instance: Self.instance(access.requestID)))
        try await custody.keep(answer, for: claim, access)
      } else {
        try await custody.release(claim, access)
      }
    } catch {
      // The lease runs out by itself; the caller gets the first error.
      logger.warning("a claim was not concluded", metadata: ["error": "\(error)"])
    }
  }

  // MARK: Parts of a request

  static func instance(_ requestID: UUID) -> String { "urn:uuid:\(requestID.uuidString.lowercased())" }

  private static func body(of request: Request, as kind: Body, limit: Int) async throws -> [UInt8] {
    var collected: ByteBuffer
    do {
      collected = try await request.body.collect(upTo: limit)
    } catch is NIOTooManyBytesError {
      throw Problem(
        .contentTooLarge, "too-large", "The body is larger than is accepted.", detail: "at most \(limit) bytes")
    } catch let cancellation as CancellationError {
      throw cancellation
    } catch {
      // The framing is wrong, or the caller stopped half-way.
      throw Problem.badRequest("body", "The body did not arrive whole.")
    }
    let bytes = collected.readBytes(length: collected.readableBytes) ?? []
    guard !bytes.isEmpty else { return [] }
    let type = request.headers[values: .contentType]
    let accepted = kind == .json ? ["application/json", "application/merge-patch+json"] : ["text/plain"]
    let media = type.first.map { $0.prefix { $0 != ";" }.trimmingCharacters(in: .whitespaces).lowercased() }
    guard type.count == 1, let media, accepted.contains(media) else {
      throw Problem(.unsupportedMediaType, "unsupported-media-type", "Bodies are \(accepted[0]).")
    }
    return bytes
  }

  /// The trace id of a W3C `traceparent`, when it is one.
  private static func traceID(_ request: Request) -> String? {
    guard let parent = request.headers[.traceparent] else { return nil }
    let parts = parent.split(separator: "-", omittingEmptySubsequences: false)
    guard parts.count >= 4, parts[0] == "00", parts[1].utf8.count == 32,
      parts[1].utf8.allSatisfy({ (48...57).contains($0) || (97...102).contains($0) }),
      parts[1].contains(where: { $0 != "0" })
    else { return nil }
    return String(parts[1])
  }
}

extension HTTPField.Name {
  // Constants of the program; each is a valid token (RFC 9110, section 5.1).
  private static func name(_ text: String) -> HTTPField.Name {
    guard let name = HTTPField.Name(text) else { preconditionFailure("not a field name") }
    return name
  }

  static let dpop = name("DPoP")
  static let idempotencyKey = name("Idempotency-Key")
  static let idempotencyReplayed = name("Idempotency-Replayed")
  static let requestID = name("Request-Id")
  static let traceparent = name("traceparent")
}

extension Response {
  /// A kept answer as it is sent; a repetition says that it is one.
  init(_ answer: KeptAnswer, replayed: Bool = false) {
    var headers: HTTPFields = [:]
    for (name, value) in answer.headers {
      if let name = HTTPField.Name(name) { headers[name] = value }
    }
    if headers[.contentType] == nil { headers[.contentType] = "application/json" }
    if replayed { headers[.idempotencyReplayed] = "true" }
    self.init(
      status: HTTPResponse.Status(code: answer.status), headers: headers,
      body: ResponseBody(byteBuffer: ByteBuffer(bytes: answer.body)))
  }
}
