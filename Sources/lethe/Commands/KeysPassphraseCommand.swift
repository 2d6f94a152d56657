import ArgumentParser
import Foundation
import Vault

/// `lethe keys passphrase`.
struct KeysPassphraseCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "passphrase", abstract: "Encrypt the keyring under another passphrase, or under none.",
    discussion: """
      LETHE_KEYRING_PASSPHRASE_FILE names the file with the present passphrase, if there is one. The keyring is replaced
      in one step, and the old file's bytes are overwritten. Services that run go on with the keys that they have; point
      their LETHE_KEYRING_PASSPHRASE_FILE to the new passphrase and restart them before the next rotation.

      EXAMPLES
        lethe keys passphrase --new-file /run/credentials/lethe-passphrase
        lethe keys passphrase --remove
      """)

  @Option(help: "The file with the new passphrase, mode 0600, at most 1024 bytes.") var newFile: String?
  @Flag(help: "Store the keyring without a passphrase.") var remove = false

  func validate() throws {
    guard (newFile != nil) != remove else { throw ValidationError("Give either --new-file or --remove.") }
  }

  func run() async throws {
    try await reporting {
      let environment = Environment()
      for gap in ProcessHardening.apply() { Console.note("lethe: hardening is incomplete: \(gap)") }
      let keyring = try environment.keyring()
      let passphrase = try newFile.map { path throws(VaultError) in try KeyringPassphrase(readingFile: path) }
      try keyring.reseal(passphrase: passphrase)
      Console.say(
        "\(environment.keyringPath) is \(keyring.isSealed ? "encrypted under the new passphrase" : "not encrypted")")
    }
  }
}
