import ArgumentParser
import Foundation
import Signing
import StrictJSON
import Tokens

/// `dsar login`.
struct LoginCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "login", abstract: "Begin a session and make it the current one.",
    discussion: """
      For a real service: an access token from the identity provider, in a file, and the private key that it is bound
      to (PKCS#8 in PEM, Ed25519 or P-256, readable by you only).

      For `lethe dev` on this machine: --dev makes a key and a token of eight hours with the development issuer.

      The session's name is --session, or DSAR_SESSION, or the identity's name; without any it is "default".

      EXAMPLES
        dsar login --dev --as officer
        dsar login --dev --as officer2 --home /tmp/try
        dsar login --server https://lethe.example --token-file token --key-file proof-key.pem
        DSAR_SESSION=officer dsar request list
      """)

  @Flag(help: "Use the issuer of a `lethe dev` on this machine.") var dev = false
  @Option(
    name: .customLong("as"),
    help: ArgumentHelp("The identity: officer, officer2, admin, auditor or notifier.", valueName: "identity"))
  var identity: String?
  @Option(help: ArgumentHelp("The home of that `lethe dev` (default: LETHE_HOME, or .lethe).", valueName: "dir"))
  var home: String?
  @Option(help: ArgumentHelp("The service's origin, https://host[:port].", valueName: "url")) var server: String?
  @Option(help: ArgumentHelp("A file with the access token, or - for standard input.", valueName: "file"))
  var tokenFile: String?
  @Option(help: ArgumentHelp("The private key that the token is bound to.", valueName: "pem")) var keyFile: String?
  @OptionGroup var sessions: SessionOptions
  @OptionGroup var output: OutputOptions

  func validate() throws {
    if dev {
      guard identity != nil else { throw ValidationError("--dev needs --as.") }
      guard tokenFile == nil, keyFile == nil else {
        throw ValidationError("--dev makes its token and key itself; leave --token-file and --key-file out.")
      }
    } else {
      guard identity == nil, home == nil else { throw ValidationError("--as and --home go with --dev.") }
      guard server != nil, tokenFile != nil, keyFile != nil else {
        throw ValidationError("Without --dev, --server, --token-file and --key-file are needed.")
      }
    }
    if let name = sessions.session, !Session.isName(name) {
      throw ValidationError("A session's name has 1 to 64 letters, digits, - and _.")
    }
  }

  func run() async throws {
    try await reporting {
      let environment = ProcessInfo.processInfo.environment
      let session = try begin(environment)
      guard UnixClock.now() < session.claims.expires else {
        throw Failure(.notLoggedIn, "the token has expired already")
      }
      try SessionFolder(environment: environment).store(session)
      let summary = SessionSummary(session: session)
      if output.json {
        Console.standard.say(json: summary.json)
      } else {
        Console.standard.pairs(summary.pairs)
      }
    }
  }

  private func begin(_ environment: [String: String]) throws -> Session {
    let name = sessions.name(environment: environment)
    if let identity {
      let named = environment["LETHE_HOME"].flatMap { $0.isEmpty ? nil : $0 }
      let issuer = try DevelopmentIssuer(home: home ?? named ?? ".lethe")
      return try issuer.session(as: identity, named: name ?? identity, server: server, now: UnixClock.now())
    }
    let token = try InputFile.text(tokenFile ?? "-", maximum: 16_384)
      .trimmingCharacters(in: .whitespacesAndNewlines)
    let key: SigningKey
    do {
      key = try SigningKeyFile.load(from: keyFile ?? "")
    } catch {
      throw Failure(.refused, "the proof key can't be used: \(error)")
    }
    return try Session(name: name ?? "default", identity: nil, server: server ?? "", token: token, key: key)
  }
}
