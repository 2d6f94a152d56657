import ArgumentParser

/// The data protection officer's and the auditor's program.
@main
struct Dsar: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "dsar",
    abstract: "Handles data subjects' requests, and verifies certificates and audit logs.",
    discussion: """
      Verification works offline: it needs the files and a verifier key, and neither a session nor the service.
      Sessions lie in $DSAR_CONFIG, $XDG_CONFIG_HOME/lethe or ~/.config/lethe; docs/dsar.md describes the files.

      EXIT STATUS
        0  done; everything that was verified is valid
        1  the server refused, or something failed: one line on standard error says why
        2  an offline verification found something: the certificate or the log is not valid
        3  a downloaded package doesn't match its manifest
        4  nobody is logged in, the session has expired, or the server doesn't take its token
        5  the server can't be reached
        64 the command line is wrong

      EXAMPLES
        dsar login --dev --as officer
        dsar request open --type access --profile ID
        dsar request verify ID --method document
        dsar request execute ID
        dsar export ID --out package
        dsar certificate verify certificate.json --key @vkey
        dsar audit export --out archive
        dsar audit verify archive --key @vkey
      """,
    version: Version.text,
    subcommands: [
      LoginCommand.self, WhoamiCommand.self, RequestCommand.self, ExportCommand.self, CertificateCommand.self,
      AuditCommand.self, APICommand.self,
    ])
}
