import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1

/// Requests over HTTP/1.1 to one origin: no redirects, so that a token never goes anywhere else.
struct HTTPTransport: Sendable {
  /// How long a request may take, from the first byte sent to the last byte read.
  static let timeout = TimeAmount.seconds(30)

  private let origin: String
  /// Where connections go: the origin, or a tunnel to it on this machine (DSAR_CONNECT).
  private let address: String
  private let client: HTTPClient

  private init(origin: String, address: String, client: HTTPClient) {
    self.origin = origin
    self.address = address
    self.client = client
  }

  /// Calls `body` with a transport to `origin` and closes its connections afterwards.
  static func with<Result: Sendable>(
    origin: String, _ body: (Transport) async throws -> Result
  ) async throws -> Result {
    let address = try tunnel(ProcessInfo.processInfo.environment) ?? origin
    var configuration = HTTPClient.Configuration()
    configuration.redirectConfiguration = .disallow
    configuration.timeout = .init(connect: .seconds(5), read: timeout)
    let client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    let http = HTTPTransport(origin: origin, address: address, client: client)
    let result: Result
    do {
      result = try await body(Transport { request, maximum in try await http.send(request, maximum) })
    } catch {
      try await client.shutdown()
      throw error
    }
    try await client.shutdown()
    return result
  }

  /// The near end of a tunnel, which DSAR_CONNECT names: proofs are still made for the service's own origin.
  private static func tunnel(_ environment: [String: String]) throws -> String? {
    guard let text = environment["DSAR_CONNECT"], !text.isEmpty else { return nil }
    guard let port = UInt16(text), port > 0 else {
      throw Failure(.refused, "DSAR_CONNECT is not a port on this machine")
    }
    return "http://127.0.0.1:\(port)"
  }

  private func send(_ outgoing: OutgoingRequest, _ maximum: Int) async throws -> Answer {
    var request = HTTPClientRequest(url: address + outgoing.target)
    request.method = HTTPMethod(rawValue: outgoing.method)
    for header in outgoing.headers { request.headers.add(name: header.name, value: header.value) }
    if !outgoing.body.isEmpty { request.body = .bytes(ByteBuffer(bytes: outgoing.body)) }
    do {
      let response = try await client.execute(request, timeout: Self.timeout)
      let body = try await response.body.collect(upTo: maximum)
      return Answer(
        status: Int(response.status.code), headers: response.headers.map { ($0.name, $0.value) },
        body: Array(buffer: body))
    } catch is NIOTooManyBytesError {
      throw Failure(.refused, "\(origin) answered with more than \(maximum) bytes")
    } catch is CancellationError {
      throw CancellationError()
    } catch let error as HTTPClientError where error == .deadlineExceeded || error == .readTimeout {
      throw Failure(.unreachable, "\(origin) didn't answer in time; whether it did anything is unknown")
    } catch {
      throw Failure(.unreachable, "\(origin) can't be reached")
    }
  }
}
