import ServiceTesting
import StrictJSON
import Testing
import Tokens

@testable import ProfilesAPI

/// A route of the API as its documentation lists it.
struct ListedRoute: Sendable, CustomTestStringConvertible {
  let method: String
  /// As the router spells it.
  let template: String
  let scope: Scope
  /// A body that the route takes; nil where it takes none.
  var body: String?
  /// Whether it is guarded by If-Match.
  var needsVersion = false

  var testDescription: String { "\(method) \(template)" }

  /// The route's path for one id.
  func path(_ id: String) -> String {
    template.replacing("{id}", with: id).replacing("**", with: "0/000").replacing("{seq}", with: "0")
      .replacing("{size}", with: String(repeating: "0", count: 20))
      .replacing("{number}", with: String(repeating: "0", count: 20))
  }

  /// Whether it names a resource by its id.
  var hasID: Bool { template.contains("{id}") }

  /// Calls it for an id.
  func call(_ running: RunningServer, _ id: String, as person: TestPerson) async throws -> RunningServer.Answer {
    try await running.call(
      method, path(id), as: person, body: body, headers: needsVersion ? [("If-Match", "\"1\"")] : [])
  }

  /// Every route that asks for a token.
  static let all: [ListedRoute] = [
    ListedRoute(
      method: "POST", template: "/profiles", scope: .profilesWrite, body: #"{"full_name":"Route Walker"}"#),
    ListedRoute(method: "GET", template: "/profiles", scope: .profilesRead),
    ListedRoute(
      method: "POST", template: "/profiles:search", scope: .profilesRead, body: #"{"email":"walker@example.org"}"#),
    ListedRoute(method: "GET", template: "/profiles/{id}", scope: .profilesRead),
    ListedRoute(
      method: "PATCH", template: "/profiles/{id}", scope: .profilesWrite, body: #"{"country":"CL"}"#,
      needsVersion: true),
    ListedRoute(method: "POST", template: "/profiles/{id}:activate", scope: .profilesWrite),
    ListedRoute(method: "POST", template: "/profiles/{id}:lock", scope: .profilesWrite),
    ListedRoute(method: "POST", template: "/profiles/{id}:unlock", scope: .profilesWrite),
    ListedRoute(method: "POST", template: "/profiles/{id}:deactivate", scope: .profilesWrite),
    ListedRoute(method: "GET", template: "/me", scope: .profilesRead),
    ListedRoute(
      method: "POST", template: "/privacy/data", scope: .requestsManage,
      body: #"{"type":"access","profile_id":"00000000-0000-4000-8000-000000000000"}"#),
    ListedRoute(method: "GET", template: "/privacy/data", scope: .requestsRead),
    ListedRoute(method: "GET", template: "/privacy/data/{id}", scope: .requestsRead),
    ListedRoute(
      method: "POST", template: "/privacy/data/{id}:verify", scope: .requestsManage, body: #"{"method":"login"}"#),
    ListedRoute(method: "POST", template: "/privacy/data/{id}:approve", scope: .requestsApprove),
    ListedRoute(method: "POST", template: "/privacy/data/{id}:execute", scope: .requestsManage),
    ListedRoute(method: "GET", template: "/privacy/data/{id}/package", scope: .requestsManage),
    ListedRoute(method: "GET", template: "/privacy/data/{id}/certificate", scope: .requestsRead),
    ListedRoute(method: "GET", template: "/audit/key", scope: .auditRead),
    ListedRoute(method: "GET", template: "/audit/checkpoint", scope: .auditRead),
    ListedRoute(method: "GET", template: "/audit/ledger", scope: .auditRead),
    ListedRoute(method: "GET", template: "/audit/tile/**", scope: .auditRead),
    ListedRoute(method: "GET", template: "/audit/checkpoints", scope: .auditRead),
    ListedRoute(method: "GET", template: "/audit/checkpoints/{size}", scope: .auditRead),
    ListedRoute(method: "GET", template: "/audit/segments/{number}", scope: .auditRead),
    ListedRoute(method: "GET", template: "/audit/retention", scope: .auditRead),
    ListedRoute(method: "GET", template: "/audit/entries", scope: .auditRead),
    ListedRoute(method: "GET", template: "/audit/entries/{seq}", scope: .auditRead),
    ListedRoute(method: "GET", template: "/audit/receipts/{seq}", scope: .auditRead),
    ListedRoute(method: "POST", template: "/audit/cosignatures", scope: .auditRead),
    ListedRoute(method: "GET", template: "/audit/cosignatures", scope: .auditRead),
    ListedRoute(method: "GET", template: "/me/accesses", scope: .profilesRead),
  ]

  /// The routes that anybody may ask.
  static let open = ["GET /health/live", "GET /health/ready", "GET /health/startup"]

  /// What the router of a server knows, in the list's spelling.
  static func known(to server: Server) throws -> Set<String> {
    Set(try server.router(erasureOrdered: {}).routes.map { "\($0.method.rawValue) \($0.path)" })
  }
}
