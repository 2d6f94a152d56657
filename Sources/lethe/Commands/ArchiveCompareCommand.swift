import ArgumentParser
import Custody
import Foundation
import ProfilesAPI
import StrictJSON

/// `lethe archive compare`.
struct ArchiveCompareCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "compare",
    abstract: "Hold every row of the log's table against the archive.",
    discussion: """
      Takes the variables of lethe serve, and changes nothing; it may run while the service answers. Names rows that were
      edited, deleted, added or put under another number by somebody who can do that to a table: its owner, or a
      superuser. Rows that the archive doesn't have yet are held against their own chain. Verify the archive itself with
      `dsar audit verify`, and read runbooks/log-does-not-verify.md when something is found.

      EXIT STATUS
        0  every row is as it was committed
        1  refused or failed: one line on standard error says why
        2  rows differ; each is named

      EXAMPLES
        lethe archive compare
        lethe archive compare --tenant 0d4c5c9c-5f5c-4d0c-9f5e-0a3f0c5b6a7d --json
      """)

  @Option(help: "One tenant only.") var tenant: String?
  @Flag(help: "Print JSON.") var json = false

  func validate() throws {
    if let tenant, UUID(uuidString: tenant) == nil { throw ValidationError("--tenant is a UUID.") }
  }

  func run() async throws {
    let results = try await withParts { parts in
      let comparison = ArchiveComparison(custody: parts.custody, checkpointer: parts.checkpointer)
      var results: [ArchiveComparison.Result] = []
      for tenant in try await tenants(tenant, parts) { results.append(try await comparison.compare(tenant)) }
      return results
    }
    if json {
      Console.say(json: .object([JSONMember("tenants", .array(results.map(Self.document)))]))
    } else {
      Console.table(
        ["TENANT", "ROWS", "PUBLISHED", "ROWS FROM", "FINDINGS"],
        results.map {
          ["\($0.tenant)", "\($0.rows)", "\($0.published)", "\($0.rowsFrom)", "\($0.findings.count)"]
        })
      for result in results {
        for finding in result.findings { Console.say("tenant \(result.tenant): \(finding)") }
      }
    }
    if results.contains(where: { !$0.findings.isEmpty }) { throw ExitCode(2) }
  }

  private static func document(_ result: ArchiveComparison.Result) -> JSONValue {
    .object([
      JSONMember("tenant_id", .string(result.tenant.description)), JSONMember("rows", .integer(result.rows)),
      JSONMember("published", .integer(Int64(result.published))), JSONMember("rows_from", .integer(result.rowsFrom)),
      JSONMember(
        "findings",
        .array(
          result.findings.map {
            .object([
              JSONMember("kind", .string($0.kind.rawValue)),
              JSONMember("first", .integer($0.sequences.lowerBound)),
              JSONMember("last", .integer($0.sequences.upperBound)),
            ])
          })),
    ])
  }
}

/// The tenant of a command's option, which there has to be; every tenant without it, or for `all`.
func tenants(_ option: String?, _ parts: ServerParts) async throws -> [TenantID] {
  let known = try await parts.custody.tenants().map(\.id)
  guard let option, option != "all" else { return known }
  guard let tenant = UUID(uuidString: option).map({ TenantID($0) }), known.contains(tenant) else {
    throw Environment.Fault(description: "there is no such tenant; `lethe tenant list`")
  }
  return [tenant]
}
