import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
import Tokens

/// An issuer's key set over HTTPS: no redirects, at most 64 KiB, at most five seconds.
///
/// A set is fetched every few minutes at the most, so each fetch has a client of its own and closes it: nothing is
/// left to be shut down when the service stops.
struct HTTPSKeySource: KeySource {
  private let url: String

  init(_ url: String) throws {
    guard let parts = URLComponents(string: url), parts.scheme == "https", parts.host?.isEmpty == false,
      parts.user == nil, parts.fragment == nil
    else { throw Environment.Fault(description: "TOKEN_JWKS is not a usable https URL") }
    self.url = url
  }

  func jwks() async throws -> [UInt8] {
    var configuration = HTTPClient.Configuration()
    configuration.redirectConfiguration = .disallow
    configuration.timeout = .init(connect: .seconds(3), read: .seconds(5))
    let client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    let document: [UInt8]
    do {
      document = try await fetch(with: client)
    } catch {
      try await client.shutdown()
      throw error
    }
    try await client.shutdown()
    return document
  }

  private func fetch(with client: HTTPClient) async throws -> [UInt8] {
    let response = try await client.execute(HTTPClientRequest(url: url), timeout: .seconds(5))
    guard response.status == .ok else { throw Environment.Fault(description: "TOKEN_JWKS did not answer 200") }
    return Array(buffer: try await response.body.collect(upTo: 65_536))
  }
}
