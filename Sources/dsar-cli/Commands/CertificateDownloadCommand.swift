import ArgumentParser
import Certificates
import Foundation
import StrictJSON

/// `dsar certificate download`.
struct CertificateDownloadCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "download", abstract: "Download the certificate of an erasure.",
    discussion: """
      EXAMPLES
        dsar certificate download ID --out certificate.json
      """)

  @Argument(help: ArgumentHelp("The request.", valueName: "id")) var id: ResourceID
  @Option(help: ArgumentHelp("The file to write.", valueName: "file")) var out: String
  @Flag(help: "Replace a file that is there already.") var force = false
  @OptionGroup var sessions: SessionOptions
  @OptionGroup var output: OutputOptions

  func run() async throws {
    try await reporting {
      guard force || !FileManager.default.fileExists(atPath: out) else {
        throw Failure(.refused, "\(out) is there already; --force replaces it")
      }
      try await ServiceClient.with(sessions) { client in
        let bytes = try await client.bytes(
          "/privacy/data/\(id)/certificate", maximumBytes: SignedCertificate.maximumBytes)
        let certificate = try CertificateView(bytes, named: "the server's certificate").signed.certificate
        try PrivateFile.write(bytes, to: out)
        guard output.json else { return Console.standard.say("\(out): \(certificate.stage.rawValue)") }
        Console.standard.say(
          json: [
            "request_id": .string(id.text), "file": .string(out), "stage": .string(certificate.stage.rawValue),
            "bytes": .integer(Int64(bytes.count)),
          ])
      }
    }
  }
}
