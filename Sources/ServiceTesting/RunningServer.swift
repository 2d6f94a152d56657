import AsyncHTTPClient
public import Custody
import Foundation
import NIOCore
import NIOHTTP1
public import ProfilesAPI
public import StrictJSON
public import SubjectRights
import Tokens

/// A server that answers on a port of its own until ``stop()``.
public struct RunningServer: Sendable {
  /// The server.
  public let server: Server
  /// Where it listens.
  public let port: Int
  private let task: Task<Void, any Error>

  /// Runs a prepared server and returns when it answers.
  public static func start(
    _ server: Server, afterStep: @escaping @Sendable (ErasureStep) -> Void = { _ in }
  ) async throws -> RunningServer {
    let (ports, continuation) = AsyncStream<Int>.makeStream()
    let task = Task {
      defer { continuation.finish() }
      try await server.run(afterStep: afterStep) { port in continuation.yield(port) }
    }
    for await port in ports { return RunningServer(server: server, port: port, task: task) }
    try await task.value
    throw CancellationError()
  }

  /// Stops it and waits for the end.
  public func stop() async {
    task.cancel()
    _ = await task.result
  }

  /// An answer.
  public struct Answer: Sendable {
    /// The status code.
    public let status: Int
    /// The fields, by lower-case name; the last value of a repeated one.
    public let headers: [String: String]
    /// The body.
    public let body: [UInt8]

    /// The body as text.
    public var text: String { String(decoding: body, as: UTF8.self) }
    /// The body as JSON; null when it is none.
    public var json: JSONValue { (try? JSONValue(parsing: body)) ?? .null }
    /// The last part of a problem's type.
    public var problem: String? { json["type"]?.string?.split(separator: ":").last.map(String.init) }
    /// The pointers and codes of a problem's errors, `pointer code`.
    public var errors: [String] {
      (json["errors"]?.array ?? []).map { ($0["pointer"]?.string ?? "") + " " + ($0["code"]?.string ?? "") }
    }
  }

  /// Sends a request exactly as given.
  public func send(_ method: String, _ path: String, headers: [(String, String)], body: [UInt8]? = nil) async throws
    -> Answer
  {
    var request = HTTPClientRequest(url: "http://127.0.0.1:\(port)\(path)")
    request.method = .init(rawValue: method)
    for (name, value) in headers { request.headers.add(name: name, value: value) }
    if let body { request.body = .bytes(ByteBuffer(bytes: body)) }
    let response = try await HTTPClient.shared.execute(request, timeout: .seconds(30))
    var fields: [String: String] = [:]
    for field in response.headers { fields[field.name.lowercased()] = field.value }
    let collected = try await response.body.collect(upTo: 64 * 1024 * 1024)
    return Answer(status: Int(response.status.code), headers: fields, body: Array(collected.readableBytesView))
  }

  /// Calls as somebody, with a fresh proof; POSTs get a fresh Idempotency-Key unless `headers` has one or `once` is
  /// false.
  public func call(
    _ method: String, _ path: String, as person: TestPerson, body: String? = nil, headers: [(String, String)] = [],
    once: Bool = true
  ) async throws -> Answer {
    let plain = path.split(separator: "?", maxSplits: 1)[0]
    var fields = headers
    fields.append(("Authorization", "DPoP \(person.token)"))
    fields.append(
      (
        "DPoP",
        try person.signer.proof(
          method: method, url: Installation.origin + plain, accessToken: person.token, now: UnixClock.now())
      ))
    if body != nil { fields.append(("Content-Type", "application/json")) }
    if method == "POST" && once && !headers.contains(where: { $0.0 == "Idempotency-Key" }) {
      fields.append(("Idempotency-Key", UUID().uuidString))
    }
    return try await send(method, path, headers: fields, body: body.map { Array($0.utf8) })
  }
}

/// Lends a running server with one tenant to `body`, and stops it afterwards.
public func withRunningServer<Result>(
  _ body: (RunningServer, Installation, TenantID) async throws -> Result
) async throws -> Result {
  try await withInstallation { installation in
    let tenant = TenantID(UUID())
    let running = try await RunningServer.start(try await installation.server(tenant: tenant))
    do {
      let result = try await body(running, installation, tenant)
      await running.stop()
      return result
    } catch {
      await running.stop()
      throw error
    }
  }
}
