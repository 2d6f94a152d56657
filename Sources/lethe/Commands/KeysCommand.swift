import ArgumentParser
import Foundation
import Signing
import Vault

/// `lethe keys`.
struct KeysCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "keys", abstract: "The keyring, its epochs, and the log's signing key.",
    subcommands: [
      Initialise.self, KeysStatusCommand.self, KeysCheckCommand.self, KeysRotateCommand.self,
      KeysPassphraseCommand.self, KeysCopiesCommand.self, KeysSigningCommand.self,
    ])

  /// `lethe keys init`.
  struct Initialise: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "init", abstract: "Make the keyring and the signing key, each in a file of its own.",
      discussion: """
        Files: LETHE_KEYRING (default $LETHE_HOME/keyring) and LETHE_SIGNING_KEY (default
        $LETHE_HOME/signing-key.pem), mode 0600. With LETHE_KEYRING_PASSPHRASE_FILE the keyring is encrypted under the
        passphrase in that file. Nothing that exists is overwritten. keys/README.md says what to back up, and what
        never to.
        """)

    func run() async throws {
      try await reporting {
        let environment = Environment()
        for gap in ProcessHardening.apply() { Console.note("lethe: hardening is incomplete: \(gap)") }
        try KeyFiles.create(environment)
        Console.say("keyring      \(environment.keyringPath)")
        Console.say("signing key  \(environment.signingKeyPath)")
      }
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
      _ = try FileKeyring.create(at: environment.keyringPath, passphrase: try environment.passphrase())
      made = true
    }
    if !files.fileExists(atPath: environment.signingKeyPath) {
      _ = try SigningKeyFile.create(at: environment.signingKeyPath)
      made = true
    }
    return made
  }
}
