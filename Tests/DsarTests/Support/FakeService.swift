import Foundation
import Synchronization
import Tokens

@testable import dsar

/// A service without a network: it authenticates each request as the real one does, then answers what the test says.
final class FakeService: Sendable {
  typealias Route = @Sendable (OutgoingRequest) throws -> Answer

  let identity: TestIdentity
  private let authenticator: Authenticator
  private let route: Route
  private let received = Mutex<[OutgoingRequest]>([])

  init(_ identity: TestIdentity, origin: String = TestIdentity.server, _ route: @escaping Route) throws {
    self.identity = identity
    self.route = route
    authenticator = try identity.authenticator(origin: origin)
  }

  /// The requests so far.
  var requests: [OutgoingRequest] { received.withLock { $0 } }

  /// A client of it.
  func client(tenant: UUID = TestIdentity.tenant) throws -> ServiceClient {
    ServiceClient(session: try identity.session(tenant: tenant), transport: transport)
  }

  /// The way to it.
  var transport: Transport {
    Transport { request, maximum in
      self.received.withLock { $0.append(request) }
      func values(_ name: String) -> [String] { request.headers.filter { $0.name == name }.map(\.value) }
      do {
        _ = try await self.authenticator.authenticate(
          RequestCredentials(
            authorization: values("Authorization"), proofs: values("DPoP"), method: request.method,
            rawTarget: request.target))
      } catch {
        return .problem(401, "invalid-token", "The caller is not authenticated.")
      }
      let answer = try self.route(request)
      guard answer.body.count <= maximum else { throw Failure(.refused, "too large") }
      return answer
    }
  }
}

extension Answer {
  static func ok(_ text: String) -> Answer { .ok(Array(text.utf8)) }

  static func ok(_ bytes: [UInt8]) -> Answer {
    Answer(status: 200, headers: [("Content-Type", "application/json")], body: bytes)
  }

  static func problem(_ status: Int, _ kind: String, _ title: String, _ more: String = "") -> Answer {
    let body = #"{"type":"urn:lethe:problem:\#(kind)","title":"\#(title)","status":\#(status)\#(more)}"#
    return Answer(status: status, headers: [("content-type", "application/problem+json")], body: Array(body.utf8))
  }
}
