import ArgumentParser

/// `dsar audit`.
struct AuditCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "audit", abstract: "The tenant's audit log: read it, copy it, verify it offline, witness it.",
    discussion: """
      EXAMPLES
        dsar audit list --action 'personal_data.*' --from 2026-11-01
        dsar audit show 4711 --key @vkey
        dsar audit export --out archive
        dsar audit verify archive --key @vkey
      """,
    subcommands: [
      AuditListCommand.self, AuditShowCommand.self, AuditReceiptCommand.self, AuditExportCommand.self,
      AuditVerifyCommand.self, AuditWitnessCommand.self,
    ])
}
