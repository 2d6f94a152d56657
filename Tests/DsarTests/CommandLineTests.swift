import Foundation
import Signing
import Testing
import Tokens

@testable import dsar

@Suite("the program as a process")
struct CommandLineTests {
  private let scratch: Scratch

  init() throws { scratch = try Scratch() }

  private func dsar(_ arguments: String..., environment: [String: String] = [:]) async throws -> DsarProcess.Result {
    try await DsarProcess.run(arguments, in: scratch, environment: environment)
  }

  @Test("the help lists every exit status")
  func help() async throws {
    let help = try await dsar("--help")
    #expect(help.status == 0)
    for line in ["EXIT STATUS", "0  done", "2  an offline verification", "64 the command line is wrong", "EXAMPLES"] {
      #expect(help.output.contains(line))
    }
  }

  @Test(
    "every command has examples",
    arguments: [
      ["login"], ["whoami"], ["request"], ["request", "open"], ["request", "list"], ["request", "show"],
      ["request", "verify"], ["request", "approve"], ["request", "execute"], ["export"], ["certificate"],
      ["certificate", "show"], ["certificate", "verify"], ["certificate", "download"], ["audit"], ["audit", "export"],
      ["audit", "verify"], ["audit", "list"], ["audit", "show"], ["audit", "receipt"], ["audit", "receipt", "verify"],
      ["audit", "witness"], ["audit", "witness", "init"], ["audit", "witness", "run"], ["audit", "witness", "status"],
      ["audit", "witness", "list"], ["api"],
    ])
  func examples(command: [String]) async throws {
    let help = try await DsarProcess.run(command + ["--help"], in: scratch)
    #expect(help.status == 0)
    #expect(help.output.contains("EXAMPLES"))
    #expect(help.output.contains("dsar " + command.joined(separator: " ")))
  }

  @Test(
    "a wrong command line ends with 64",
    arguments: [
      ["nonsense"], ["login"], ["login", "--dev"], ["login", "--as", "officer"],
      ["login", "--dev", "--as", "officer", "--session", "../x"], ["request", "show", "not-an-id"],
      ["request", "list", "--limit", "201"], ["request", "open", "--type", "gossip", "--profile", "x"],
      ["certificate", "verify", "file"], ["audit", "verify", "dir", "--key", "nonsense"], ["api", "GET", "profiles"],
      ["api", "BREW", "/pot"], ["audit", "list", "--limit", "0"], ["audit", "list", "--action", "no action"],
      ["audit", "witness", "run", "--state", "s", "--key-file", "k", "--once", "--every", "5"],
      ["audit", "receipt", "verify", "file", "--entry", "file"],
    ])
  func usage(arguments: [String]) async throws {
    let result = try await DsarProcess.run(arguments, in: scratch)
    #expect(result.status == 64)
    #expect(result.output.isEmpty)
    #expect(result.notes.hasPrefix("Error: "))
  }

  @Test("without a session the status is 4")
  func nobody() async throws {
    for arguments in [["whoami"], ["request", "list"], ["api", "GET", "/me"]] {
      let result = try await DsarProcess.run(arguments, in: scratch)
      #expect(result.status == 4)
      #expect(result.output.isEmpty)
      #expect(result.notes == "dsar: nobody is logged in: dsar login --help\n")
    }
  }

  @Test("a login with token and key shows everything but the two, and a server that is away is status 5")
  func login() async throws {
    let identity = try TestIdentity()
    let token = try identity.token()
    try scratch.write("token", token + "\n")
    try scratch.write("key.pem", String(decoding: try identity.key.privatePEM(), as: UTF8.self))
    // A port of this machine on which nothing listens: port 1 takes a privileged service.
    let login = try await dsar(
      "login", "--server", "http://127.0.0.1:1", "--token-file", "token", "--key-file", "key.pem", "--session", "dpo")
    #expect(login.status == 0)
    #expect(login.output.contains("subject   officer-7"))
    #expect(!login.output.contains(token))
    #expect(try scratch.mode("config/sessions/dpo.json") == 0o600)

    let whoami = try await dsar("whoami", "--json", environment: ["DSAR_SESSION": "dpo"])
    #expect(whoami.status == 0)
    #expect(whoami.output.contains("\"session\": \"dpo\""))
    #expect(!whoami.output.contains(token))

    let away = try await dsar("request", "list")
    #expect(away.status == 5)
    #expect(away.notes == "dsar: http://127.0.0.1:1 can't be reached\n")
  }

