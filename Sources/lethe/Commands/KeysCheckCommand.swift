import ArgumentParser
import Custody
import ProfilesAPI
import StrictJSON

/// `lethe keys check`.
struct KeysCheckCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check",
    abstract: "Hold every subject against its key: rows without a key, keys without a row.",
    discussion: """
      Takes the variables of lethe serve, and changes nothing. A subject without a key can't be read by anyone: it came
      from a backup that is younger than the vault's. It is never repaired silently. A key without a row belongs to
      nobody; the service destroys it when it is a day old.

      EXIT STATUS
        0  every subject has its key
        1  some have none, or something failed
      """)

  @Flag(help: "Print JSON.") var json = false

  func run() async throws {
    try await reporting {
      let environment = Environment()
      let logger = try environment.logger()
      let parts = try await ServerParts.open(try environment.serverSettings(), as: "lethe-check", logger: logger)
      var found: [(tenant: TenantID, findings: Reconciliation.Findings)] = []
      do {
        let reconciliation = Reconciliation(custody: parts.custody, logger: logger)
        for tenant in try await parts.custody.tenants() {
          found.append((tenant.id, try await reconciliation.compare(tenant.id)))
        }
      } catch {
        await parts.close()
        throw error
      }
      await parts.close()
      if json {
        Console.say(
          json: .object([
            JSONMember(
              "tenants",
              .array(
                found.map { tenant, findings in
                  .object([
                    JSONMember("tenant_id", .string(tenant.description)),
                    JSONMember("compared", .integer(Int64(findings.compared))),
                    JSONMember("keys_without_row", .integer(Int64(findings.orphans))),
                    JSONMember("subjects_without_key", .array(findings.keyless.map { .string($0.description) })),
                  ])
                }))
          ]))
      } else {
        Console.table(
          ["TENANT", "COMPARED", "KEYS WITHOUT ROW", "SUBJECTS WITHOUT KEY"],
          found.map {
            ["\($0.tenant)", "\($0.findings.compared)", "\($0.findings.orphans)", "\($0.findings.keyless.count)"]
          }
        )
        for (tenant, findings) in found {
          for subject in findings.keyless { Console.say("tenant \(tenant): subject \(subject) has no key") }
        }
      }
      if found.contains(where: { !$0.findings.keyless.isEmpty }) { throw ExitCode.failure }
    }
  }
}
