import Signing
import StrictJSON
import Tokens

/// Who this program acts as, and where: a server, an access token, and the key that the token is bound to.
struct Session: Sendable, CustomStringConvertible, CustomReflectable {
  /// The name that selects it.
  let name: String
  /// The development identity, when it is one.
  let identity: String?
  /// The server's origin, normalised: `https://host[:port]`, or `http` on this machine.
  let server: String
  /// The access token. A secret.
  let token: String
  /// What the token says.
  let claims: TokenClaims
  /// The key that proofs are signed with.
  let key: SigningKey

  /// Brings the parts together.
  ///
  /// Refused are a server that isn't an origin, a token that isn't one, and a token that is bound to another key.
  init(name: String, identity: String?, server: String, token: String, key: SigningKey) throws(Failure) {
    guard Self.isName(name) else {
      throw Failure(.refused, "a session's name has 1 to 64 letters, digits, - and _")
    }
    do { self.server = try ExternalOrigin(server).text } catch {
      throw Failure(.refused, "the server has to be https://host[:port], or http on this machine, without a path")
    }
    guard let claims = TokenClaims(token: token) else {
      throw Failure(.refused, "the token is not an access token in the form that Lethe takes (docs/tokens.md)")
    }
    guard claims.thumbprint == Thumbprint.of(key.publicKey) else {
      throw Failure(.refused, "the token is bound to another key than the one given")
    }
    self.name = name
    self.identity = identity
    self.token = token
    self.claims = claims
    self.key = key
  }

  /// Whether a text can name a session and so a file.
  static func isName(_ text: String) -> Bool {
    (1...64).contains(text.utf8.count)
      && text.utf8.allSatisfy { byte in
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x5F: true
        default: false
        }
      }
  }

  /// The session as its file holds it, without the key.
  var json: JSONValue {
    .object([
      JSONMember("name", .string(name)), JSONMember("identity", identity.map(JSONValue.string) ?? .null),
      JSONMember("server", .string(server)), JSONMember("expires_at", .integer(claims.expires)),
      JSONMember("token", .string(token)),
    ])
  }

  /// The name and the server; never the token.
  var description: String { "session \(name) at \(server)" }

  /// Empty, so that `dump` shows no token either.
  var customMirror: Mirror { Mirror(self, children: []) }
}
