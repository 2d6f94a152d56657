import Foundation
import Signing
import StrictJSON
import Tokens

/// The development issuer and its five identities. They exist in `lethe dev` only, and only where no real issuer is
/// named: a key on this disk, with which `dsar login --dev` makes tokens.
struct DevIdentities {
  let tenant: UUID
  let issuer: String
  let audience: String
  let keySetLocation: String
  let isDevelopment: Bool

  /// Who there is, and what each may do.
  static let people: [(name: String, scopes: [Scope])] = [
    ("officer", [.profilesRead, .requestsRead, .requestsManage, .requestsApprove]),
    ("officer2", [.profilesRead, .requestsRead, .requestsManage, .requestsApprove]),
    ("admin", [.profilesRead, .profilesWrite]),
    ("auditor", [.auditRead, .requestsRead]),
    ("notifier", [.profilesRead]),
  ]

  /// Takes the named issuer, or makes one under `$LETHE_HOME/dev/` at the first start.
  static func prepare(_ home: DevHome, _ environment: Environment) throws -> DevIdentities {
    let known = try read(home)
    let tenant = known?.tenant ?? UUID()
    let port = try environment.integer("HTTP_PORT", in: 1...65_535, default: 3002)
    let origin = environment.text("PUBLIC_ORIGIN") ?? "http://localhost:\(port)"
    let issuer = environment.text("TOKEN_ISSUER") ?? "https://dev.lethe.invalid"
    let audience = environment.text("TOKEN_AUDIENCE") ?? "lethe"
    if let named = environment.text("TOKEN_JWKS") {
      try write(home, tenant: tenant, issuer: issuer, audience: audience, origin: origin, people: [])
      return DevIdentities(
        tenant: tenant, issuer: issuer, audience: audience, keySetLocation: named, isDevelopment: false)
    }
    if !FileManager.default.fileExists(atPath: home.issuerKey) || !FileManager.default.fileExists(atPath: home.keySet) {
      let key = try SigningKey.generate(.es256)
      try home.write(try key.privatePEM(), to: home.issuerKey)
      let set = try JWKSet([JWK(key.publicKey, keyID: "dev")])
      try home.write(try set.document(), to: home.keySet)
    }
    // Refuses a key that others may read: with it anybody makes tokens.
    _ = try SigningKeyFile.load(from: home.issuerKey)
    try write(home, tenant: tenant, issuer: issuer, audience: audience, origin: origin, people: people)
    return DevIdentities(
      tenant: tenant, issuer: issuer, audience: audience, keySetLocation: home.keySet, isDevelopment: true)
  }

  private static func read(_ home: DevHome) throws -> (tenant: UUID, issuer: String)? {
    guard let contents = FileManager.default.contents(atPath: home.identities) else { return nil }
    guard let value = try? JSONValue(parsing: Array(contents)),
      let tenant = value["tenant_id"]?.string.flatMap(UUID.init), let issuer = value["issuer"]?.string
    else { throw Environment.Fault(description: "LETHE_HOME: \(home.identities) is damaged; remove it or restore it") }
    return (tenant, issuer)
  }

  private static func write(
    _ home: DevHome, tenant: UUID, issuer: String, audience: String, origin: String,
    people: [(name: String, scopes: [Scope])]
  ) throws {
    let document = JSONValue.object([
      JSONMember("issuer", .string(issuer)), JSONMember("audience", .string(audience)),
      JSONMember("origin", .string(origin)), JSONMember("tenant_id", .string(tenant.uuidString.lowercased())),
      JSONMember("key_id", .string("dev")),
      JSONMember(
        "identities",
        .object(
          people.map { person in
            JSONMember(
              person.name,
              .object([
                JSONMember("sub", .string("dev-\(person.name)")), JSONMember("client_id", .string("dsar")),
                JSONMember("scope", .string(person.scopes.map(\.rawValue).joined(separator: " "))),
              ]))
          })),
    ])
    try home.write(Array((document.prettyText() + "\n").utf8), to: home.identities)
  }
}