  @Test("a token for another key is not stored")
  func otherKey() async throws {
    let identity = try TestIdentity()
    try scratch.write("token", try identity.token())
    let other = try SigningKey.generate(.ed25519)
    try scratch.write("key.pem", String(decoding: try other.privatePEM(), as: UTF8.self))
    let login = try await dsar(
      "login", "--server", "https://lethe.example", "--token-file", "token", "--key-file", "key.pem")
    #expect(login.status == 1)
    #expect(login.notes == "dsar: the token is bound to another key than the one given\n")
    #expect(!scratch.exists("config"))
  }

  @Test("a log is verified offline: 0 for a valid one, a warning without a key, 2 for a spoiled one")
  func auditTranscript() async throws {
    var log = try SampleLog(archive: scratch.file("archive"))
    try log.appendErasure()
    try log.publish(upTo: 3)
    let tenant = TestIdentity.tenant.uuidString.lowercased()
    let root = try #require(try log.writer.lastCheckpoint()).root.base64
    let transcript = """
      folder       archive/\(tenant)
      origin       lethe.example/\(tenant)
      size         3
      root         \(root)
      entries      3 read and hashed
      erasures     1 completed, compared with the ledger
      checkpoints  1 verified
      segments     0 manifests verified, 0 entries sealed
      keys         1
      widest gap   1 s before entry 1

      valid

      """
    let given = try await dsar("audit", "verify", "archive", "--key", try log.key.text)
    #expect(given.status == 0)
    #expect(given.output == transcript)
    #expect(given.notes == "verifying [########################] 3/3\n")

    let own = try await dsar("audit", "verify", "archive")
    #expect(own.status == 0)
    #expect(own.output == transcript)
    #expect(own.notes.contains("WARNING: verified with the key in the folder itself."))

    try FileManager.default.removeItem(atPath: log.folder + "/tile/0/000.p/3")
    let spoiled = try await dsar("audit", "verify", "archive", "--key", "@archive/\(tenant)/vkey", "--json")
    #expect(spoiled.status == 2)
    #expect(spoiled.output.contains("\"file\": \"tile/0/000.p/3\""))
    #expect(spoiled.output.contains("\"valid\": false"))
  }

  @Test("a certificate is verified offline: 0 when valid, 2 when changed or no certificate, 1 when not there")
  func certificateTranscript() async throws {
    var log = try SampleLog(archive: scratch.file("archive"))
    try log.appendErasure()
    try log.publish(upTo: 3)
    let key = try log.key.text
    let text = String(decoding: try log.certificate(at: 1).json, as: UTF8.self)
    try scratch.write("good.json", text)
    try scratch.write("changed.json", text.replacing("key_destroyed", with: "key_forgotten"))
    try scratch.write("none.json", "{}")
    let good = try await dsar("certificate", "verify", "good.json", "--key", key)
    #expect(good.status == 0)
    #expect(
      good.output.hasSuffix(
        "\nvalid: signed by the given key, and recorded in the log that the proof leads to\n"
          + "erased live at 2025-12-31T00:00:00Z; dead in every key backup on or before 2026-06-01\n"))
    let changed = try await dsar("certificate", "verify", "changed.json", "--key", key)
    #expect(changed.status == 2)
    #expect(changed.output.hasSuffix("\nNOT VALID\n  signature: not signed by a known key\n"))
    #expect(try await dsar("certificate", "verify", "none.json", "--key", key).status == 2)
    #expect(try await dsar("certificate", "verify", "missing.json", "--key", key).status == 1)
    let shown = try await dsar("certificate", "show", "good.json")
    #expect(shown.status == 0)
    #expect(shown.notes == "not verified: dsar certificate verify FILE --key VKEY\n")
  }
}
