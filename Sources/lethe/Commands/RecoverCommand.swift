import ArgumentParser
import Custody
import ProfilesAPI
import StrictJSON

/// `lethe recover`.
struct RecoverCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "recover",
    abstract: "Bring restored databases up to what was published and erased since.",
    discussion: """
      Takes the variables of lethe serve; stop every replica first. What is trusted is LETHE_ARCHIVE and LETHE_KEYRING:
      name the newest of both. Imports archived log entries, completes the ledger, erases again whoever is in it, puts
      epochs and lookup tags right, brings requests to where the log says they are, appends log.recovered to each
      tenant's log, and compares once more. It can be repeated, and carries on what was interrupted.

      EXIT STATUS
        0  the databases may be served; what no backup had is in the table
        1  they may not, and it says why; runbooks/restore-from-backup.md

      EXAMPLES
        lethe recover --dry-run        what would be done
        lethe recover && lethe serve
      """)

  @Flag(name: .customLong("dry-run"), help: "Say what would be done, and do nothing.") var dryRun = false
  @Flag(help: "Print JSON.") var json = false

  func run() async throws {
    try await reporting {
      let environment = Environment()
      let logger = try environment.logger()
      let parts = try await ServerParts.open(
        // Logs are searched from end to end.
        try environment.serverSettings(), as: "lethe-recover", statementTimeout: .seconds(3_600), logger: logger)
      let outcome: RecoveryOutcome
      do {
        let recovery = parts.recovery(logger: logger) { Console.note("lethe: \($0)") }
        outcome = dryRun ? try await recovery.plan() : try await recovery.run()
      } catch {
        await parts.close()
        throw error
      }
      await parts.close()
      if json { Console.say(json: document(outcome)) } else { show(outcome) }
      if dryRun ? !outcome.before.isEmpty : !outcome.left.isEmpty { throw ExitCode.failure }
    }
  }

  private func show(_ outcome: RecoveryOutcome) {
    let findings = dryRun ? outcome.before : outcome.left
    if dryRun {
      Console.say(findings.isEmpty ? "nothing to recover" : "found:")
      for finding in findings { Console.say("  \(finding)") }
    }
    Console.table(
      ["TENANT", "ENTRIES", "LEDGER", "ERASED", "KEYS", "REQUESTS", "TAGS", "NO KEY", "NO ROW"],
      outcome.tenants.map { tenant in
        [
          tenant.tenant.description, "\(tenant.imported)", "\(tenant.ledgerLines)", "\(tenant.tombstoned)",
          "\(tenant.keysDestroyed)", "\(tenant.requestsSettled)", "\(tenant.tagsRebuilt)", "\(tenant.keyless)",
          "\(tenant.orphans)",
        ]
      })
    if outcome.epochsRepaired { Console.say(dryRun ? "epochs would be put right" : "epochs were put right") }
    let keyless = outcome.tenants.map(\.keyless).reduce(0, +)
    if keyless > 0 {
      Console.note(
        "lethe: \(keyless) subject(s) have no key, and can't be read by anyone: `lethe keys check` names them")
    }
    let unreadable = outcome.tenants.map(\.tagsUnreadable).reduce(0, +)
    if unreadable > 0 { Console.note("lethe: \(unreadable) value(s) don't open, and have no lookup tag") }
    if dryRun { return }
    if findings.isEmpty {
      Console.say("recovered     the databases may be served")
      Console.say("next          lethe serve; then let an officer re-check (runbooks/restore-from-backup.md)")
    } else {
      Console.note("lethe: not recovered; this is left (runbooks/restore-from-backup.md):")
      for finding in findings { Console.note("  \(finding)") }
    }
  }

  private func document(_ outcome: RecoveryOutcome) -> JSONValue {
    func lines(_ findings: [StartupComparison.Finding]) -> JSONValue {
      .array(findings.map { .string($0.description) })
    }
    return .object([
      JSONMember("dry_run", .bool(dryRun)),
      JSONMember("recovered", .bool(!dryRun && outcome.left.isEmpty)),
      JSONMember("epochs_repaired", .bool(outcome.epochsRepaired)),
      JSONMember("found", lines(outcome.before)),
      JSONMember("left", lines(outcome.left)),
      JSONMember(
        "tenants",
        .array(
          outcome.tenants.map { tenant in
            .object([
              JSONMember("tenant_id", .string(tenant.tenant.description)),
              JSONMember("restored", .bool(tenant.tenantRestored)),
              JSONMember("imported", .integer(tenant.imported)),
              JSONMember("ledger_lines", .integer(Int64(tenant.ledgerLines))),
              JSONMember("tombstoned", .integer(Int64(tenant.tombstoned))),
              JSONMember("keys_destroyed", .integer(Int64(tenant.keysDestroyed))),
              JSONMember("requests_settled", .integer(Int64(tenant.requestsSettled))),
              JSONMember("tags_rebuilt", .integer(Int64(tenant.tagsRebuilt))),
              JSONMember("tags_unreadable", .integer(Int64(tenant.tagsUnreadable))),
              JSONMember("keyless", .integer(Int64(tenant.keyless))),
              JSONMember("orphans", .integer(Int64(tenant.orphans))),
            ])
          })),
    ])
  }
}
