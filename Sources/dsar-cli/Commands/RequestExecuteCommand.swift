import ArgumentParser

/// `dsar request execute`.
struct RequestExecuteCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "execute", abstract: "Carry out a request. An erasure can't be taken back.",
    discussion: """
      An access or portability request is completed at once; `dsar export` then downloads its package. An erasure goes
      on after the answer: --wait follows it for up to 60 seconds, until its certificate is issued; the certificate
      becomes final later, when backups of the key are dead as well.

      EXAMPLES
        dsar request execute ID
        dsar request execute ID --wait
      """)

  @Argument(help: ArgumentHelp("The request.", valueName: "id")) var id: ResourceID
  @Flag(help: "Wait until an erasure is certified.") var wait = false
  @OptionGroup var sessions: SessionOptions
  @OptionGroup var output: OutputOptions

  func run() async throws {
    try await reporting {
      try await ServiceClient.with(sessions) { client in
        var request = RequestSummary(try await client.post("/privacy/data/\(id):execute"))
        if wait, request.type == RequestKind.erasure.rawValue {
          request = try await ErasureWait(client: client, console: .standard).certified(request)
        }
        RequestCommand.show(request, output)
      }
    }
  }
}
