import ArgumentParser

/// `dsar request approve`.
struct RequestApproveCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "approve", abstract: "Approve an erasure that somebody else opened.",
    discussion: """
      EXAMPLES
        dsar request approve ID --session officer2
      """)

  @Argument(help: ArgumentHelp("The request.", valueName: "id")) var id: ResourceID
  @OptionGroup var sessions: SessionOptions
  @OptionGroup var output: OutputOptions

  func run() async throws {
    try await reporting {
      try await ServiceClient.with(sessions) { client in
        RequestCommand.show(RequestSummary(try await client.post("/privacy/data/\(id):approve")), output)
      }
    }
  }
}
