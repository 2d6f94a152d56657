import ArgumentParser
import Custody
import Foundation
import Logging
import ProfilesAPI
import Signing
import StrictJSON
import Vault

/// `lethe keys`.
struct KeysCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "keys", abstract: "The keyring and the log's signing key.",
    subcommands: [Initialise.self, Status.self])

  /// `lethe keys init`.
  struct Initialise: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "init", abstract: "Make the keyring and the signing key, each in a file of its own.",
      discussion: """
        Files: LETHE_KEYRING (default $LETHE_HOME/keyring) and LETHE_SIGNING_KEY (default
        $LETHE_HOME/signing-key.pem), mode 0600. Nothing that exists is overwritten. keys/README.md says what to back
        up, and what never to.
        """)

    func run() async throws {
      try await reporting {
        let environment = Environment()
        try KeyFiles.create(environment)
        Console.say("keyring      \(environment.keyringPath)")
        Console.say("signing key  \(environment.signingKeyPath)")
      }
    }
  }

  /// `lethe keys status`.
  struct Status: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "status", abstract: "Show epochs, their ages, and how many live keys each wraps.",
      discussion: "Reads the keyring; counts keys when DATABASE_URL and the other database variables are set.")

    @Flag(help: "Print JSON.") var json = false

    func run() async throws {
      try await reporting {
        let environment = Environment()
        for gap in ProcessHardening.apply() { Console.note("lethe: hardening is incomplete: \(gap)") }
        let keyring = try FileKeyring.open(at: environment.keyringPath)
        let counts = try await Self.counts(environment)
        let now = Date().timeIntervalSince1970
        let epochs = keyring.epochs.map { epoch in
          (
            number: epoch.number.rawValue, state: "\(epoch.state)", days: Int((now - Double(epoch.createdAt)) / 86_400),
            keys: counts.map { $0[epoch.number.rawValue] ?? 0 }
          )
        }
        if json {
          Console.say(
            json: .object([
              JSONMember("installation", .string(keyring.installation.uuidString.lowercased())),
              JSONMember(
                "epochs",
                .array(
                  epochs.map { epoch in
                    .object([
                      JSONMember("epoch", .integer(Int64(epoch.number))), JSONMember("state", .string(epoch.state)),
                      JSONMember("age_days", .integer(Int64(epoch.days))),
                      JSONMember("live_keys", epoch.keys.map(JSONValue.integer) ?? .null),
                    ])
                  })),
            ]))
        } else {
          Console.say("installation  \(keyring.installation.uuidString.lowercased())")
          Console.table(
            ["EPOCH", "STATE", "AGE", "LIVE KEYS"],
            epochs.map { ["\($0.number)", $0.state, "\($0.days) d", $0.keys.map(String.init) ?? "(no database)"] })
        }
      }
    }

    /// Live keys by epoch; nil when no database is named.
    private static func counts(_ environment: Environment) async throws -> [Int32: Int64]? {
      guard environment.text("VAULT_DATABASE_URL", secret: true) != nil else { return nil }
      let server = try await Server.prepare(try environment.serverSettings(), logger: try environment.logger())
      let counts = try await server.custody.liveKeys()
      await server.close()
      return counts
    }
  }
}

/// The keyring and the signing key as files.
enum KeyFiles {
  /// Makes what is missing; refuses when nothing is.
  static func create(_ environment: Environment) throws {
    for path in [environment.keyringPath, environment.signingKeyPath] {
      try FileManager.default.createDirectory(
        atPath: (path as NSString).deletingLastPathComponent.isEmpty
          ? "." : (path as NSString).deletingLastPathComponent,
        withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    }
    guard try createMissing(environment) else {
      throw Environment.Fault(
        description: "\(environment.keyringPath) and \(environment.signingKeyPath) exist already; nothing was changed")
    }
  }

  /// Makes what isn't there; says whether anything was made.
  static func createMissing(_ environment: Environment) throws -> Bool {
    let files = FileManager.default
    var made = false
    if !files.fileExists(atPath: environment.keyringPath) {
      _ = try FileKeyring.create(at: environment.keyringPath)
      made = true
    }
    if !files.fileExists(atPath: environment.signingKeyPath) {
      _ = try SigningKeyFile.create(at: environment.signingKeyPath)
      made = true
    }
    return made
  }
}
