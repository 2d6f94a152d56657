import ArgumentParser
import Certificates

/// `dsar certificate show`.
struct CertificateShowCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "show", abstract: "Show what a certificate says. Nothing is verified.",
    discussion: """
      EXAMPLES
        dsar certificate show ID
        dsar certificate show certificate.json
      """)

  @Argument(help: ArgumentHelp("A request, to ask the server, or a file.", valueName: "id|file")) var source: String
  @OptionGroup var sessions: SessionOptions
  @OptionGroup var output: OutputOptions

  func run() async throws {
    try await reporting {
      guard let id = ResourceID(argument: source) else {
        return show(
          try CertificateView(InputFile.read(source, maximum: SignedCertificate.maximumBytes), named: source))
      }
      try await ServiceClient.with(sessions) { client in
        show(try CertificateView(await client.bytes("/privacy/data/\(id)/certificate"), named: id.text))
      }
    }
  }

  private func show(_ view: CertificateView) {
    if output.json { return Console.standard.say(json: view.json) }
    Console.standard.pairs(view.pairs)
    Console.standard.say()
    Console.standard.say(view.sentence)
    Console.standard.note("not verified: dsar certificate verify FILE --key VKEY")
  }
}
