import ArgumentParser
import StrictJSON

/// `dsar audit list`.
struct AuditListCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "List entries of the log, newest first.",
    discussion: """
      Every listing is itself an entry of the log. Times are dates, which are days in UTC (with --to, that day still
      belongs to the list), or dates and times with an offset; a time given with --to is not in the list any more.

      --values shows masked values as they are now, of entries about one person: that is a read of personal data,
      needs the scope for it and is recorded like any other. What is listed is what the server says; `dsar audit show`
      verifies one entry, `dsar audit verify` all of them.

      EXAMPLES
        dsar audit list --subject ID --from 2026-11-01 --to 2026-11-30
        dsar audit list --action 'personal_data.*' --actor ID --limit 500 --csv
      """)

  @Option(help: "Only entries about this person.") var subject: ResourceID?
  @Option(help: "Only entries of what this person or service did.") var actor: ResourceID?
  @Option(help: ArgumentHelp("Only this action, or a family: personal_data.*", valueName: "name"))
  var action: LogActionName?
  @Option(help: ArgumentHelp("Only entries at or after that time.", valueName: "time")) var from: LogMoment?
  @Option(help: ArgumentHelp("Only entries before that time, or up to that day.", valueName: "time"))
  var to: LogMoment?
  @Option(help: "How many entries, 1 to 100000.") var limit = 50
  @Flag(help: "Show masked live values.") var values = false
  @Flag(help: "Print CSV instead of a table.") var csv = false
  @OptionGroup var sessions: SessionOptions
  @OptionGroup var output: OutputOptions

  func validate() throws {
    guard (1...100_000).contains(limit) else { throw ValidationError("--limit is from 1 to 100000.") }
    guard !(csv && output.json) else { throw ValidationError("--csv and --json exclude each other.") }
  }

  func run() async throws {
    try await reporting {
      try await ServiceClient.with(sessions) { client in
        let query = EntryQuery(
          subject: subject, actor: actor, action: action, from: from, to: to, showsValues: values)
        let (items, isMore) = try await query.entries(client, limit: limit)
        if output.json {
          Console.standard.say(json: ["items": .array(items), "more": .bool(isMore)])
        } else if csv {
          Console.standard.say(EntrySummary.line(EntrySummary.columns(withValues: values)))
          for item in items { Console.standard.say(EntrySummary(item).csv(withValues: values)) }
        } else {
          Console.standard.table(
            EntrySummary.headings(withValues: values), items.map { EntrySummary($0).row(withValues: values) })
        }
        if isMore { Console.standard.note("there are more: --limit") }
      }
    }
  }
}
