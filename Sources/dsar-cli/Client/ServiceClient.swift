import Foundation
import StrictJSON
import Tokens

/// The service as one session sees it: each request with the session's token and a proof of its own.
struct ServiceClient: Sendable {
  /// The largest answer that isn't an archive's or a package's, in bytes.
  static let maximumBytes = 4 << 20

  /// Who asks.
  let session: Session
  private let transport: Transport
  private let proofs: ProofSigner
  private let now: @Sendable () -> Int64

  /// Asks through `transport`.
  init(session: Session, transport: Transport, now: @escaping @Sendable () -> Int64 = UnixClock.now) {
    self.session = session
    self.transport = transport
    self.now = now
    proofs = ProofSigner(key: session.key)
  }

  /// Calls `body` with a client over HTTP for the chosen session.
  static func with(_ options: SessionOptions, _ body: (ServiceClient) async throws -> Void) async throws {
    let session = try options.load()
    try await HTTPTransport.with(origin: session.server) { transport in
      try await body(ServiceClient(session: session, transport: transport))
    }
  }

  /// Sends one request and gives the answer, whatever its status.
  ///
  /// - Parameters:
  ///   - target: path and query, beginning with a slash, percent-encoded where necessary.
  ///   - headers: further fields. A body is JSON unless they say otherwise; a POST gets a random `Idempotency-Key`
  ///     unless there is one.
  func send(
    _ method: String, _ target: String, headers: [(name: String, value: String)] = [], body: [UInt8] = [],
    maximumBytes: Int = maximumBytes
  ) async throws -> Answer {
    let proof: String
    do {
      proof = try proofs.proof(
        method: method, url: session.server + target, accessToken: session.token, now: now())
    } catch {
      throw Failure(.refused, "this path can't be asked for")
    }
    var fields: [(name: String, value: String)] = [
      ("Authorization", "DPoP \(session.token)"), ("DPoP", proof), ("Accept", "application/json"),
      ("User-Agent", "dsar/\(Version.text)"),
    ]
    if !body.isEmpty, !headers.contains(where: { $0.name == "Content-Type" }) {
      fields.append(("Content-Type", method == "PATCH" ? "application/merge-patch+json" : "application/json"))
    }
    fields += headers
    let path = target.prefix { $0 != "?" }
    if method == "POST", path != "/profiles:search", !headers.contains(where: { $0.name == "Idempotency-Key" }) {
      fields.append(("Idempotency-Key", UUID().uuidString.lowercased()))
    }
    return try await transport.send(
      OutgoingRequest(method: method, target: target, headers: fields, body: body), maximumBytes)
  }

  /// Reads a resource's bytes. Throws the refusal when there is one.
  func bytes(_ target: String, maximumBytes: Int = maximumBytes) async throws -> [UInt8] {
    let answer = try await send("GET", target, maximumBytes: maximumBytes)
    guard answer.isSuccess else { throw Refusal(answer).failure }
    return answer.body
  }

  /// Reads a resource's bytes; nil when there is none.
  func bytesIfPresent(_ target: String, maximumBytes: Int = maximumBytes) async throws -> [UInt8]? {
    let answer = try await send("GET", target, maximumBytes: maximumBytes)
    if answer.status == 404 { return nil }
    guard answer.isSuccess else { throw Refusal(answer).failure }
    return answer.body
  }

  /// Reads a JSON resource.
  func json(_ target: String) async throws -> JSONValue {
    try Self.json(try await bytes(target))
  }

  /// Asks the server to do something, and reads its JSON answer.
  func post(_ target: String, _ body: JSONValue? = nil) async throws -> JSONValue {
    let bytes = body.map { Array($0.prettyText().utf8) } ?? []
    let answer = try await send("POST", target, body: bytes)
    guard answer.isSuccess else { throw Refusal(answer).failure }
    return try Self.json(answer.body)
  }

  private static func json(_ bytes: [UInt8]) throws(Failure) -> JSONValue {
    do {
      return try JSONValue(parsing: bytes, limits: JSONLimits(maxBytes: maximumBytes, maxMembers: 200_000))
    } catch {
      throw Failure(.refused, "the server's answer can't be read: \(error)")
    }
  }
}
