import ArgumentParser

/// `dsar certificate`.
struct CertificateCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "certificate", abstract: "Certificates of erasure: show, verify offline, download.",
    discussion: """
      EXAMPLES
        dsar certificate download ID --out certificate.json
        dsar certificate show certificate.json
        dsar certificate verify certificate.json --key @vkey
      """,
    subcommands: [CertificateShowCommand.self, CertificateVerifyCommand.self, CertificateDownloadCommand.self])
}
