import AsyncHTTPClient
import NIOCore
import NIOHTTP1

/// Requests over HTTP/1.1 to one origin: no redirects, so that a token never goes anywhere else.
struct HTTPTransport: Sendable {
  /// How long a request may take, from the first byte sent to the last byte read.
  static let timeout = TimeAmount.seconds(30)

  private let origin: String
  private let client: HTTPClient

  private init(origin: String, client: HTTPClient) {
    self.origin = origin
    self.client = client
  }

  /// Calls `body` with a transport to `origin` and closes its connections afterwards.
  static func with<Result: Sendable>(
    origin: String, _ body: (Transport) async throws -> Result
  ) async throws -> Result {
    var configuration = HTTPClient.Configuration()
    configuration.redirectConfiguration = .disallow
    configuration.timeout = .init(connect: .seconds(5), read: timeout)
    let client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    let http = HTTPTransport(origin: origin, client: client)
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

  private func send(_ outgoing: OutgoingRequest, _ maximum: Int) async throws -> Answer {
    var request = HTTPClientRequest(url: origin + outgoing.target)
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
