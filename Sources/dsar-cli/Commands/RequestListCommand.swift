import ArgumentParser
import StrictJSON

/// `dsar request list`.
struct RequestListCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "List requests.",
    discussion: """
      EXAMPLES
        dsar request list --state needs_approval
        dsar request list --type erasure --all --json
      """)

  @Option(help: "Only requests in this state.") var state: RequestState?
  @Option(help: "Only requests of this type.") var type: RequestKind?
  @Option(help: "How many at a time, 1 to 200.") var limit = 50
  @Flag(help: "Go on to the last one.") var all = false
  @OptionGroup var sessions: SessionOptions
  @OptionGroup var output: OutputOptions

  func validate() throws {
    guard (1...200).contains(limit) else { throw ValidationError("--limit is from 1 to 200.") }
  }

  func run() async throws {
    try await reporting {
      try await ServiceClient.with(sessions) { client in
        let (items, next) = try await pages(client)
        if output.json {
          Console.standard.say(json: ["items": .array(items), "next": next.map(JSONValue.string) ?? .null])
          return
        }
        Console.standard.table(RequestSummary.headings, items.map { RequestSummary($0).row })
        if next != nil { Console.standard.note("there are more: --all") }
      }
    }
  }

  private func pages(_ client: ServiceClient) async throws -> ([JSONValue], String?) {
    var query = "limit=\(limit)"
    if let state { query += "&state=\(state.rawValue)" }
    if let type { query += "&type=\(type.rawValue)" }
    var items: [JSONValue] = []
    var next: String?
    repeat {
      // A cursor is base64url and needs no encoding.
      let page = try await client.json("/privacy/data?\(query)" + (next.map { "&cursor=\($0)" } ?? ""))
      items += page["items"]?.array ?? []
      next = page["next"]?.string
    } while all && next != nil
    return (items, next)
  }
}
