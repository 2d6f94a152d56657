import ArgumentParser
import StrictJSON

/// `dsar request verify`.
struct RequestVerifyCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify", abstract: "Note that the person's identity was verified, and how.",
    discussion: """
      EXAMPLES
        dsar request verify ID --method document
      """)

  @Argument(help: ArgumentHelp("The request.", valueName: "id")) var id: ResourceID
  @Option(help: "How the person's identity was verified.") var method: VerificationMethod
  @OptionGroup var sessions: SessionOptions
  @OptionGroup var output: OutputOptions

  func run() async throws {
    try await reporting {
      try await ServiceClient.with(sessions) { client in
        let body: JSONValue = ["method": .string(method.rawValue)]
        RequestCommand.show(RequestSummary(try await client.post("/privacy/data/\(id):verify", body)), output)
      }
    }
  }
}
