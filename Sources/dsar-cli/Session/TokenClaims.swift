import Foundation
import Signing
import StrictJSON

/// What an access token says about itself. Nothing of it is verified here: that is the server's part.
struct TokenClaims: Sendable, Equatable {
  /// `sub`: the person or service.
  let subject: String
  /// `client_id`.
  let client: String
  /// `tenant_id`.
  let tenant: UUID
  /// `scope`, in the token's order.
  let scopes: [String]
  /// `exp`, in Unix seconds.
  let expires: Int64
  /// `cnf.jkt`: the thumbprint of the key that the token is bound to.
  let thumbprint: String

  /// Reads the claims of a compact JWS; nil when it is none, or lacks one of them.
  init?(token: String) {
    let parts = token.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 3, parts.allSatisfy({ !$0.isEmpty }), let payload = StrictBase64.decode(parts[1], .url),
      let claims = try? JSONValue(parsing: payload), let subject = claims["sub"]?.string,
      let client = claims["client_id"]?.string,
      let tenant = claims["tenant_id"]?.string.flatMap({ UUID(uuidString: $0) }),
      let expires = claims["exp"]?.integer, let thumbprint = claims["cnf"]?["jkt"]?.string
    else { return nil }
    self.subject = subject
    self.client = client
    self.tenant = tenant
    scopes = (claims["scope"]?.string ?? "").split(separator: " ").map(String.init)
    self.expires = expires
    self.thumbprint = thumbprint
  }
}
