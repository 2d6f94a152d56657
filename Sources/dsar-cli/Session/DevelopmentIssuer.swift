import Foundation
import Signing
import StrictJSON
import Tokens

/// The issuer that `lethe dev` makes on this machine, with its identities: for trying things out, never for people.
struct DevelopmentIssuer: Sendable {
  /// How long its tokens live, in seconds.
  static let lifetime: Int64 = 8 * 3600

  /// The origin of the service that trusts it.
  let origin: String
  /// The names of the identities, in order.
  var names: [String] { identities.map(\.name) }
  private let issuer: TokenIssuer
  private let tenant: UUID
  private let identities: [Identity]

  private struct Identity: Sendable {
    let name: String
    let subject: String
    let client: String
    let scopes: Set<Scope>
  }

  /// Reads `dev/identities.json` and `dev/issuer.pem` in the home folder of `lethe dev`.
  init(home: String) throws(Failure) {
    let file = home + "/dev/identities.json"
    guard FileManager.default.fileExists(atPath: file) else {
      throw Failure(.refused, "\(home) is not the home of a `lethe dev`: name it with --home or LETHE_HOME")
    }
    let bytes = try InputFile.read(file, maximum: 1 << 20)
    guard let value = try? JSONValue(parsing: bytes), let issuer = value["issuer"]?.string,
      let audience = value["audience"]?.string, let origin = value["origin"]?.string,
      let keyID = value["key_id"]?.string,
      let tenant = value["tenant_id"]?.string.flatMap({ UUID(uuidString: $0) }),
      let people = value["identities"]?.members
    else { throw Failure(.refused, "\(file) is damaged") }
    guard !people.isEmpty else {
      throw Failure(.refused, "this `lethe dev` trusts another issuer: use --server, --token-file and --key-file")
    }
    var identities: [Identity] = []
    for person in people {
      guard let subject = person.value["sub"]?.string, let client = person.value["client_id"]?.string,
        let scopes = person.value["scope"]?.string
      else { throw Failure(.refused, "\(file) is damaged") }
      identities.append(
        Identity(
          name: person.name, subject: subject, client: client,
          scopes: Set(scopes.split(separator: " ").compactMap { Scope(rawValue: String($0)) })))
    }
    let key: SigningKey
    do { key = try SigningKeyFile.load(from: home + "/dev/issuer.pem") } catch {
      throw Failure(.refused, "the development issuer's key can't be used: \(error)")
    }
    self.origin = origin
    self.tenant = tenant
    self.identities = identities
    self.issuer = TokenIssuer(issuer: issuer, audience: audience, keyID: keyID, key: key)
  }

  /// A session of one identity: a fresh key, and a token bound to it.
  func session(as identity: String, named name: String, server: String? = nil, now: Int64) throws(Failure) -> Session {
    guard let person = identities.first(where: { $0.name == identity }) else {
      throw Failure(.refused, "there is no identity of that name; there are \(names.joined(separator: ", "))")
    }
    let key: SigningKey
    let token: String
    do {
      key = try SigningKey.generate(.es256)
      token = try issuer.accessToken(
        subject: person.subject, clientID: person.client, tenant: tenant, scopes: person.scopes,
        boundTo: ProofSigner(key: key).thumbprint, lifetime: Self.lifetime, now: now)
    } catch {
      throw Failure(.refused, "no token could be made: \(error)")
    }
    return try Session(name: name, identity: identity, server: server ?? origin, token: token, key: key)
  }
}
