import Foundation
import Signing
import Testing
import Tokens

@testable import dsar

@Suite("the development issuer")
struct DevelopmentIssuerTests {
  private let scratch: Scratch
  private let key: SigningKey

  init() throws {
    scratch = try Scratch()
    key = try .generate(.es256)
    try writeHome(
      """
      {"officer": {"sub": "dev-officer", "client_id": "dsar", "scope": "requests:read requests:manage"},
       "auditor": {"sub": "dev-auditor", "client_id": "dsar", "scope": "audit:read"}}
      """)
  }

  private func writeHome(_ identities: String) throws {
    try scratch.write("dev/issuer.pem", String(decoding: try key.privatePEM(), as: UTF8.self))
    try scratch.write(
      "dev/identities.json",
      """
      {"issuer": "https://dev.lethe.invalid", "audience": "lethe", "origin": "http://localhost:3002",
       "tenant_id": "\(TestIdentity.tenant.uuidString.lowercased())", "key_id": "dev", "identities": \(identities)}
      """)
  }

  @Test("its tokens are bound to a fresh key, live eight hours, and carry the identity's scopes")
  func session() throws {
    let issuer = try DevelopmentIssuer(home: scratch.path)
    let session = try issuer.session(as: "officer", named: "me", now: 1_000)
    #expect(session.name == "me")
    #expect(session.identity == "officer")
    #expect(session.server == "http://localhost:3002")
    #expect(session.claims.subject == "dev-officer")
    #expect(session.claims.client == "dsar")
    #expect(session.claims.tenant == TestIdentity.tenant)
    #expect(session.claims.scopes == ["requests:manage", "requests:read"])
    #expect(session.claims.expires == 1_000 + 8 * 3_600)
    #expect(session.claims.thumbprint == ProofSigner(key: session.key).thumbprint)
    #expect(session.key.algorithm == .es256)
    let second = try issuer.session(as: "officer", named: "me", now: 1_000)
    #expect(second.key.publicKey != session.key.publicKey)
  }

  @Test("an unknown identity is refused with the names that there are")
  func unknown() async throws {
    let failure = await failure {
      _ = try DevelopmentIssuer(home: scratch.path).session(as: "root", named: "x", now: 0)
    }
    #expect(failure == Failure(.refused, "there is no identity of that name; there are officer, auditor"))
  }

  @Test("a home without an issuer, with another issuer, or with a key that others can read is refused")
  func unusable() async throws {
    #expect(await failure { _ = try DevelopmentIssuer(home: "/nowhere") }?.line.contains("--home") == true)
    try writeHome("{}")
    #expect(await failure { _ = try DevelopmentIssuer(home: scratch.path) }?.line.contains("--token-file") == true)
    try writeHome(#"{"officer": {"sub": "x"}}"#)
    #expect(await failure { _ = try DevelopmentIssuer(home: scratch.path) }?.line.contains("damaged") == true)
    try writeHome(#"{"officer": {"sub": "x", "client_id": "y", "scope": ""}}"#)
    try FileManager.default.setAttributes(
      [.posixPermissions: 0o644], ofItemAtPath: scratch.file("dev/issuer.pem"))
    #expect(await failure { _ = try DevelopmentIssuer(home: scratch.path) }?.line.contains("key") == true)
  }
}
