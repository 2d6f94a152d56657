import Foundation
import StrictJSON

/// A session as its owner sees it: everything but the token and the key.
struct SessionSummary {
  let session: Session

  var json: JSONValue {
    .object([
      JSONMember("session", .string(session.name)),
      JSONMember("identity", session.identity.map(JSONValue.string) ?? .null),
      JSONMember("server", .string(session.server)), JSONMember("subject", .string(session.claims.subject)),
      JSONMember("client_id", .string(session.claims.client)), JSONMember("tenant_id", .string(tenant)),
      JSONMember("scopes", .array(session.claims.scopes.map(JSONValue.string))),
      JSONMember("expires_at", .string(expires)), JSONMember("key_thumbprint", .string(session.claims.thumbprint)),
    ])
  }

  var pairs: [(String, String)] {
    [
      ("session", session.name), ("identity", session.identity ?? "(from the identity provider)"),
      ("server", session.server), ("subject", session.claims.subject), ("client", session.claims.client),
      ("tenant", tenant), ("may", session.claims.scopes.joined(separator: " ")), ("until", expires),
      ("key", session.claims.thumbprint),
    ]
  }

  private var tenant: String { session.claims.tenant.uuidString.lowercased() }
  private var expires: String {
    Date(timeIntervalSince1970: Double(session.claims.expires)).formatted(.iso8601)
  }
}
