import Foundation
import Signing
import Testing
import Tokens

@testable import dsar

@Suite("sessions")
struct SessionTests {
  private let scratch: Scratch
  private let identity: TestIdentity
  private let folder: SessionFolder

  init() throws {
    scratch = try Scratch()
    identity = try TestIdentity()
    folder = SessionFolder(environment: ["DSAR_CONFIG": scratch.file("config")])
  }

  @Test("a stored session comes back, is the current one, and nobody else can read it")
  func roundTrip() throws {
    let session = try identity.session()
    try folder.store(session)
    for name in [nil, "officer"] {
      let read = try folder.session(named: name, now: UnixClock.now())
      #expect(read.name == "officer")
      #expect(read.identity == "officer")
      #expect(read.server == "http://localhost:3002")
      #expect(read.token == session.token)
      #expect(read.key.publicKey == session.key.publicKey)
      #expect(read.claims.scopes == ["audit:read", "requests:read"])
    }
    #expect(try scratch.mode("config") == 0o700)
    #expect(try scratch.mode("config/sessions") == 0o700)
    #expect(try scratch.contents("config") == ["current", "sessions", "sessions/officer.json", "sessions/officer.pem"])
    for name in ["current", "sessions/officer.json", "sessions/officer.pem"] {
      #expect(try scratch.mode("config/" + name) == 0o600)
    }
  }

  @Test("the last login is the current session, and the first one is still there")
  func severalSessions() throws {
    try folder.store(try identity.session(named: "officer"))
    try folder.store(try TestIdentity().session(named: "officer2"))
    #expect(try folder.session(named: nil, now: UnixClock.now()).name == "officer2")
    #expect(try folder.session(named: "officer", now: UnixClock.now()).name == "officer")
  }

  @Test("without a login, with an unknown name or one that leads elsewhere, the status is 4")
  func missing() async throws {
    #expect(await failure { _ = try folder.session(named: nil, now: 0) }?.status == .notLoggedIn)
    try folder.store(try identity.session())
    for name in ["other", "../officer", "", "."] {
      #expect(await failure { _ = try folder.session(named: name, now: 0) }?.status == .notLoggedIn)
    }
  }

  @Test("a session ends with its token")
  func expiry() async throws {
    let session = try identity.session()
    try folder.store(session)
    let end = session.claims.expires
    #expect(try folder.session(named: nil, now: end - 1).name == "officer")
    let failure = await failure { _ = try folder.session(named: nil, now: end) }
    #expect(failure == Failure(.notLoggedIn, "the session officer has expired: log in again"))
  }

  @Test("files that others can read, and damaged ones, are refused")
  func spoiled() async throws {
    try folder.store(try identity.session())
    let json = scratch.file("config/sessions/officer.json")
    try FileManager.default.setAttributes([.posixPermissions: 0o640], ofItemAtPath: json)
    #expect(await failure { _ = try folder.session(named: nil, now: 0) }?.line.contains("chmod 600") == true)
    try scratch.write("config/sessions/officer.json", "{}")
    let damaged = await failure { _ = try folder.session(named: nil, now: 0) }
    #expect(damaged == Failure(.notLoggedIn, "the session officer is damaged: log in again"))
  }

  @Test("a token of another session's key is refused")
  func swappedKeys() async throws {
    try folder.store(try identity.session(named: "a"))
    try folder.store(try TestIdentity().session(named: "b"))
    try FileManager.default.removeItem(atPath: scratch.file("config/sessions/a.pem"))
    try FileManager.default.copyItem(
      atPath: scratch.file("config/sessions/b.pem"), toPath: scratch.file("config/sessions/a.pem"))
    #expect(await failure { _ = try folder.session(named: "a", now: 0) }?.status == .notLoggedIn)
  }

  @Test("a token that is bound to another key is refused before it is stored")
  func boundElsewhere() async throws {
    let failure = await failure {
      _ = try Session(
        name: "x", identity: nil, server: TestIdentity.server, token: try identity.token(), key: .generate(.es256))
    }
    #expect(failure == Failure(.refused, "the token is bound to another key than the one given"))
  }

  @Test(
    "a token goes to https, or to this machine, and nowhere else",
    arguments: ["http://lethe.example", "https://lethe.example/v1", "lethe.example", "https://u@lethe.example", ""])
  func servers(server: String) async throws {
    let failure = await failure {
      _ = try Session(name: "x", identity: nil, server: server, token: try identity.token(), key: identity.key)
    }
    #expect(failure?.status == .refused)
  }

  @Test("neither printing nor dumping a session shows its token or its key")
  func discretion() throws {
    let session = try identity.session()
    var dumped = ""
    dump(session, to: &dumped)
    let summary = SessionSummary(session: session)
    let shown = "\(session)" + dumped + summary.json.prettyText() + "\(summary.pairs)"
    #expect(!shown.contains(session.token))
    #expect(!shown.contains(String(session.token.split(separator: ".")[1])))
    #expect("\(session)" == "session officer at http://localhost:3002")
    #expect(summary.json["subject"]?.string == "officer-7")
  }

  @Test(
    "the folder is the first of DSAR_CONFIG, XDG_CONFIG_HOME and the home folder",
    arguments: [
      (["DSAR_CONFIG": "/a", "XDG_CONFIG_HOME": "/b", "HOME": "/c"], "/a"),
      (["XDG_CONFIG_HOME": "/b", "HOME": "/c"], "/b/lethe"),
      (["DSAR_CONFIG": "", "XDG_CONFIG_HOME": "", "HOME": "/c"], "/c/.config/lethe"),
    ])
  func places(environment: [String: String], path: String) {
    #expect(SessionFolder(environment: environment).path == path)
  }

  @Test("the option wins over DSAR_SESSION")
  func selection() throws {
    var options = try SessionOptions.parse(["--session", "a"])
    #expect(options.name(environment: ["DSAR_SESSION": "b"]) == "a")
    options = try SessionOptions.parse([])
    #expect(options.name(environment: ["DSAR_SESSION": "b"]) == "b")
    #expect(options.name(environment: ["DSAR_SESSION": ""]) == nil)
  }

  @Test(
    "what isn't an access token is none",
    arguments: ["", "a.b", "a.b.c", "a.e30.c", "a..c", "a.eyJzdWIiOiJ4In0.c"])
  func notATokens(text: String) {
    #expect(TokenClaims(token: text) == nil)
  }
}
