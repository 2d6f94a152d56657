import ArgumentParser

/// `dsar request`.
struct RequestCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "request", abstract: "Data subjects' requests: open, verify, approve, execute.",
    discussion: """
      An access or portability request is opened, verified and executed; an erasure is approved in between, by somebody
      else than whoever opened it.

      EXAMPLES
        dsar request open --type erasure --profile ID --jurisdiction DE
        dsar request verify ID --method in_person
        dsar request approve ID --session officer2
        dsar request execute ID --wait
      """,
    subcommands: [
      RequestOpenCommand.self, RequestListCommand.self, RequestShowCommand.self, RequestVerifyCommand.self,
      RequestApproveCommand.self, RequestExecuteCommand.self,
    ])

  /// Prints a request.
  static func show(_ request: RequestSummary, _ output: OutputOptions) {
    if output.json { Console.standard.say(json: request.json) } else { Console.standard.pairs(request.pairs) }
  }
}

/// What may be asked for.
enum RequestKind: String, CaseIterable, ExpressibleByArgument {
  case access, portability, erasure
}

/// How a person's identity was verified.
enum VerificationMethod: String, CaseIterable, ExpressibleByArgument {
  case login, document, callback
  case inPerson = "in_person"
}

/// How far a request may be.
enum RequestState: String, CaseIterable, ExpressibleByArgument {
  case received, verified, approved, executing, completed
  case needsApproval = "needs_approval"
}
