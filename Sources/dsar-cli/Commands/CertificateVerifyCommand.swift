import ArgumentParser
import Certificates

/// `dsar certificate verify`.
struct CertificateVerifyCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify", abstract: "Verify a certificate offline.",
    discussion: """
      Checked are the signature, the proof that the audit log records the erasure under a signed checkpoint, and that
      both speak of the same tenant, person, key, epoch and time. The exit status is 2 when any of that fails.

      EXAMPLES
        dsar certificate verify certificate.json --key @vkey
        dsar certificate verify certificate.json --key lethe.example/…+1a2b3c4d+AY…
      """)

  @Argument(help: ArgumentHelp("The certificate.", valueName: "file")) var file: String
  @Option(help: ArgumentHelp("A verifier key, or @FILE with keys; may be repeated.", valueName: "vkey|@file"))
  var key: [String]
  @OptionGroup var output: OutputOptions

  func validate() throws {
    guard !key.isEmpty else { throw ValidationError("--key is needed: a certificate proves nothing by itself.") }
  }

  func run() async throws {
    try await reporting {
      let keys = try VerifierKeys.read(key)
      let bytes = try InputFile.read(file, maximum: SignedCertificate.maximumBytes)
      let verdict = CertificateVerdict(try CertificateView(bytes, named: file), keys: keys)
      if output.json { Console.standard.say(json: verdict.json) } else { verdict.show(on: .standard) }
      guard verdict.findings.isEmpty else { throw ExitCode(ExitStatus.notValid.rawValue) }
    }
  }
}
